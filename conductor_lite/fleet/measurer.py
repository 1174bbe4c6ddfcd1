"""Who is asked for an application's figures, and what the newest ones are. Writes no database.

Both the policy that keeps metrics and the scrape of the present go through here: an application is asked
no more often than needed, and an SDK that cannot aggregate only once for that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    DeadlineExceededError,
    DispatchError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.measuring import LISTINGS, Ask, Measured, Window, measure, measure_open
from conductor_lite.fleet.measuring_listings import measure_by_listings, measure_open_by_listings
from conductor_lite.fleet.metric_labels import Admission
from conductor_lite.fleet.views import HEALTHY, ExecutorView
from conductor_lite.protocol import Reply, Request
from conductor_lite.store.metric_families import FAMILIES, MINUTE, Group, Label, Rollup, coverage, families_of
from conductor_lite.store.records import ApplicationRecord

R = TypeVar("R", bound=Reply)

#: Seconds that an executor gets for one question.
QUESTION_SECS = 10.0
#: Executors that are tried for one reading.
MAX_ATTEMPTS = 2
#: What the minutes of an application hold that it is asked for.
_ASKED_FOR = (Group.STARTED, Group.FINISHED, Group.STEPS, Group.STEP_RUNS)
#: Seconds for which a label that nothing happened to any more is still shown, at zero.
SHOWN_SECS = 3_600
#: Most seconds between two questions about what waits, however long one takes.
MAX_PAUSE_SECS = 50.0
#: SDKs that are remembered; beyond these all are tried anew. One that does not say its version is another one
#: with each executor.
MAX_SDKS = 10_000
#: Seconds after which a reading of what waits is no longer that of now.
FRESH_SECS = 2 * MINUTE


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """The last minute of an application that was collected."""

    window: Window
    points: dict[Label, float]
    groups: frozenset[Group]
    basis: str


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """What waits and runs."""

    at: datetime
    points: dict[Label, float]
    basis: str


class _Board:
    """One application's newest figures."""

    def __init__(self) -> None:
        self.minute: Minute | None = None
        self.open: Open | None = None
        # On the monotonic clock, when what waits was last asked for.
        self.open_asked_at = float("-inf")
        # How long that took, in seconds.
        self.open_took_secs = 0.0
        # One question at a time about what waits; who comes meanwhile shares its answer.
        self.lock = asyncio.Lock()
        # What bounds its names, once it is known which ones it has already.
        self.admission: Admission | None = None
        # The end of the last window in which something happened, by series.
        self.active_until: dict[Label, int] = {}


