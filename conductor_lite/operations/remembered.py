"""What executors last said of queues, schedules and versions, for while none of them answers.

In memory only, and without payloads: it is lost with the process. Workflows are kept in snapshots.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from conductor_lite.errors import DeadlineExceededError, NoExecutorAnsweredError, NoHealthyExecutorError
from conductor_lite.operations.served import Served

T = TypeVar("T")

#: Lists that are remembered; those that were not renewed for the longest go first.
MAX_LISTS = 10_000


class Recalled(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A list, and where it came from."""

    items: Sequence[T]
    served: Served
    #: Why it is not fresh although executors are connected; empty mostly.
    trouble: str = ""


class Remembered:
    """The newest list of each kind, by application."""

    def __init__(self) -> None:
        # Renewed last stands last.
        self._lists: OrderedDict[tuple[str, str], tuple[Sequence[Any], datetime]] = OrderedDict()

    def keep(self, application_id: str, kind: str, items: Sequence[Any], now: datetime) -> None:
        """Remember a whole list; its items are not to have payloads."""
        key = application_id, kind
        self._lists[key] = tuple(items), now
        self._lists.move_to_end(key)
        while len(self._lists) > MAX_LISTS:
            self._lists.popitem(last=False)

    async def instead(
        self, application_id: str, kind: str, asked: Callable[[], Awaitable[Sequence[T]]]
    ) -> Recalled[T]:
        """What is asked for, or the list as it was last told where no executor answers.

        Raises:
            DispatchError: no executor answered, and none has since the server started.
        """
        try:
            return Recalled(items=await asked(), served=Served(source="executor"))
        except (NoHealthyExecutorError, NoExecutorAnsweredError, DeadlineExceededError) as error:
            found = self._lists.get((application_id, kind))
            if found is None:
                raise
            items, at = found
            trouble = "" if isinstance(error, NoHealthyExecutorError) else str(error)
            return Recalled(items=items, served=Served(source="snapshot", snapshot_at=at), trouble=trouble)
