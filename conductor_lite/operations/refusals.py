"""Changes that were refused before any operation heard of them: unreadable, or by somebody unknown.

They are written into the audit log as well, beside the request and never more than so many a minute, so that
a flood of them fills no disk and holds up no writer.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections import Counter

import msgspec

from conductor_lite.auth.actor import LOCAL_ORGANIZATION, Actor
from conductor_lite.errors import ConductorError, InvalidError, StoreError
from conductor_lite.fleet.changes import AUDIT
from conductor_lite.operations.context import Context
from conductor_lite.redact import redact
from conductor_lite.store.records import NewAuditEntry

logger = logging.getLogger(__name__)

#: Entries of their own that a minute's refusals get; the others of that minute are counted.
MAX_SINGLE = 20
#: The same for those by unknown callers, who can flood for months; the others of them are one count.
MAX_SINGLE_UNKNOWN = 3
#: Counts that are told apart, by who asked for what; what is beyond is counted together.
MAX_COUNTS = 10
WINDOW_SECS = 60.0
#: Seconds for which entries are gathered, to be written at once.
GATHER_SECS = 0.2
_MAX_TEXT = 300
_MAX_FAULTS = 10
_OTHERS = ("refused", "")
_UNKNOWN = ("refused", "unknown")
#: What an entry says first that counts what is not told apart.
_TOGETHER = {
    _OTHERS: "Too many to be told apart; this is the first of them. ",
    _UNKNOWN: "Those by unknown callers are counted together; this is the first of them. ",
}


class Refusals:
    """Writes down what was refused."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # Entries to be written at the next occasion.
        self._fresh: list[NewAuditEntry] = []
        # How many entries of their own the present window has got, by those who are known and by others, and
        # when it began by the monotonic clock.
        self._single = self._single_unknown = 0
        self._window_began = 0.0
        # Refusals of this window that got none, by operation and who asked.
        self._counts: Counter[tuple[str, str]] = Counter()
        # One entry that stands for each of these.
        self._examples: dict[tuple[str, str], NewAuditEntry] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def note(
        self,
        actor: Actor | None,
        operation: str,
        target_type: str,
        target_id: str,
        error: ConductorError,
        *,
        application_name: str = "",
        source_ip: str | None = None,
    ) -> None:
        """Note one refusal; it is written soon, and the caller does not wait for it.

        Args:
            actor: who asked; None when that is not known.
            operation: what was asked for, as the audit log calls it.
            target_type: what it was to be done to.
            target_id: which one, as the caller named it.
            error: why not.
            application_name: where, unless that is the target itself.
            source_ip: where an unknown caller is.
        """
        details: dict[str, object] = {"error": _clipped(redact(str(error))), "before": "the operation began"}
        if isinstance(error, InvalidError) and error.errors:
            # Where, not what: a value may be a secret in the wrong place.
            details["faults"] = [_clipped(fault.location) for fault in error.errors[:_MAX_FAULTS]]
        if application_name:
            details["application_name"] = _clipped(application_name)
        entry = NewAuditEntry(
            organization_id=actor.organization_id if actor else LOCAL_ORGANIZATION,
            emitted_at=self._context.now(),
            operation=operation,
            status="failure",
            subject_type=actor.subject_type if actor else "unknown",
            subject_id=actor.subject_id if actor else "unknown",
            subject_display=actor.display if actor else "unknown caller",
            target_type=target_type,
            target_id=_clipped(redact(target_id)),
            source_ip=actor.source_ip if actor else source_ip,
            details=details,
        )
        self._take(entry)
        if self._task is None and not self._stopping.is_set():
            self._task = asyncio.create_task(self._write(), context=contextvars.Context())

    async def stop(self) -> None:
        """Write what is noted, and end."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    def _take(self, entry: NewAuditEntry) -> None:
        now = time.monotonic()
        if not self._counts and now - self._window_began >= WINDOW_SECS:
            self._window_began, self._single, self._single_unknown = now, 0, 0
        kind = (entry.operation, entry.subject_id)
        if entry.subject_type == "unknown":
            if self._single_unknown < MAX_SINGLE_UNKNOWN:
                self._single_unknown += 1
                self._fresh.append(entry)
                return
            kind = _UNKNOWN
        elif self._single < MAX_SINGLE:
            self._single += 1
            self._fresh.append(entry)
            return
        elif kind not in self._counts and len(self._counts.keys() - _TOGETHER.keys()) >= MAX_COUNTS:
            kind = _OTHERS
        self._counts[kind] += 1
        self._examples.setdefault(kind, entry)

    async def _write(self) -> None:
        try:
            await self._write_all()
        finally:
            self._task = None

    async def _write_all(self) -> None:
        while self._fresh or self._counts:
            left_secs = self._window_began + WINDOW_SECS - time.monotonic()
            await self._pause(GATHER_SECS if self._fresh else max(GATHER_SECS, left_secs))
            entries, self._fresh = self._fresh, []
            over = time.monotonic() - self._window_began >= WINDOW_SECS
            if self._counts and (over or self._stopping.is_set()):
                entries += self._counted()
            try:
                await self._context.audit_log.append(entries)
            except StoreError as error:
                logger.error("%d refusals could not be written to the audit log: %s", len(entries), error)
            self._context.changes.publish(AUDIT)

    def _counted(self) -> list[NewAuditEntry]:
        entries = []
        for kind, count in self._counts.items():
            example = self._examples[kind]
            details = {**example.details, "count": count}
            if kind in _TOGETHER:
                details["error"] = _TOGETHER[kind] + str(details["error"])
            entries.append(msgspec.structs.replace(example, details=details))
        self._counts.clear()
        self._examples.clear()
        return entries

    async def _pause(self, secs: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self._stopping.wait()


def _clipped(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
