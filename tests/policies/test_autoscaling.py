"""What is recommended, minute by minute: who is asked and how often, and what stays on record."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.figures import START
from support.scaling import POLICY, Scaling

from conductor_lite.auth.actor import local_actor
from conductor_lite.errors import (
    ExecutorReportedError,
    ForbiddenError,
    InvalidError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.policies.autoscaling import MAX_BACKOFF
from conductor_lite.protocol import QueueRecord
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import DAY, MINUTE, QUARTER
from conductor_lite.store.records import AutoscalingPolicy, RolloutPolicy

T0 = int(START.timestamp())
LOCAL = local_actor(None)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs an async function on both policies, whose clock stands five seconds after a midnight."""

    async def whole(body: Callable[[Scaling], Awaitable[Any]]) -> Any:
        db = await Database.open(tmp_path)
        try:
            scene = Scaling(db)
            scene.clocks.pass_secs(5)
            await scene.round()
            return await body(scene)
        finally:
            await db.close()

    return lambda body: asyncio.run(whole(body))


async def _lines(
    scene: Scaling, begin: int, end: int, resolution_secs: int = MINUTE
) -> dict[tuple[str, ...], list[float | None]]:
    """The chart's lines by family and labels; times are seconds since the midnight."""
    chart = await scene.operations.history(
        LOCAL,
        "shop",
        start=datetime.fromtimestamp(T0 + begin, UTC),
        end=datetime.fromtimestamp(T0 + end, UTC),
        resolution_secs=resolution_secs,
    )
    assert chart.step_secs == resolution_secs
    return {(one.family, *one.labels.values()): list(one.values) for one in chart.series}


def test_each_minute_has_what_was_wanted_what_waited_and_who_was_there(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 12, "v1": 3, None: 2}
        await scene.minutes(1)
        shop.depths = {"v2": 7}
        await scene.minutes(1)
        shop.versions = ["v3", "v2", "v1"]
        shop.depths = {"v2": 6}
        await scene.minutes(1)
        assert await _lines(scene, 0, 180) == {
            ("desired_executors", "v1", "orders"): [1, 0, 0],
            ("desired_executors", "v2", "orders"): [3, 2, 2],
            ("desired_executors", "v3", "orders"): [0, 0, 1],
            ("queue_depth", "v1", "orders"): [3, 0, 0],
            ("queue_depth", "v2", "orders"): [14, 7, 6],
            ("healthy_executors", "v1"): [1, 1, 1],
        }
        assert shop.questions == 3
        assert shop.counted_of == [["shop"]] * 3

    run(body)


