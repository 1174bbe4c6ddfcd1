"""Who is alive, who is dead, and what to do about the dead: a pure state machine, one per application.

No clock, socket, task or database lives here. Events go in with the time at which they happened (seconds of a
monotonic clock); decisions come out, and whoever carries them out reports back with further events.

An executor is known by its id *and* its application version: the same id with another version is another
executor, since recovery only ever concerns one version. The life of one::

    connected -> HEALTHY -> disconnected -> DISCONNECTED -> timeout -> DEAD -> (recovery) -> forgotten

A dead executor is forgotten only when another executor has *said* that nothing is pending for its id and
version. Until then it is recovered again and again on an executor of its own version; without one, its
version is stranded, and its turn comes the moment one connects.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

#: Waits between attempts at one dead executor: doubling from the first to the last, in seconds.
FIRST_BACKOFF_SECS = 1.0
LAST_BACKOFF_SECS = 60.0
#: A stranded version's executors are asked about again this often: their workflows may end in other ways.
STRANDED_RECHECK_SECS = 60.0
#: Ticks further apart than this mean that we ourselves stood still, for which nobody shall be declared dead.
STALL_SECS = 1.5


class ExecutorKey(NamedTuple):
    """What identifies an executor within an application."""

    executor_id: str
    application_version: str


class Status(Enum):
    """The published states of an executor."""

    HEALTHY = "HEALTHY"
    DISCONNECTED = "DISCONNECTED"
    DEAD = "DEAD"


class Stage(Enum):
    """Where a dead executor's recovery stands."""

    #: Nothing is known of its work yet, or it is being asked for.
    CHECKING = "checking"
    #: A recovery is due or under way.
    RECOVERING = "recovering"
    #: An attempt failed; the next one waits.
    RETRYING = "retrying"
    #: No healthy executor can be asked anything.
    WAITING = "waiting"
    #: Work is pending, and no healthy executor runs this version.
    STRANDED = "stranded"


class Case(NamedTuple):
    """A dead executor in one of its deaths: an answer about an earlier death must not decide a later one."""

    key: ExecutorKey
    generation: int


class MarkDisconnected(NamedTuple):
    """Record that these executors lost their connection."""

    keys: tuple[ExecutorKey, ...]


class MarkDead(NamedTuple):
    """Record that these executors are dead."""

    keys: tuple[ExecutorKey, ...]


class Recover(NamedTuple):
    """Ask one healthy executor of this version for ``recovery``; answer by ``recovered`` or ``refused``."""

    application_version: str
    cases: tuple[Case, ...]


class AskPending(NamedTuple):
    """Ask a healthy executor ``exist_pending_workflows``; answer by ``answered`` or ``unanswered``."""

    case: Case


class Forget(NamedTuple):
    """Delete the record: nothing is pending for this executor."""

    key: ExecutorKey


Decision = MarkDisconnected | MarkDead | Recover | AskPending | Forget


class Member:
    """One executor. Read freely; only :class:`Liveness` writes."""

    __slots__ = (
        "attempts",
        "busy",
        "due_at",
        "error",
        "failures",
        "generation",
        "key",
        "lost_at",
        "recovered_once",
        "since",
        "stage",
        "status",
    )

    def __init__(self, key: ExecutorKey, status: Status, now: float) -> None:
        self.key = key
        self.status = status
        # When the status was entered.
        self.since = now
        # When the connection was lost that led to the present status.
        self.lost_at = now
        # DISCONNECTED: when it will be dead. DEAD: when the next attempt may be made.
        self.due_at = now
        # Number of its present life, so that answers about an earlier one are told apart.
        self.generation = 0
        # Meaningful while DEAD.
        self.stage = Stage.CHECKING
        # A decision about it is being carried out.
        self.busy = False
        # Recovery messages decided upon in this death.
        self.attempts = 0
        # Consecutive failures of any kind; sets the back-off.
        self.failures = 0
        # Whether a recovery succeeded in this death and only the confirmation is missing.
        self.recovered_once = False
        # What went wrong last.
        self.error: str | None = None

    @property
    def case(self) -> Case:
        """This executor in its present death."""
        return Case(self.key, self.generation)