class Measurer:
    """Asks for figures, one executor of an application at a time.

    Args:
        fleet: the executors.
        clock: the clocks.
    """

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet = fleet
        self._clock = clock
        self._boards: dict[str, _Board] = {}
        # What identifies SDKs that cannot aggregate, and those that were seen to do it right.
        self._too_old: set[tuple[str | None, ...]] = set()
        self._trusted: set[tuple[str | None, ...]] = set()

    def knows_names(self, application_id: str) -> bool:
        """Whether ``learn_names`` was called for an application."""
        return self._board(application_id).admission is not None

    def learn_names(self, application_id: str, known: Iterable[Label]) -> None:
        """Take over which series of an application exist: those keep their names."""
        self._board(application_id).admission = Admission(known)

    def admit(self, application_id: str, points: Mapping[Label, float]) -> dict[Label, float]:
        """Give every series the name that it may have, so that an application has only so many."""
        board = self._board(application_id)
        # Not kept: what is on record would lose its names to those that came in between.
        return (board.admission or Admission(())).admit(points)

    async def window(self, application: ApplicationRecord, window: Window) -> Measured:
        """Ask what happened in a window.

        Raises:
            DispatchError: nobody answered.
        """

        async def by(executor: ExecutorView, ask: Ask) -> Measured:
            sdk = _sdk(executor)
            if sdk not in self._too_old:
                try:
                    measured = await measure(ask, application.name, window, is_trusted=sdk in self._trusted)
                except UnsupportedMessageError:
                    _remember(self._too_old, sdk)
                else:
                    if measured.is_trusted:
                        _remember(self._trusted, sdk)
                    return measured
            return await measure_by_listings(ask, application.name, window)

        measured = await self._first(application, window.start // MINUTE, by)
        measured.points = self.admit(application.id, measured.points)
        return measured

    async def open(self, application: ApplicationRecord, *, max_age_secs: float = 0.0) -> Open | None:
        """Ask what waits and runs now.

        Args:
            application: whose.
            max_age_secs: an answer that is no older serves as well; one that took long serves for longer.

        Returns:
            What was answered last, when nobody answers now and that is not too long ago.
        """
        board = self._board(application.id)
        async with board.lock:
            # Some databases look through every workflow for this: it is to be a hundredth of what they do.
            pause_secs = max(max_age_secs, min(board.open_took_secs * 100, MAX_PAUSE_SECS))
            begun = self._clock.monotonic()
            if begun - board.open_asked_at > pause_secs:
                board.open_asked_at = begun
                now = self._clock.now()
                try:
                    measured = await self._measure_open(application, now)
                except DispatchError:
                    pass
                else:
                    points = self.admit(application.id, measured.points)
                    board.open = Open(at=now, points=points, basis=measured.basis)
                board.open_took_secs = self._clock.monotonic() - begun
        return self.last_open(application.id)

    def last_open(self, application_id: str) -> Open | None:
        """What waited and ran when that was last answered, if that is not too long ago."""
        found = self._board(application_id).open
        if found is None or not 0 <= (self._clock.now() - found.at).total_seconds() < FRESH_SECS:
            return None
        return found

    def show(self, application_id: str, window: Window, measured: Measured) -> None:
        """Take a minute that was collected as the newest one."""
        board = self._board(application_id)
        points = {label: value for label, value in measured.points.items() if value}
        board.active_until |= dict.fromkeys(points, window.end)
        board.active_until = {
            label: end
            for label, end in board.active_until.items()
            if window.end - SHOWN_SECS < end <= window.end
        }
        for label in board.active_until:
            family = FAMILIES.get(label.family)
            if family is not None and family.rollup is Rollup.SUM and family.group in measured.groups:
                points.setdefault(label, 0.0)
        board.minute = Minute(
            window=window, points=points, groups=frozenset(measured.groups), basis=measured.basis
        )

    def take_over(
        self,
        application_id: str,
        end: int,
        points: Mapping[Label, float],
        basis: str,
        active_until: Mapping[Label, int],
    ) -> None:
        """Go on with what an earlier run of the conductor has shown: no series vanishes by a restart.

        Args:
            application_id: whose.
            end: of the last minute that was collected, in seconds since 1970.
            points: of that minute, its coverage among them.
            basis: what it was worked out from.
            active_until: the end of the last minute in which each series was more than nothing.
        """
        self._board(application_id).active_until = dict(active_until)
        groups = {group for group in _ASKED_FOR if coverage(group) in points}
        if groups:
            asked_for = families_of(groups)
            shown = {label: value for label, value in points.items() if label.family in asked_for}
            measured = Measured(points=shown, groups=groups, basis=basis)
            self.show(application_id, Window(end - MINUTE, end), measured)

    def minute(self, application_id: str) -> Minute | None:
        """The newest minute, unless a newer one should have been collected."""
        board = self._boards.get(application_id)
        if board is None or board.minute is None:
            return None
        age_secs = self._clock.now().timestamp() - board.minute.window.end
        return board.minute if 0 <= age_secs < FRESH_SECS else None

    def answers_by_listings(self) -> list[str]:
        """The applications whose SDK is too old for aggregates."""
        return [
            application_id
            for application_id, board in self._boards.items()
            if board.minute is not None and board.minute.basis == LISTINGS
        ]

    def retain(self, application_ids: set[str]) -> None:
        """Forget applications that are gone."""
        self._boards = {id_: board for id_, board in self._boards.items() if id_ in application_ids}

    async def _measure_open(self, application: ApplicationRecord, now: datetime) -> Measured:
        async def by(executor: ExecutorView, ask: Ask) -> Measured:
            sdk = _sdk(executor)
            if sdk not in self._too_old:
                try:
                    return await measure_open(ask, application.name, now)
                except UnsupportedMessageError:
                    _remember(self._too_old, sdk)
            return await measure_open_by_listings(ask, application.name, now)

        return await self._first(application, int(now.timestamp()) // MINUTE, by)

    async def _first(
        self,
        application: ApplicationRecord,
        turn: int,
        by: Callable[[ExecutorView, Ask], Awaitable[Measured]],
    ) -> Measured:
        """Take the answer of the first executor that gives one; each goes first in its turn."""
        failure: DispatchError = NoHealthyExecutorError(f"No executor of {application.name} is connected.")
        for executor in self._candidates(application.id, turn)[:MAX_ATTEMPTS]:
            try:
                return await by(executor, self._asking(application.id, executor.executor_id))
            except (NoHealthyExecutorError, NoExecutorAnsweredError, DeadlineExceededError) as error:
                failure = error
        raise failure

    def _candidates(self, application_id: str, turn: int) -> list[ExecutorView]:
        healthy = [view for view in self._fleet.executors(application_id) if view.status == HEALTHY]
        if not healthy:
            return []
        healthy.sort(key=lambda view: (view.executor_id, view.application_version))
        first = turn % len(healthy)
        return sorted(healthy[first:] + healthy[:first], key=lambda view: not view.responsive)

    def _asking(self, application_id: str, executor_id: str) -> Ask:
        fleet = self._fleet

        class _Asking:
            async def __call__(self, request: Request[R]) -> R:
                return await fleet.ask(
                    application_id, request, executor_id=executor_id, deadline_secs=QUESTION_SECS
                )

        return _Asking()

    def _board(self, application_id: str) -> _Board:
        return self._boards.setdefault(application_id, _Board())


def _remember(known: set[tuple[str | None, ...]], sdk: tuple[str | None, ...]) -> None:
    if len(known) >= MAX_SDKS and sdk not in known:
        known.clear()
    known.add(sdk)


def _sdk(executor: ExecutorView) -> tuple[str | None, ...]:
    """What tells one SDK from another; one that does not say its version, by the version it runs."""
    if executor.dbos_version is not None:
        return (executor.language, executor.dbos_version)
    return (executor.language, executor.application_id, executor.executor_id, executor.application_version)