def test_longer_steps_have_the_mean_of_executors_and_the_deepest_queue(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        for depth in (5, 40, 15):
            shop.depths = {"v2": depth}
            await scene.minutes(5)
        await scene.minutes(1)
        assert await scene.rows(QUARTER, "queue_depth") == {T0: 40}
        lines = await _lines(scene, 0, 900, 900)
        assert lines["desired_executors", "v2", "orders"] == [pytest.approx((1 + 8 + 3) / 3)]
        assert lines["queue_depth", "v2", "orders"] == [40]

    run(body)


def test_nobody_without_a_policy_or_an_executor_is_asked(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop, other = await scene.scaled(), await scene.scaled("other")
        await scene.policies.delete(scene.applications["other"].id)
        shop.is_here = False
        await scene.minutes(3)
        assert (shop.questions, other.questions) == (0, 0)
        assert await _lines(scene, 0, 180) == {}

    run(body)


def test_minutes_in_which_nobody_could_tell_are_a_gap(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 9}
        await scene.minutes(1)
        shop.is_here = False
        await scene.minutes(4)
        shop.is_here = True
        await scene.minutes(1)
        lines = await _lines(scene, 0, 360)
        # The answer of the first minute still speaks for the one after.
        assert lines["desired_executors", "v2", "orders"] == [2, 2, None, None, None, 2]

    run(body)


def test_a_policy_that_was_deleted_leaves_its_history(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 9}
        await scene.minutes(2)
        await scene.policies.delete(scene.applications["shop"].id)
        await scene.minutes(2)
        lines = await _lines(scene, 0, 240)
        assert lines["desired_executors", "v2", "orders"] == [2, 2, None, None]
        assert lines["healthy_executors", "v1"] == [1, 1, 1, 1]
        assert shop.questions == 2

    run(body)


def test_what_is_past_its_time_goes(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 9}
        await scene.minutes(2)
        scene.clocks.pass_secs(3 * DAY)
        await scene.round()
        # A leap of days is not believed at first.
        scene.clocks.pass_secs(DAY + 60)
        for _ in range(3):
            await scene.round(60)
        assert T0 not in await scene.rows(MINUTE, "desired_executors")
        assert T0 in await scene.rows(QUARTER, "desired_executors")

    run(body)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (NoExecutorAnsweredError("silence"), "does not tell"),
        (ExecutorReportedError("no such table", "no such table"), "does not tell"),
        (UnsupportedMessageError("unknown", "unknown"), "too old"),
    ],
)
def test_an_application_that_cannot_tell_is_asked_less_and_less_often_and_the_others_as_ever(
    run: Any, error: Exception, note: str
) -> None:
    async def body(scene: Scaling) -> None:
        shop, other = await scene.scaled(), await scene.scaled("other")

        def fail() -> None:
            raise error

        shop.before_answer = fail
        asked_in = []
        for number in range(40):
            before = shop.questions
            scene.clocks.pass_secs(scene.watch.interval_secs)
            await scene.watch.round()
            if shop.questions > before:
                asked_in.append(number)
        assert asked_in == [0, 2, 6, 14, 22, 30, 38]
        assert asked_in[-1] - asked_in[-2] == MAX_BACKOFF
        assert other.questions == 40
        assert [note in text for text in scene.watch.notes] == [True]
        shop.before_answer = lambda: None
        for _ in range(MAX_BACKOFF):
            scene.clocks.pass_secs(scene.watch.interval_secs)
            await scene.watch.round()
        assert scene.watch.notes == ()

    run(body)


