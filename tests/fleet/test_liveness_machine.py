"""A state machine that hunts for lost executors: whatever happens in whatever order, work is never forgotten.

The model is the application's database: which executors left work behind. Executors tell the truth about it
as it was when they looked, and their answers may arrive much later. An executor may be forgotten only when
nothing is pending for it; and once all is quiet, whatever can be recovered is.
"""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conductor_lite.fleet.liveness import (
    AskPending,
    Case,
    Decision,
    ExecutorKey,
    Forget,
    Liveness,
    MarkDead,
    MarkDisconnected,
    Recover,
    Status,
)

TIMEOUT_SECS = 10.0
IDS = st.sampled_from(["a", "b"])
VERSIONS = st.sampled_from(["1", "1", "2"])
#: Which of several outstanding things it is about: mostly the oldest, so that few steps lead far.
CHOICE = st.integers(0, 3)


class Answer(NamedTuple):
    """What comes of one question: whom it is about, and how liveness is told."""

    cases: tuple[Case, ...]
    deliver: Callable[[Liveness, float], list[Decision]]


class LivenessMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.liveness = Liveness(TIMEOUT_SECS)
        self.now = 0.0
        # What the sockets say: executor id -> version it is connected with.
        self.connected: dict[str, str] = {}
        # Since when each executor is away, or under the eyes of a conductor that began anew.
        self.away_since: dict[ExecutorKey, float] = {}
        # What the application's database holds, and what the conductor's own does.
        self.pending: set[ExecutorKey] = set()
        self.recorded: dict[ExecutorKey, Status] = {}
        # Asked and not acted upon yet; acted upon and not answered yet.
        self.asked: list[Recover | AskPending] = []
        self.answers: list[Answer] = []
        self.carry_out(self.liveness.tick(self.now))

    def carry_out(self, decisions: list[Decision], *, answering: bool = False) -> None:
        for decision in decisions:
            match decision:
                case MarkDead(keys):
                    for key in keys:
                        self.require_away(key)
                        self.recorded[key] = Status.DEAD
                case MarkDisconnected(keys):
                    for key in keys:
                        self.away_since[key] = self.now
                        self.recorded[key] = Status.DISCONNECTED
                case Recover(version, cases):
                    assert version in self.connected.values(), "recovered on a version that nobody runs"
                    assert len({case.key for case in cases}) == len(cases)
                    for case in cases:
                        assert case.key.application_version == version
                        self.require_away(case.key)
                    self.asked.append(decision)
                case AskPending(case):
                    # Whoever recovered may have left with its answer on the way; then the question fails.
                    assert self.connected or answering, "asked while nobody is there"
                    self.require_away(case.key)
                    self.asked.append(decision)
                case Forget(key):
                    assert key not in self.pending, "forgot an executor that left work behind"
                    assert not self.is_connected(key), "forgot an executor that is connected"
                    del self.recorded[key]

    def is_connected(self, key: ExecutorKey) -> bool:
        return self.connected.get(key.executor_id) == key.application_version

    def require_away(self, key: ExecutorKey) -> None:
        assert not self.is_connected(key), "took one for dead that is connected"
        assert self.now - self.away_since[key] >= TIMEOUT_SECS, "took one for dead before its time"

    @rule(executor_id=IDS, version=VERSIONS, works=st.booleans())
    def connect(self, executor_id: str, version: str, works: bool) -> None:
        key = ExecutorKey(executor_id, version)
        self.connected[executor_id] = version
        self.recorded[key] = Status.HEALTHY
        decisions = self.liveness.connected(key, self.now)
        self.carry_out(decisions)
        if works:
            self.pending.add(key)

    @precondition(lambda self: self.connected)
    @rule(choice=CHOICE, secs=st.sampled_from([0, 5, 11, 12, 70]))
    def disconnect(self, choice: int, secs: int) -> None:
        executor_id = sorted(self.connected)[choice % len(self.connected)]
        key = ExecutorKey(executor_id, self.connected.pop(executor_id))
        self.carry_out(self.liveness.disconnected(key, self.now))
        self.time_passes(secs)

    @precondition(lambda self: self.pending)
    @rule(choice=CHOICE)
    def work_ends_otherwise(self, choice: int) -> None:
        """Somebody cancels what a dead executor left behind, or it times out."""
        self.pending.remove(sorted(self.pending)[choice % len(self.pending)])

    @precondition(lambda self: self.asked)
    @rule(choice=CHOICE, works=st.booleans(), acts=st.booleans())
    def another_life(self, choice: int, works: bool, acts: bool) -> None:
        """A dead executor returns and dies once more while something about its last death is under way."""
        question = self.asked[choice % len(self.asked)]
        key = question.cases[0].key if isinstance(question, Recover) else question.case.key
        if acts:
            self.an_executor_acts(choice, half=False)
        self.connect(*key, works=works)
        self.disconnect(sorted(self.connected).index(key.executor_id), 12)

    @precondition(lambda self: set(self.recorded.values()) != {Status.HEALTHY})
    @rule(secs=st.integers(1, 80))
    def time_passes(self, secs: int) -> None:
        for _ in range(secs):
            self.now += 1.0
            self.carry_out(self.liveness.tick(self.now))

    @precondition(lambda self: Status.DISCONNECTED in self.recorded.values())
    @rule(secs=st.floats(5.1, 1_000))
    def stand_still(self, secs: float) -> None:
        """The conductor is stopped for a while: those who were away get that time on top."""
        self.now += secs
        for key, status in self.recorded.items():
            if status is Status.DISCONNECTED:
                self.away_since[key] += secs
        self.carry_out(self.liveness.tick(self.now))

    @precondition(lambda self: self.recorded)
    @rule()
    def restart(self) -> None:
        """The conductor starts anew from its records; what was under way is lost, executors are gone."""
        self.liveness = Liveness(TIMEOUT_SECS)
        self.asked.clear()
        self.answers.clear()
        self.connected.clear()
        for key, status in self.recorded.items():
            self.liveness.restore(key, status, self.now)
            self.away_since[key] = self.now
            if status is Status.HEALTHY:
                self.recorded[key] = Status.DISCONNECTED
        self.carry_out(self.liveness.tick(self.now))

    @precondition(lambda self: self.asked)
    @rule(choice=CHOICE, half=st.booleans())
    def an_executor_acts(self, choice: int, half: bool) -> None:
        """Somebody acts, and its answer is on the way. ``half``: it says success and does nothing."""
        question = self.asked.pop(choice % len(self.asked))
        match question:
            case Recover(version, cases):
                if version in self.connected.values() and not half:
                    # Rows change hands only from those that are really gone.
                    self.pending -= {case.key for case in cases if not self.is_connected(case.key)}
                self.answers.append(Answer(cases, lambda liveness, now: liveness.recovered(cases, now)))
            case AskPending(case):
                exist = case.key in self.pending
                self.answers.append(
                    Answer((case,), lambda liveness, now: liveness.answered(case, now, exist=exist))
                )

    @precondition(lambda self: self.asked)
    @rule(choice=CHOICE)
    def nobody_acts(self, choice: int) -> None:
        self.fail(self.asked.pop(choice % len(self.asked)))

    def fail(self, question: Recover | AskPending) -> None:
        match question:
            case Recover(_, cases):
                self.carry_out(self.liveness.refused(cases, self.now, "no"))
            case AskPending(case):
                self.carry_out(self.liveness.unanswered(case, self.now, "no"))

    @precondition(lambda self: self.answers)
    @rule(choice=CHOICE)
    def an_answer_arrives(self, choice: int) -> None:
        answer = self.answers.pop(choice % len(self.answers))
        self.carry_out(answer.deliver(self.liveness, self.now), answering=True)

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """With truthful, prompt answers, everything of a version that runs is recovered and forgotten."""
        for _ in range(35):
            self.now += 4.5
            self.carry_out(self.liveness.tick(self.now))
            while self.asked or self.answers:
                while self.answers:
                    self.an_answer_arrives(0)
                if self.asked:
                    if self.connected:
                        self.an_executor_acts(0, half=False)
                    else:
                        self.nobody_acts(0)
        for member in self.liveness.members():
            if member.status is Status.DEAD:
                version = member.key.application_version
                assert version not in self.connected.values(), "left dead although its version runs"
                assert not self.connected or member.key in self.pending, "kept although nothing is pending"

    @invariant()
    def the_record_is_complete(self) -> None:
        assert {member.key: member.status for member in self.liveness.members()} == self.recorded
        assert {key for key, status in self.recorded.items() if status is Status.HEALTHY} == {
            ExecutorKey(*connected) for connected in self.connected.items()
        }

    @invariant()
    def whoever_is_busy_is_being_dealt_with_once(self) -> None:
        under_way = [case for answer in self.answers for case in answer.cases]
        for question in self.asked:
            under_way += question.cases if isinstance(question, Recover) else [question.case]
        for member in self.liveness.members():
            if member.status is Status.DEAD:
                assert under_way.count(member.case) == int(member.busy)


# Shrinking a failure takes minutes and finding it seconds; the invariants' words tell enough.
LivenessMachine.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
TestLivenessMachine = LivenessMachine.TestCase
