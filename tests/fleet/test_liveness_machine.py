"""A state machine that hunts for lost executors: whatever happens in whatever order, work is never forgotten.

The model is a set of workflows that dead executors left behind; executors answer truthfully about it, save
where they fail. An executor may be forgotten only when nothing is pending for it; and once all is quiet and
its version runs, everything must have been recovered.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
IDS = st.sampled_from(["a", "b", "c", "d"])
VERSIONS = st.sampled_from(["1", "2"])


class LivenessMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.liveness = Liveness(TIMEOUT_SECS)
        self.now = 0.0
        # What the sockets say: executor id -> version it is connected with.
        self.connected: dict[str, str] = {}
        self.lost_at: dict[ExecutorKey, float] = {}
        # What the application's database holds.
        self.pending: set[ExecutorKey] = set()
        self.recorded: set[ExecutorKey] = set()
        self.recoveries: list[Recover] = []
        self.questions: list[Case] = []

    def carry_out(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case MarkDead(keys):
                    for key in keys:
                        assert self.connected.get(key.executor_id) != key.application_version
                        assert self.now - self.lost_at[key] >= TIMEOUT_SECS
                case MarkDisconnected(keys):
                    for key in keys:
                        self.lost_at[key] = self.now
                case Recover(version, cases):
                    assert version in self.connected.values(), "recovered on a version that nobody runs"
                    assert len({case.key for case in cases}) == len(cases)
                    for case in cases:
                        assert self.connected.get(case.key.executor_id) != case.key.application_version
                    self.recoveries.append(decision)
                case AskPending(case):
                    assert self.connected, "asked while nobody is there"
                    self.questions.append(case)
                case Forget(key):
                    assert key not in self.pending, "forgot an executor that left work behind"
                    self.recorded.discard(key)

    @rule(executor_id=IDS, version=VERSIONS, works=st.booleans())
    def connect(self, executor_id: str, version: str, works: bool) -> None:
        key = ExecutorKey(executor_id, version)
        self.connected[executor_id] = version
        self.recorded.add(key)
        self.carry_out(self.liveness.connected(key, self.now))
        if works:
            self.pending.add(key)

    @rule(executor_id=IDS)
    def disconnect(self, executor_id: str) -> None:
        version = self.connected.pop(executor_id, None)
        if version is not None:
            self.carry_out(self.liveness.disconnected(ExecutorKey(executor_id, version), self.now))

    @rule(secs=st.floats(0.01, 4.9))
    def tick(self, secs: float) -> None:
        self.now += secs
        self.carry_out(self.liveness.tick(self.now))

    @rule(secs=st.floats(5.1, 1_000))
    def stall(self, secs: float) -> None:
        self.now += secs
        absent = {m.key for m in self.liveness.members() if m.status is Status.DISCONNECTED}
        self.carry_out(self.liveness.tick(self.now))
        for key in absent:
            member = self.liveness.get(key)
            assert member is None or member.status is not Status.DEAD or self.lost_at[key] <= self.now - secs

    @rule(index=st.integers(0, 10), half=st.booleans(), failed=st.booleans())
    def answer_recovery(self, index: int, half: bool, failed: bool) -> None:
        if not self.recoveries:
            return
        recovery = self.recoveries.pop(index % len(self.recoveries))
        if failed or recovery.application_version not in self.connected.values():
            self.carry_out(self.liveness.refused(recovery.cases, self.now, "no"))
            return
        if not half:
            # Only rows of executors that are really gone change hands in this model.
            self.pending -= {
                case.key
                for case in recovery.cases
                if self.connected.get(case.key.executor_id) != case.key.application_version
            }
        self.carry_out(self.liveness.recovered(recovery.cases, self.now))

    @rule(index=st.integers(0, 10), failed=st.booleans())
    def answer_question(self, index: int, failed: bool) -> None:
        if not self.questions:
            return
        case = self.questions.pop(index % len(self.questions))
        if failed or not self.connected:
            self.carry_out(self.liveness.unanswered(case, self.now, "no"))
        else:
            self.carry_out(self.liveness.answered(case, self.now, exist=case.key in self.pending))

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """With truthful, prompt answers, everything of a version that runs is recovered and forgotten."""
        for _ in range(400):
            self.now += 0.5
            self.carry_out(self.liveness.tick(self.now))
            while self.recoveries:
                self.answer_recovery(0, half=False, failed=False)
            while self.questions:
                self.answer_question(0, failed=False)
        for member in self.liveness.members():
            if member.status is Status.DEAD:
                version = member.key.application_version
                assert version not in self.connected.values(), "left dead although its version runs"
                assert not self.connected or member.key in self.pending

    @invariant()
    def the_record_is_complete(self) -> None:
        if not hasattr(self, "liveness"):
            return
        assert {member.key for member in self.liveness.members()} == self.recorded
        for executor_id, version in self.connected.items():
            member = self.liveness.get(ExecutorKey(executor_id, version))
            assert member is not None
            assert member.status is Status.HEALTHY

    @invariant()
    def whoever_is_busy_is_being_dealt_with(self) -> None:
        if not hasattr(self, "liveness"):
            return
        under_way = {case for recovery in self.recoveries for case in recovery.cases} | set(self.questions)
        for member in self.liveness.members():
            if member.busy and member.status is Status.DEAD:
                assert member.case in under_way


LivenessMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLivenessMachine = LivenessMachine.TestCase
