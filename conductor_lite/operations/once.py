"""What does its work twice when it is asked for twice: done once for each key that callers make up.

Keys and answers are on record, so that a restart between two sendings makes no difference. A click that was
sent twice, a form that was loaded again and a request that was retried all come through here.
"""

import asyncio
import hashlib
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.begun import Begun, watching
from conductor_lite.errors import (
    ConductorError,
    ConflictError,
    ExecutorReportedError,
    ForbiddenError,
    InvalidError,
    NoHealthyExecutorError,
    NotFoundError,
    StandingLostError,
    StoreError,
    UnauthenticatedError,
)
from conductor_lite.operations.context import Context

logger = logging.getLogger(__name__)

#: How long a key is remembered, and how many are.
EXPIRY = timedelta(hours=24)
MAX_KEYS = 10_000
#: Longest answer that is kept.
MAX_ANSWER_BYTES = 64 * 1024

#: Texts in a request that have more characters than this, such as an export, are not written as JSON.
LONG_TEXT = 256 * 1024

#: Stands for an answer that was too long.
_TOO_LONG = b""
#: Failures that say that nothing was done, of what is not done in parts.
_REFUSALS = (
    ConflictError,
    ExecutorReportedError,
    ForbiddenError,
    InvalidError,
    NoHealthyExecutorError,
    NotFoundError,
    UnauthenticatedError,
)


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of something that does its work twice when it is asked for twice."""

    #: It asks executors more than once, so that it may fail after part of it was done.
    in_parts: bool = False
    #: It finds out by itself whether an earlier attempt did it, and may simply be tried again.
    settles: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at something that is to be done once."""

    #: Id for the workflow that it starts, the same for every attempt.
    new_id: str
    #: Whether an earlier attempt may have done it.
    again: bool = False


def unknown_outcome() -> ConflictError:
    """Says that an earlier attempt ended without an answer, and that another is not made."""
    return ConflictError(
        "This was sent before, and whether it was done is not known: no answer came. Look first; if it was "
        "not done, send it anew, with a new idempotency key or from a new form."
    )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer."""

    answer: bytes
    #: Whether it was done before, and not by this call.
    replayed: bool


class Once:
    """Does once what is asked for under one key."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # By organisation, subject and key: who is busy with it has the lock; and how many work or wait.
        self._busy: dict[tuple[str, str, str], tuple[asyncio.Lock, int]] = {}

    async def run(
        self,
        actor: Actor,
        key: str,
        request: object,
        work: Callable[[Attempt], Awaitable[bytes]],
        caution: Caution,
    ) -> Outcome:
        """Do it, or tell what came of it before. Who sends the same key meanwhile waits.

        Args:
            actor: on whose behalf; keys of others are other keys.
            key: made up by the caller.
            request: what is asked; anything that can be written as JSON.
            work: does it and gives the answer to be kept.
            caution: what is true of it.

        Raises:
            InvalidError: the key was used for something else.
            ConflictError: whether an earlier attempt did it is not known, or its answer was too long to keep.
            StoreError: the key cannot be put on record; nothing was done.
        """
        digest = await _digest(request)
        subject, now = f"{actor.subject_type}:{actor.subject_id}", self._context.now()
        async with self._alone((actor.organization_id, subject, key)):
            record, is_new = await self._context.idempotency_keys.begin(
                actor.organization_id,
                subject,
                key,
                request_digest=digest,
                new_id=str(uuid.uuid4()),
                now=now,
                expired_before=self._context.trusted_now() - EXPIRY,
                keep=MAX_KEYS,
            )
            if record.request_digest != digest:
                raise InvalidError(
                    "This idempotency key was used for another request; make up a new one for each."
                )
            if record.answer:
                return Outcome(answer=record.answer, replayed=True)
            if record.answer == _TOO_LONG:
                raise ConflictError(
                    "This was done already, when it was sent first; its answer was too long to be kept."
                )
            if not is_new and not caution.settles:
                raise unknown_outcome()
            attempt = Attempt(new_id=record.new_id, again=not is_new)
            answer = await self._attempt(record.id, attempt, work, caution)
            return Outcome(answer=answer, replayed=False)

    async def _attempt(
        self, id_: int, attempt: Attempt, work: Callable[[Attempt], Awaitable[bytes]], caution: Caution
    ) -> bytes:
        store = self._context.idempotency_keys
        with watching() as begun:
            try:
                answer = await work(attempt)
            except ConductorError as error:
                if not attempt.again and _did_nothing(error, caution, begun):
                    await self._free(id_)
                raise
        try:
            await store.finish(id_, answer if len(answer) <= MAX_ANSWER_BYTES else _TOO_LONG)
        except StoreError:
            # It was done, and that is what counts; only a second sending will not learn how it ended.
            logger.exception("The answer under an idempotency key could not be kept")
        return answer

    async def _free(self, id_: int) -> None:
        try:
            await self._context.idempotency_keys.forget(id_)
        except StoreError:
            # What failed is what the caller is to learn; sent again, it is told to be unknown.
            logger.exception("An idempotency key could not be freed")

    @asynccontextmanager
    async def _alone(self, key: tuple[str, str, str]) -> AsyncIterator[None]:
        lock, count = self._busy.get(key) or (asyncio.Lock(), 0)
        self._busy[key] = (lock, count + 1)
        try:
            async with lock:
                yield
        finally:
            lock, count = self._busy[key]
            if count == 1:
                del self._busy[key]
            else:
                self._busy[key] = (lock, count - 1)


async def _digest(request: object) -> str:
    """Tells requests apart. An export may have 64 MiB: it is hashed as it is, and beside the event loop."""
    long_texts: list[str] = []
    content = msgspec.json.encode(_taken_out(msgspec.to_builtins(request), long_texts))
    if long_texts:
        return await asyncio.to_thread(_hashed, content, long_texts)
    return _hashed(content, long_texts)


def _taken_out(value: Any, long_texts: list[str], levels: int = 2) -> Any:
    """The same without the long texts among a body's fields, which are put into the list."""
    if isinstance(value, str) and len(value) > LONG_TEXT:
        long_texts.append(value)
        return {"long_text": len(long_texts)}
    if levels and isinstance(value, dict):
        return {name: _taken_out(one, long_texts, levels - 1) for name, one in value.items()}
    if levels and isinstance(value, list | tuple):
        return [_taken_out(one, long_texts, levels - 1) for one in value]
    return value


def _hashed(content: bytes, long_texts: list[str]) -> str:
    digest = hashlib.sha256(content)
    for text in long_texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def _did_nothing(error: ConductorError, caution: Caution, begun: Begun) -> bool:
    """Whether what failed like this left everything as it was, so that it may be tried again."""
    if not begun.is_begun:
        return True
    if caution.in_parts or isinstance(error, StandingLostError):
        return False
    return isinstance(error, _REFUSALS)
