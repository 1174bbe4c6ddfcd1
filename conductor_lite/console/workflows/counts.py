"""How many workflows there are of each status, counted by executors: for all readers at once, not too often.

Counting may take long where there are many. A page never waits for it: it shows what was counted last.
"""

import asyncio
import logging
import time
from collections import OrderedDict

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.console.workflows.filters import aggregates_of
from conductor_lite.errors import ConductorError, UnsupportedMessageError
from conductor_lite.operations import Operations
from conductor_lite.operations.applications import Application
from conductor_lite.protocol import WorkflowFilters

logger = logging.getLogger(__name__)

#: Seconds that a look waits for its figures.
PATIENCE_SECS = 0.25
#: Figures are not asked for again sooner than this, nor before this many times as long as counting took.
LEAST_AGE_SECS = 1.8
AGE_FACTOR = 10
#: Seconds until those are asked again who could not tell.
FAILED_AGE_SECS = 30.0
#: Most filters whose figures are kept.
MAX_KEPT = 256


class Figures:
    """What was counted for one filter."""

    def __init__(self) -> None:
        self.counts: dict[str, int] | None = None
        # By the monotonic clock; from then on they are out of date.
        self.until = 0.0
        self.task: asyncio.Task[None] | None = None


class Counts:
    """Counts by status, remembered per application and filter.

    Args:
        operations: count.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._kept: OrderedDict[tuple[str, bytes], Figures] = OrderedDict()

    def begin(self, actor: Actor, application: Application, filters: WorkflowFilters) -> Figures | None:
        """Have it counted, unless that was done a moment ago; None where this cannot be counted."""
        body = aggregates_of(filters)
        if body is None:
            return None
        key = (application.record.id, msgspec.json.encode(body))
        figures = self._kept.pop(key, None) or Figures()
        self._kept[key] = figures
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        if figures.task is None and time.monotonic() >= figures.until:
            counting = self._count(actor, application.record.name, filters, figures)
            figures.task = asyncio.create_task(counting)
        return figures

    async def take(self, figures: Figures | None) -> dict[str, int] | None:
        """What was counted, by status; None when nobody could tell, or has not told yet."""
        if figures is None:
            return None
        if figures.task is not None:
            await asyncio.wait({figures.task}, timeout=PATIENCE_SECS)
        return figures.counts

    async def _count(
        self, actor: Actor, application_name: str, filters: WorkflowFilters, figures: Figures
    ) -> None:
        began = time.monotonic()
        age_secs = FAILED_AGE_SECS
        try:
            figures.counts = await count_by_status(self._operations, actor, application_name, filters)
            if figures.counts is not None:
                age_secs = max(LEAST_AGE_SECS, (time.monotonic() - began) * AGE_FACTOR)
        except ConductorError as error:
            figures.counts = None
            age_secs = LEAST_AGE_SECS
            logger.debug("Workflows of %s could not be counted: %s", application_name, error)
        finally:
            figures.until = time.monotonic() + age_secs
            figures.task = None


async def count_by_status(
    operations: Operations, actor: Actor, application_name: str, filters: WorkflowFilters
) -> dict[str, int] | None:
    """Count what matches, whatever its status; None where the application's SDK is too old to count.

    Raises:
        ForbiddenError, NotFoundError, DispatchError: as ``Workflows.aggregates``.
    """
    body = aggregates_of(filters)
    if body is None:
        return None
    try:
        records = await operations.workflows.aggregates(actor, application_name, body)
    except UnsupportedMessageError:
        return None
    return {record.group.get("status") or "": record.count or 0 for record in records}
