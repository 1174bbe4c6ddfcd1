"""Fetching a long list of workflows page by page, each once, while the page before is still being used."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from conductor_lite.errors import ExecutorReportedError
from conductor_lite.protocol import WorkflowRecord

#: Gives one page: from the most workflows it may hold, and how many to pass over.
Fetch = Callable[[int, int], Awaitable[list[WorkflowRecord]]]

#: Pages whose ids are remembered: what is new pushes as much from one page to the next, hardly ever further.
REMEMBERED_PAGES = 8
#: Full pages in a row without anything new before the list is given up.
MAX_STALE_PAGES = 8
_REPEATS = "The executor answers every page with the same workflows; its SDK may not know offsets."


async def fetch_pages(
    fetch: Fetch, *, wanted: int | None, offset: int, page_size: int
) -> AsyncGenerator[list[WorkflowRecord], None]:
    """Yield pages until there are no more; always at least one, which may be empty, unless none are wanted.

    One page at most is fetched ahead. To be closed when it is not run to its end.

    Args:
        fetch: gives one page; whatever it raises ends the list.
        wanted: how many workflows; None for all.
        offset: how many to pass over.
        page_size: how many to fetch at once.

    Raises:
        ExecutorReportedError: page after page is the same.
    """
    if wanted == 0:
        return
    limit = page_size if wanted is None else min(page_size, wanted)
    coming = asyncio.ensure_future(fetch(limit, offset))
    seen: set[str] = set()
    remembered: deque[set[str]] = deque()
    stale = 0
    is_first = True
    try:
        while True:
            page = await coming
            fresh = [item for item in page if item.workflow_id not in seen][:wanted]
            offset += len(page)
            wanted = None if wanted is None else wanted - len(fresh)
            is_last = len(page) < limit or wanted == 0
            if not is_last:
                # Full pages after the first: the few still wanted might all be such as were pushed there.
                limit = page_size
                coming = asyncio.ensure_future(fetch(limit, offset))
                # Let it be asked before this page is worked on.
                await asyncio.sleep(0)
            if fresh or is_first:
                yield fresh
            is_first = False
            if is_last:
                return
            stale = 0 if fresh else stale + 1
            if stale > MAX_STALE_PAGES:
                raise ExecutorReportedError(_REPEATS, _REPEATS)
            if fresh:
                remembered.append({item.workflow_id for item in fresh})
                seen |= remembered[-1]
            if len(remembered) > REMEMBERED_PAGES:
                seen -= remembered.popleft()
    finally:
        coming.cancel()
        # Its failure is nobody's business any more.
        await asyncio.gather(coming, return_exceptions=True)
