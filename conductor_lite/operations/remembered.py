"""What executors last said of queues, schedules and versions, for while none of them answers.

Lists stand in memory; what is new among them is written down every minute and at the end, without payloads.
Workflows are kept in snapshots.
"""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from conductor_lite.errors import (
    DeadlineExceededError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    StoreError,
)
from conductor_lite.operations.served import Served
from conductor_lite.store.definitions import Definition, Definitions

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Lists that stand in memory; those that were not renewed for the longest go first.
MAX_LISTS = 10_000
#: Lists written in one transaction.
BATCH_SIZE = 50


class Recalled(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A list, and where it came from."""

    items: Sequence[T]
    served: Served
    #: Why it is not fresh although executors are connected; empty mostly.
    trouble: str = ""


class Remembered:
    """The newest list of each kind, by application. Writing them down is a policy.

    Args:
        store: the table of lists.
    """

    name = "definitions"
    interval_secs = 60.0

    def __init__(self, store: Definitions) -> None:
        self._store = store
        # Renewed last stands last.
        self._lists: OrderedDict[tuple[str, str], tuple[Sequence[Any], datetime]] = OrderedDict()
        # Keys of those that are newer than what is written, in that order.
        self._unwritten: dict[tuple[str, str], None] = {}

    def keep(self, application_id: str, kind: str, items: Sequence[Any], now: datetime) -> None:
        """Remember a whole list; its items are not to have payloads."""
        key = application_id, kind
        self._lists[key] = tuple(items), now
        self._lists.move_to_end(key)
        self._unwritten[key] = None
        while len(self._lists) > MAX_LISTS:
            oldest, _ = self._lists.popitem(last=False)
            self._unwritten.pop(oldest, None)

    async def instead(
        self,
        application_id: str,
        kind: str,
        shape: type[list[T]],
        asked: Callable[[], Awaitable[Sequence[T]]],
    ) -> Recalled[T]:
        """What is asked for, or the list as it was last told where no executor answers.

        Args:
            application_id: whose list.
            kind: of what.
            shape: the type of such a list.
            asked: asks an executor for it.

        Raises:
            DispatchError: no executor answered, and none ever has.
            StoreError: no executor answered, and what was written down cannot be read.
        """
        try:
            return Recalled(items=await asked(), served=Served(source="executor"))
        except (NoHealthyExecutorError, NoExecutorAnsweredError, DeadlineExceededError) as error:
            found = self._lists.get((application_id, kind)) or await self._written(
                application_id, kind, shape
            )
            if found is None:
                raise
            items, at = found
            trouble = "" if isinstance(error, NoHealthyExecutorError) else str(error)
            return Recalled(items=items, served=Served(source="snapshot", snapshot_at=at), trouble=trouble)

    async def round(self) -> None:
        """Write down what is new.

        Raises:
            StoreError: the database refused; what is not written yet is tried again next time.
        """
        keys = list(self._unwritten)
        for start in range(0, len(keys), BATCH_SIZE):
            told = {key: self._lists[key] for key in keys[start : start + BATCH_SIZE] if key in self._lists}
            await self._store.keep(
                [
                    Definition(application_id=id_, kind=kind, items=msgspec.json.encode(items), told_at=at)
                    for (id_, kind), (items, at) in told.items()
                ]
            )
            for key, one in told.items():
                # One that was renewed meanwhile is still to be written.
                if self._lists.get(key) is one:
                    self._unwritten.pop(key, None)

    async def stop(self) -> None:
        """Write down what is new once more: the server ends."""
        try:
            await self.round()
        except StoreError as error:
            logger.warning("What applications told last could not be written down: %s", error)

    async def _written(
        self, application_id: str, kind: str, shape: type[list[T]]
    ) -> tuple[Sequence[T], datetime] | None:
        found = await self._store.get(application_id, kind)
        if found is None:
            return None
        try:
            return msgspec.json.decode(found.items, type=shape), found.told_at
        except (msgspec.DecodeError, UnicodeDecodeError):
            logger.warning("What was last told of %s cannot be read any more; it is left out.", kind)
            return None