class Liveness:
    """The executors of one application.

    Args:
        timeout_secs: how long an executor may be away before it is declared dead.
    """

    def __init__(self, timeout_secs: float) -> None:
        self._timeout_secs = timeout_secs
        # Every executor on record; the two below hold those of them that are not HEALTHY.
        self._members: dict[ExecutorKey, Member] = {}
        self._disconnected: dict[ExecutorKey, Member] = {}
        self._dead: dict[ExecutorKey, Member] = {}
        # The key under which an executor id is connected now.
        self._connected_as: dict[str, ExecutorKey] = {}
        # Healthy executors per version; versions without one are left out.
        self._healthy: dict[str, int] = {}
        # Number of lives begun so far, which numbers each one.
        self._lives = 0
        # Time of the latest tick, and before the first of the first event; None before any.
        self._ticked_at: float | None = None

    def restore(self, key: ExecutorKey, status: Status, now: float) -> None:
        """Take over a record after a restart: it gets its full timeout from now, whatever it was before."""
        self._begin(now)
        member = Member(key, Status.DEAD if status is Status.DEAD else Status.DISCONNECTED, now)
        member.due_at = now + self._timeout_secs
        member.stage = Stage.WAITING
        self._members[key] = member
        (self._dead if member.status is Status.DEAD else self._disconnected)[key] = member

    def adopt(self, key: ExecutorKey, now: float) -> list[Decision]:
        """An executor that never connected here left work behind: deal with it as with one that just died."""
        if key in self._members:
            return []
        member = Member(key, Status.DEAD, now)
        self._begin_life(member)
        self._members[key] = self._dead[key] = member
        return self._act(now)

    def connected(self, key: ExecutorKey, now: float) -> list[Decision]:
        """An executor registered; one of the same id and another version is thereby disconnected."""
        self._begin(now)
        decisions: list[Decision] = []
        previous = self._connected_as.get(key.executor_id)
        if previous is not None and previous != key:
            decisions += self.disconnected(previous, now)
        member = self._members.get(key)
        if member is None:
            member = self._members[key] = Member(key, Status.DISCONNECTED, now)
        if member.status is not Status.HEALTHY:
            self._disconnected.pop(key, None)
            self._dead.pop(key, None)
            member.status = Status.HEALTHY
            member.since = now
            self._connected_as[key.executor_id] = key
            self._count_healthy(key.application_version, 1)
        self._begin_life(member)
        self._waken(key.application_version, now)
        return decisions + self._act(now)

    def disconnected(self, key: ExecutorKey, now: float) -> list[Decision]:
        """An executor lost its (only, newest) connection."""
        member = self._members.get(key)
        if member is None or member.status is not Status.HEALTHY:
            return []
        member.status = Status.DISCONNECTED
        member.since = member.lost_at = now
        member.due_at = now + self._timeout_secs
        self._disconnected[key] = member
        del self._connected_as[key.executor_id]
        self._count_healthy(key.application_version, -1)
        return [MarkDisconnected((key,))]

    def tick(self, now: float) -> list[Decision]:
        """Time has passed: declare deaths and make the attempts that are due."""
        if self._ticked_at is not None and now - self._ticked_at > STALL_SECS:
            self._forgive_stall(now - self._ticked_at)
        self._ticked_at = now
        dead = [member for member in self._disconnected.values() if member.due_at <= now]
        for member in dead:
            del self._disconnected[member.key]
            self._dead[member.key] = member
            member.status = Status.DEAD
            member.since = now
            member.stage = Stage.CHECKING
        decisions: list[Decision] = [MarkDead(tuple(member.key for member in dead))] if dead else []
        return decisions + self._act(now)

    def recovered(self, cases: Iterable[Case], now: float) -> list[Decision]:
        """An executor answered ``recovery`` with success: which is believed once nothing is pending."""
        decisions: list[Decision] = []
        for member in self._present(cases):
            member.recovered_once = True
            member.error = None
            member.stage = Stage.CHECKING
            member.due_at = now
            member.busy = True
            decisions.append(AskPending(member.case))
        return decisions

    def refused(self, cases: Iterable[Case], now: float, error: str) -> list[Decision]:
        """A recovery failed, or nobody answered it."""
        for member in self._present(cases):
            member.busy = False
            self._back_off(member, now, error)
        return []

    def answered(self, case: Case, now: float, *, exist: bool) -> list[Decision]:
        """An executor said whether workflows are pending for a dead one."""
        for member in self._present((case,)):
            member.busy = False
            if not exist:
                del self._members[member.key]
                del self._dead[member.key]
                return [Forget(member.key)]
            if member.recovered_once:
                self._back_off(member, now, "It still has pending workflows after a recovery that succeeded.")
            elif self._healthy.get(member.key.application_version):
                member.stage = Stage.RECOVERING
                member.due_at = now
            else:
                member.stage = Stage.STRANDED
                member.failures = 0
                member.error = None
                member.due_at = now + STRANDED_RECHECK_SECS
        return self._act(now)

    def unanswered(self, case: Case, now: float, error: str) -> list[Decision]:
        """Nobody could say whether workflows are pending for a dead executor."""
        for member in self._present((case,)):
            member.busy = False
            self._back_off(member, now, error)
        return []

    def set_timeout(self, timeout_secs: float) -> None:
        """Change the application's executor timeout, also for those who are away already."""
        change = timeout_secs - self._timeout_secs
        self._timeout_secs = timeout_secs
        for member in self._disconnected.values():
            member.due_at += change

    def next_due(self) -> float | None:
        """When the next tick is due; None while nothing can be done about anyone."""
        due = [member.due_at for member in self._disconnected.values()]
        if self._healthy:
            due += [member.due_at for member in self._dead.values() if not member.busy]
        return min(due, default=None)

    def get(self, key: ExecutorKey) -> Member | None:
        """One executor."""
        return self._members.get(key)

    def members(self) -> Iterator[Member]:
        """Every executor on record."""
        return iter(self._members.values())

    def _act(self, now: float) -> list[Decision]:
        recoveries: dict[str, list[Case]] = {}
        decisions: list[Decision] = []
        for member in self._dead.values():
            if member.busy or member.due_at > now:
                continue
            version = member.key.application_version
            if not self._healthy:
                member.stage = Stage.WAITING
            elif version not in self._healthy:
                member.busy = True
                if member.stage is not Stage.STRANDED:
                    member.stage = Stage.CHECKING
                decisions.append(AskPending(member.case))
            else:
                member.busy = True
                member.attempts += 1
                member.stage = Stage.RECOVERING
                recoveries.setdefault(version, []).append(member.case)
        decisions += [Recover(version, tuple(cases)) for version, cases in recoveries.items()]
        return decisions

    def _begin_life(self, member: Member) -> None:
        self._lives += 1
        member.generation = self._lives
        member.busy = member.recovered_once = False
        member.attempts = member.failures = 0
        member.error = None

    def _waken(self, version: str, now: float) -> None:
        """A newcomer is a new chance for the dead of its version, save those still within their timeout."""
        for member in self._dead.values():
            waits = member.stage in (Stage.STRANDED, Stage.RETRYING)
            if waits and not member.busy and member.key.application_version == version:
                member.due_at = now

    def _present(self, cases: Iterable[Case]) -> Iterator[Member]:
        for key, generation in cases:
            member = self._members.get(key)
            if member is not None and member.status is Status.DEAD and member.generation == generation:
                yield member

    def _back_off(self, member: Member, now: float, error: str) -> None:
        wait_secs = min(FIRST_BACKOFF_SECS * 2**member.failures, LAST_BACKOFF_SECS)
        member.failures = min(member.failures + 1, 16)
        # The next attempt recovers again instead of only asking again.
        member.recovered_once = False
        member.stage = Stage.RETRYING
        member.error = error
        member.due_at = now + wait_secs

    def _begin(self, now: float) -> None:
        # We may stand still even before the first tick.
        if self._ticked_at is None:
            self._ticked_at = now

    def _forgive_stall(self, stall_secs: float) -> None:
        for member in self._disconnected.values():
            member.due_at += stall_secs

    def _count_healthy(self, version: str, change: int) -> None:
        count = self._healthy.get(version, 0) + change
        if count:
            self._healthy[version] = count
        else:
            self._healthy.pop(version, None)
