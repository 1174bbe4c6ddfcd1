"""Liveness as tables of events: what goes in, and what must come out."""

import pytest

from conductor_lite.fleet.liveness import (
    FIRST_BACKOFF_SECS,
    LAST_BACKOFF_SECS,
    STALL_SECS,
    STRANDED_RECHECK_SECS,
    AskPending,
    Case,
    ExecutorKey,
    Forget,
    Liveness,
    MarkDead,
    MarkDisconnected,
    Recover,
    Stage,
    Status,
)

TIMEOUT_SECS = 60.0
A1 = ExecutorKey("a", "1")
A2 = ExecutorKey("a", "2")
B1 = ExecutorKey("b", "1")
B2 = ExecutorKey("b", "2")
C1 = ExecutorKey("c", "1")


class Scene:
    """A liveness with a clock that ticks through time as the conductor does."""

    def __init__(self, *connected: ExecutorKey) -> None:
        self.liveness = Liveness(TIMEOUT_SECS)
        self.now = 1_000.0
        for key in connected:
            self.liveness.connected(key, self.now)

    def wait(self, secs: float) -> list[object]:
        """Let time pass in small ticks; returns what was decided meanwhile."""
        decisions: list[object] = []
        until = self.now + secs
        while self.now < until:
            self.now = min(self.now + 1.0, until)
            decisions += self.liveness.tick(self.now)
        return decisions

    def lose(self, *keys: ExecutorKey) -> list[object]:
        return [decision for key in keys for decision in self.liveness.disconnected(key, self.now)]

    def case(self, key: ExecutorKey) -> Case:
        member = self.liveness.get(key)
        assert member is not None
        return member.case

    def stage(self, key: ExecutorKey) -> Stage:
        member = self.liveness.get(key)
        assert member is not None
        assert member.status is Status.DEAD
        return member.stage

    def recovered(self, *keys: ExecutorKey) -> list[object]:
        return list(self.liveness.recovered([self.case(key) for key in keys], self.now))

    def answered(self, key: ExecutorKey, *, exist: bool) -> list[object]:
        return list(self.liveness.answered(self.case(key), self.now, exist=exist))


def test_a_disconnected_executor_is_dead_after_its_timeout_and_not_before() -> None:
    scene = Scene(A1, B1)
    assert scene.lose(A1) == [MarkDisconnected((A1,))]
    assert scene.wait(TIMEOUT_SECS - 0.5) == []
    assert scene.wait(0.5) == [MarkDead((A1,)), Recover("1", (scene.case(A1),))]


def test_an_executor_that_returns_within_its_timeout_is_not_recovered() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS - 1)
    assert scene.liveness.connected(A1, scene.now) == []
    assert scene.wait(10 * TIMEOUT_SECS) == []


def test_a_dead_executor_is_forgotten_only_when_nothing_is_said_to_be_pending() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    assert scene.recovered(A1) == [AskPending(scene.case(A1))]
    assert scene.liveness.get(A1) is not None
    assert scene.answered(A1, exist=False) == [Forget(A1)]
    assert scene.liveness.get(A1) is None


def test_success_of_a_recovery_is_not_believed_while_work_is_pending() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    scene.recovered(A1)
    assert scene.answered(A1, exist=True) == []
    assert scene.stage(A1) is Stage.RETRYING
    assert scene.wait(FIRST_BACKOFF_SECS) == [Recover("1", (scene.case(A1),))]


def test_many_dead_of_one_version_are_recovered_by_one_message() -> None:
    scene = Scene(A1, C1, B1)
    scene.lose(A1, C1)
    decisions = scene.wait(TIMEOUT_SECS)
    assert decisions == [MarkDead((A1, C1)), Recover("1", (scene.case(A1), scene.case(C1)))]


def test_dead_of_two_versions_are_recovered_each_on_their_own() -> None:
    scene = Scene(A1, B2, C1, ExecutorKey("d", "2"))
    scene.lose(A1, B2)
    decisions = scene.wait(TIMEOUT_SECS)
    assert decisions[1:] == [Recover("1", (scene.case(A1),)), Recover("2", (scene.case(B2),))]


def test_dead_executor_of_another_version_is_kept_until_its_version_returns() -> None:
    scene = Scene(A1, B2)
    scene.lose(A1)
    assert scene.wait(TIMEOUT_SECS) == [MarkDead((A1,)), AskPending(scene.case(A1))]
    assert scene.answered(A1, exist=True) == []
    assert scene.stage(A1) is Stage.STRANDED
    scene.wait(STRANDED_RECHECK_SECS / 2)
    assert scene.liveness.connected(C1, scene.now) == [Recover("1", (scene.case(A1),))]


def test_dead_executor_of_another_version_without_pending_work_is_forgotten() -> None:
    scene = Scene(A1, B2)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    assert scene.answered(A1, exist=False) == [Forget(A1)]


def test_a_stranded_executor_is_asked_about_again_now_and_then() -> None:
    scene = Scene(A1, B2)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    scene.answered(A1, exist=True)
    assert scene.wait(STRANDED_RECHECK_SECS) == [AskPending(scene.case(A1))]
    assert scene.stage(A1) is Stage.STRANDED
    assert scene.answered(A1, exist=False) == [Forget(A1)]


