"""Finding what has ended, or left its queue, since a time: but listings come in the order of creation.

So a stretch of time is listed whole, and halved while it holds more than one listing does.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from conductor_lite.policies.snapshot_asking import LAST_EPOCH_MS, PAGE_SIZE, Asking, iso
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

#: Takes over what was listed.
Take = Callable[[Sequence[WorkflowRecord]], Awaitable[None]]

#: Times are told in milliseconds, but some SDKs round them on the way.
_ROUNDING_MS = 1


class UnknownFilterError(Exception):
    """The SDK is too old to know the filter, and lists everything."""


class Stretches:
    """Follows one kind of time, such as that of completion.

    Args:
        after: name of the filter for its beginning.
        before: name of the filter for its end.
        field: name of the time in a record.
    """

    def __init__(self, after: str, before: str, field: str) -> None:
        self._after = after
        self._before = before
        self._field = field

    async def follow(self, asking: Asking, since: int, take: Take) -> tuple[int, bool]:
        """Take over everything from a time on.

        Returns:
            Until when everything is known, and whether nothing is left.

        Raises:
            UnknownFilterError: the SDK does not know this kind of time.
            DispatchError: no executor answered.
        """
        begin, known, horizon, width = since, since, since, 0
        while True:
            # Without a width, everything that lies ahead.
            end = begin + width if width else None
            page, more = await asking.page(self._filters(begin, end))
            newest = self._newest(page, begin)
            horizon = max(horizon, newest)
            await take(page)
            if not more:
                known = max(known, newest if end is None else end)
                if end is None:
                    return known, True
                begin, width = end, width * 2
                if begin + width >= horizon:
                    width = 0
            elif width > 1:
                width //= 2
            elif width == 1 or newest <= begin + _ROUNDING_MS:
                await self._drain(asking, begin, begin + 1, take)
                begin, known, width = begin + 1, max(known, begin + 1), 0
            else:
                width = max(1, (newest - begin) // 2)
            if asking.time_is_up:
                return known, False

    async def _drain(self, asking: Asking, begin: int, end: int, take: Take) -> None:
        """More workflows in one millisecond than fit one listing."""
        offset, more = 0, True
        while more:
            page, more = await asking.page(self._filters(begin, end, offset))
            await take(page)
            offset += PAGE_SIZE

    def _filters(self, begin: int, end: int | None, offset: int = 0) -> WorkflowFilters:
        bounds = {self._after: iso(begin)}
        if end is not None:
            bounds[self._before] = iso(end)
        return msgspec.structs.replace(WorkflowFilters(offset=offset or None), **bounds)

    def _newest(self, page: Sequence[WorkflowRecord], begin: int) -> int:
        times = [getattr(record, self._field) for record in page]
        if any(time is None or time < begin - _ROUNDING_MS for time in times):
            raise UnknownFilterError(self._after)
        return max((time for time in times if time <= LAST_EPOCH_MS), default=begin)