def test_what_an_executor_of_a_private_application_reports_is_not_logged(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        async with scene.db.write() as connection:
            await connection.exec_driver_sql("UPDATE applications SET private_mode = 1")

        def fail() -> None:
            raise ExecutorReportedError("secret", "secret")

        shop.before_answer = fail
        await scene.watch.round()

    run(body)
    assert "could not be recommended" in caplog.text
    assert "secret" not in caplog.text


def test_an_application_that_is_slow_to_answer_is_asked_less_often(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.before_answer = lambda: scene.clocks.pass_secs(0.4)
        for _ in range(10):
            await scene.operations.desired_executors(LOCAL, "shop", "latest")
            scene.clocks.pass_secs(10)
        # It takes 0.4 seconds, so it has 40 seconds of peace; otherwise it would be asked each time.
        assert shop.questions == 3

    run(body)


def test_scalers_that_ask_at_the_same_time_share_one_answer(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 6, "v1": 1}
        versions = ["latest", "v2", "v1"] * 20
        asked = (scene.operations.desired_executors(LOCAL, "shop", version) for version in versions)
        found = await asyncio.gather(*asked)
        assert [one.executors for one in found] == [2, 2, 1] * 20
        assert {one.basis for one in found} == {"observed"}
        assert shop.questions == 1
        scene.clocks.pass_secs(11)
        shop.depths = {"v2": 11}
        assert (await scene.operations.desired_executors(LOCAL, "shop", "v2")).executors == 3

    run(body)


@pytest.mark.parametrize("restarted", [False, True])
def test_while_nobody_answers_what_was_known_last_holds(run: Any, restarted: bool) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.versions.append("v0")
        shop.depths = {"v0": 99}
        await scene.minutes(1)
        shop.depths = {"v2": 11, "v1": 3}
        await scene.minutes(1)
        shop.is_here = False
        if restarted:
            scene.restart()
        await scene.minutes(60)
        for version, name, executors in (("latest", "v2", 3), ("v2", "v2", 3), ("v1", "v1", 1)):
            found = await scene.operations.desired_executors(LOCAL, "shop", version)
            assert (found.application_version, found.executors) == (name, executors)
            assert found.basis == "remembered"
            assert found.observed_at_epoch_ms is not None
            # When it was counted, or the minute in which it was noted.
            assert abs(found.observed_at_epoch_ms / 1_000 - T0 - 95) <= 35
        # What was wanted of an earlier minute is not wanted any more.
        try:
            assert (await scene.operations.desired_executors(LOCAL, "shop", "v0")).executors == 0
        except NoHealthyExecutorError:
            assert restarted
        # It may have been registered since.
        with pytest.raises(NoHealthyExecutorError):
            await scene.operations.desired_executors(LOCAL, "shop", "v3")

    run(body)


@pytest.mark.parametrize("restarted", [False, True])
def test_one_of_the_latest_version_is_always_wanted_so_that_a_first_one_starts(
    run: Any, restarted: bool
) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.is_here = False
        found = await scene.operations.desired_executors(LOCAL, "shop", "latest")
        assert (found.executors, found.basis, found.application_version) == (1, "minimum", None)
        with pytest.raises(NoHealthyExecutorError):
            await scene.operations.desired_executors(LOCAL, "shop", "v2")
        shop.is_here = True
        await scene.minutes(2)
        shop.is_here = False
        if restarted:
            scene.restart()
        for version in ("latest", "v2"):
            found = await scene.operations.desired_executors(LOCAL, "shop", version)
            assert (found.executors, found.application_version) == (1, "v2")
        # Nobody knows about days ago.
        scene.clocks.pass_secs(2 * DAY + 120)
        found = await scene.operations.desired_executors(LOCAL, "shop", "latest")
        assert (found.executors, found.basis) == (1, "minimum")
        with pytest.raises(NoHealthyExecutorError):
            await scene.operations.desired_executors(LOCAL, "shop", "v2")

    run(body)


def test_another_queue_is_another_matter(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        shop.depths = {"v2": 50}
        await scene.minutes(1)
        shop.is_here = False
        record = scene.applications["shop"]
        rollout = RolloutPolicy(max_executors_for_old_application_versions=0)
        await scene.policies.set(
            record.id, AutoscalingPolicy(queue="mails", rollout=rollout), now=scene.clocks.now()
        )
        found = await scene.operations.desired_executors(LOCAL, "shop", "latest")
        assert (found.executors, found.basis) == (1, "minimum")
        shop.is_here, shop.queue = True, QueueRecord(name="mails", worker_concurrency=1)
        shop.depths = {"v2": 4}
        assert (await scene.operations.desired_executors(LOCAL, "shop", "latest")).executors == 4
        assert shop.questions == 2
        await scene.minutes(1)
        lines = await _lines(scene, 0, 120)
        assert lines["desired_executors", "v2", "orders"] == [10, 0]
        assert lines["desired_executors", "v2", "mails"] == [0, 4]
        for policy, depth in ((POLICY, 1), (AutoscalingPolicy(queue="mails"), 3), (POLICY, 2)):
            await scene.policies.set(record.id, policy, now=scene.clocks.now())
            shop.depths = {"v2": depth}
            found = await scene.operations.desired_executors(LOCAL, "shop", "latest")
            assert (found.executors, found.basis) == (depth, "observed")

    run(body)


def test_a_version_that_was_never_registered_is_refused(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        await scene.scaled()
        with pytest.raises(NotFoundError, match="never registered"):
            await scene.operations.desired_executors(LOCAL, "shop", "v9")

    run(body)


def test_what_an_executor_reports_is_told_rather_than_guessed_around(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        shop = await scene.scaled()
        await scene.minutes(1)

        def fail() -> None:
            raise ExecutorReportedError("no such table", "no such table")

        shop.before_answer = fail
        scene.clocks.pass_secs(60)
        with pytest.raises(ExecutorReportedError):
            await scene.operations.desired_executors(LOCAL, "shop", "latest")

    run(body)


def test_history_is_for_those_who_may_see_it_and_of_ranges_that_can_be(run: Any) -> None:
    async def body(scene: Scaling) -> None:
        await scene.scaled()
        start, end = scene.clocks.now(), datetime.fromtimestamp(T0 + 600, UTC)
        blind = msgspec.structs.replace(LOCAL, permissions=frozenset({"metric.read"}))
        with pytest.raises(ForbiddenError):
            await scene.operations.history(blind, "shop", start=start, end=end)
        with pytest.raises(NotFoundError):
            await scene.operations.history(LOCAL, "nowhere", start=start, end=end)
        with pytest.raises(InvalidError):
            await scene.operations.history(LOCAL, "shop", start=end, end=start)

    run(body)