def test_nothing_is_decided_while_nobody_is_healthy_and_all_at_once_when_someone_is() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1, B1)
    assert scene.wait(2 * TIMEOUT_SECS) == [MarkDead((A1, B1))]
    assert scene.stage(A1) is Stage.WAITING
    assert scene.liveness.next_due() is None
    assert scene.liveness.connected(C1, scene.now) == [Recover("1", (scene.case(A1), scene.case(B1)))]


def test_a_refused_recovery_is_repeated_with_growing_pauses() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    pauses = []
    for _ in range(9):
        refused_at = scene.now
        scene.liveness.refused([scene.case(A1)], scene.now, "the database is down")
        while not scene.wait(1.0):
            assert scene.stage(A1) is Stage.RETRYING
        pauses.append(scene.now - refused_at)
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == LAST_BACKOFF_SECS
    assert max(pauses) == LAST_BACKOFF_SECS


def test_a_newcomer_of_the_version_is_tried_at_once() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    for _ in range(5):
        scene.liveness.refused([scene.case(A1)], scene.now, "no")
        scene.wait(LAST_BACKOFF_SECS)
    scene.liveness.refused([scene.case(A1)], scene.now, "no")
    assert scene.liveness.connected(C1, scene.now) == [Recover("1", (scene.case(A1),))]


def test_when_nobody_can_tell_whether_work_is_pending_the_recovery_is_repeated() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    scene.recovered(A1)
    assert scene.liveness.unanswered(scene.case(A1), scene.now, "nobody answered") == []
    assert scene.wait(FIRST_BACKOFF_SECS) == [Recover("1", (scene.case(A1),))]


def test_an_answer_about_an_earlier_death_decides_nothing() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    earlier = scene.case(A1)
    scene.liveness.connected(A1, scene.now)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    assert scene.liveness.answered(earlier, scene.now, exist=False) == []
    assert scene.liveness.recovered([earlier], scene.now) == []
    assert scene.liveness.get(A1) is not None
    assert scene.case(A1) != earlier


def test_an_answer_about_an_executor_that_is_back_decides_nothing() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(TIMEOUT_SECS)
    earlier = scene.case(A1)
    scene.liveness.connected(A1, scene.now)
    assert scene.liveness.answered(earlier, scene.now, exist=False) == []
    assert scene.liveness.get(A1).status is Status.HEALTHY  # type: ignore[union-attr]


def test_an_executor_id_that_returns_with_another_version_leaves_the_older_one_to_die() -> None:
    scene = Scene(A1, B1)
    assert scene.liveness.connected(A2, scene.now) == [MarkDisconnected((A1,))]
    decisions = scene.wait(TIMEOUT_SECS)
    assert decisions == [MarkDead((A1,)), Recover("1", (scene.case(A1),))]
    assert scene.liveness.get(A2).status is Status.HEALTHY  # type: ignore[union-attr]


@pytest.mark.parametrize("before", [Status.HEALTHY, Status.DISCONNECTED, Status.DEAD])
def test_after_a_restart_everyone_gets_the_full_timeout(before: Status) -> None:
    scene = Scene()
    scene.liveness.restore(A1, before, scene.now)
    scene.wait(10)
    scene.liveness.connected(B1, scene.now)
    assert scene.wait(TIMEOUT_SECS - 10 - 1) == []
    decisions = scene.wait(2)
    assert Recover("1", (scene.case(A1),)) in decisions


def test_after_a_restart_an_executor_that_reconnects_is_left_alone() -> None:
    scene = Scene()
    scene.liveness.restore(A1, Status.DEAD, scene.now)
    scene.liveness.connected(B1, scene.now)
    scene.wait(TIMEOUT_SECS / 2)
    assert scene.liveness.connected(A1, scene.now) == []
    assert scene.wait(3 * TIMEOUT_SECS) == []


def test_nobody_is_declared_dead_for_a_time_in_which_we_stood_still() -> None:
    scene = Scene(A1, B1)
    scene.wait(1)
    scene.lose(A1)
    scene.wait(10)
    scene.now += 3_600
    assert scene.liveness.tick(scene.now) == []
    assert scene.wait(TIMEOUT_SECS - 10 - 1) == []
    assert MarkDead((A1,)) in scene.wait(STALL_SECS)


def test_standing_still_before_the_first_tick_is_forgiven_too() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.now += 3_600
    assert scene.liveness.tick(scene.now) == []
    assert scene.wait(TIMEOUT_SECS - 1) == []
    assert MarkDead((A1,)) in scene.wait(2)


def test_a_shorter_timeout_applies_to_those_who_are_away_already() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(10)
    scene.liveness.set_timeout(5)
    assert scene.wait(1)[0] == MarkDead((A1,))


def test_a_longer_timeout_applies_to_those_who_are_away_already() -> None:
    scene = Scene(A1, B1)
    scene.lose(A1)
    scene.wait(10)
    scene.liveness.set_timeout(2 * TIMEOUT_SECS)
    assert scene.wait(TIMEOUT_SECS + 49) == []
    assert scene.wait(1)[0] == MarkDead((A1,))


def test_the_next_tick_is_due_when_the_first_timeout_ends() -> None:
    scene = Scene(A1, B1, C1)
    assert scene.liveness.next_due() is None
    scene.lose(A1)
    first = scene.now
    scene.wait(5)
    scene.lose(B1)
    assert scene.liveness.next_due() == first + TIMEOUT_SECS


def test_losing_an_unknown_or_absent_executor_changes_nothing() -> None:
    scene = Scene(B1)
    assert scene.lose(A1) == []
    scene.lose(B1)
    assert scene.lose(B1) == []
