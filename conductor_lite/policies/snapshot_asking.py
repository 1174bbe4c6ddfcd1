"""Listing an application's workflows gently: small listings, a rest as long as each took, an end in time.

Nothing here knows what the listings are for.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.protocol import ListWorkflows, WorkflowFilters, WorkflowRecord

#: Workflows in one listing.
PAGE_SIZE = 500
#: Seconds that one turn may go on asking; what is left waits for the next.
TURN_SECS = 10.0
#: An answer that takes longer ends the turn: the application has other work.
SLOW_SECS = 2.0
#: Longest rest between two listings, in seconds.
MAX_REST_SECS = 1.0
#: The last time that can be asked for. What is later is left out: its maker mixed up units.
LAST_EPOCH_MS = 253_402_300_799_000


class Asking:
    """One turn's listings of one application, never with payloads.

    Args:
        fleet: finds an executor.
        application_id: whose workflows.
        application_name: workflows of others that share its database are left out.
        clock: measures how long answers take.
    """

    def __init__(self, fleet: Fleet, application_id: str, application_name: str, clock: Clock) -> None:
        self._fleet = fleet
        self._application_id = application_id
        self._application_name = application_name
        self._clock = clock
        self._ends_at = clock.monotonic() + TURN_SECS
        #: Whether an answer took so long that the next turn should come later.
        self.slow = False

    @property
    def time_is_up(self) -> bool:
        """Whether what is left should wait for the next turn."""
        return self.slow or self._clock.monotonic() >= self._ends_at

    async def page(self, filters: WorkflowFilters) -> tuple[list[WorkflowRecord], bool]:
        """One listing, in the order of creation unless the filters say otherwise.

        Args:
            filters: which; without ``limit``, ``PAGE_SIZE`` of them.

        Returns:
            The application's own workflows, and whether there may be more than were listed.

        Raises:
            DispatchError: no executor answered.
        """
        limit = filters.limit or PAGE_SIZE
        body = msgspec.structs.replace(filters, limit=limit, load_input=False, load_output=False)
        begun = self._clock.monotonic()
        reply = await self._fleet.ask(self._application_id, ListWorkflows(body=body))
        took_secs = self._clock.monotonic() - begun
        self.slow = self.slow or took_secs > SLOW_SECS
        await asyncio.sleep(min(took_secs, MAX_REST_SECS))
        ours = (None, self._application_name)
        records = [
            record
            for record in reply.workflows
            if record.workflow_id
            and record.application_name in ours
            and record.created_at_epoch_ms is not None
            and record.created_at_epoch_ms <= LAST_EPOCH_MS
        ]
        return records, len(reply.workflows) >= limit

    async def created_from(
        self, first: int | None, last: int | None = None
    ) -> AsyncIterator[tuple[list[WorkflowRecord], int | None]]:
        """Page through what was created from one time on, in that order, ties at any page's end included.

        Args:
            first: the time; None for the beginning.
            last: where to end, itself within.

        Yields:
            A page, and until when everything is known once it is taken, save for that very time; None when
            nothing is left.
        """
        offset = 0
        while True:
            page, more = await self.page(
                WorkflowFilters(
                    start_time=None if first is None else iso(first),
                    end_time=None if last is None else iso(last),
                    offset=offset or None,
                )
            )
            newest = max((record.created_at_epoch_ms or 0 for record in page), default=first)
            if not more:
                yield page, None
                return
            if newest is not None and (first is None or newest > first):
                first, offset = newest, 0
            else:
                # A whole page of one and the same millisecond.
                offset += PAGE_SIZE
            yield page, first


def iso(epoch_ms: int) -> str:
    """A time as filters say it."""
    seconds, milliseconds = divmod(epoch_ms, 1_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=milliseconds * 1_000).isoformat()
