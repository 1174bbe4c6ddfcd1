"""Collecting metrics: arithmetic over a known history, with clocks that tests set and a real database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.figures import START, Clocks, Collecting, Step, Workflow

from conductor_lite.errors import NoExecutorAnsweredError
from conductor_lite.fleet import measurer, metric_labels
from conductor_lite.fleet.measuring import LISTINGS
from conductor_lite.policies import metric_pruning
from conductor_lite.policies.metric_windows import completed_until, plan
from conductor_lite.policies.metrics import MAX_WINDOWS, SLOW_SECS
from conductor_lite.protocol import GetWorkflowAggregates, ListWorkflows
from conductor_lite.store.applications import Applications
from conductor_lite.store.database import Database
from conductor_lite.store.metric_families import DAY, MINUTE, QUARTER, Group, Label, coverage

T0 = int(START.timestamp())
Body = Callable[[Collecting], Awaitable[Any]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Runs an async function on a policy whose clock stands five seconds after a midnight."""

    async def whole(body: Body) -> Any:
        db = await Database.open(tmp_path)
        try:
            clocks = Clocks()
            clocks.pass_secs(5)
            return await body(Collecting(db, clocks))
        finally:
            await db.close()

    return lambda body: asyncio.run(whole(body))


def test_every_minute_is_asked_for_once_whatever_the_rounds(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        # The first and the last moment of a second, and so of a minute.
        shop.workflows = [
            Workflow("pay", T0 + second + fraction, completed=T0 + second + fraction)
            for second in range(180)
            for fraction in (0, 0.999)
        ]
        await scene.round()
        for _ in range(36):
            await scene.round(5)
        started = await scene.rows(MINUTE, "workflow_started")
        assert started == {T0: 120, T0 + 60: 120, T0 + 120: 120}
        assert await scene.rows(MINUTE, "workflow_succeeded") == started
        ended = [r for r in shop.requests if isinstance(r, GetWorkflowAggregates) and r.body.completed_after]
        # Four minutes, the first of which is the one before; and one question whether filters are heeded.
        assert len(ended) == 4 + 1

    run(body)


def test_what_ends_waits_and_runs_is_told_apart(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [
            Workflow("pay", T0 + 1, "q", T0 + 11, T0 + 31),
            Workflow("pay", T0 + 2, "q", T0 + 4, T0 + 5, "ERROR"),
            Workflow("pay", T0 + 2, None, None, T0 + 5, "MAX_RECOVERY_ATTEMPTS_EXCEEDED"),
            Workflow("pay", T0 - 100, None, None, T0 + 59.999, "CANCELLED"),
            Workflow("ship", T0 + 3, "q", None, None, "ENQUEUED"),
            Workflow("ship", T0 + 9, "q", None, None, "ENQUEUED"),
            Workflow("ship", T0 + 3, "q", T0 + 35, None, "PENDING"),
            # Some SDKs note a start of what was never enqueued.
            Workflow("walk", T0 + 3, None, T0 + 3, None, "PENDING"),
        ]
        shop.steps = [
            Step("reserve", T0 + 1, duration=2.5),
            Step("reserve", T0 + 2, "ERROR"),
            Step("x", T0 + 60),
        ]
        await scene.round(60)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        assert (minute.window.start, minute.window.end) == (T0, T0 + 60)
        assert minute.points == {
            Label("workflow_started", "pay", "q"): 2,
            Label("workflow_started", "pay"): 1,
            Label("workflow_started", "ship", "q"): 3,
            Label("workflow_started", "walk"): 1,
            Label("workflow_succeeded", "pay", "q"): 1,
            Label("workflow_failed", "pay", "q"): 1,
            Label("workflow_failed", "pay"): 1,
            Label("workflow_cancelled", "pay"): 1,
            Label("workflow_dequeued", "pay", "q"): 2,
            Label("workflow_dequeued", "ship", "q"): 1,
            Label("workflow_queue_wait_secs", "pay", "q"): 10,
            Label("workflow_queue_wait_secs", "ship", "q"): 32,
            Label("workflow_latency_secs", "pay", "q"): 30,
            Label("workflow_latency_secs", "pay"): 159.999,
            Label("step_succeeded", "reserve"): 1,
            Label("step_failed", "reserve"): 1,
            Label("step_duration_secs", "reserve"): 2.5,
        }
        found = await scene.measurer.open(scene.applications["shop"], max_age_secs=10)
        assert found is not None
        assert found.points == {
            Label("workflow_enqueued", "ship", "q"): 2,
            Label("workflow_enqueued_age_secs", "ship", "q"): 62,
            Label("workflow_pending", "ship"): 1,
            Label("workflow_pending_age_secs", "ship"): 62,
            Label("workflow_pending", "walk"): 1,
            Label("workflow_pending_age_secs", "walk"): 62,
        }
        assert await scene.rows(MINUTE, "workflow_enqueued") == {T0: 2}
        assert await scene.rows(MINUTE, "executors") == {T0: 1}

    run(body)


def test_a_series_that_falls_silent_is_shown_at_zero_for_an_hour(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 1, completed=T0 + 1)]
        await scene.minutes(2)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        assert minute.points == {Label("workflow_started", "pay"): 0, Label("workflow_succeeded", "pay"): 0}
        await scene.minutes(59)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        assert minute.points == {}

    run(body)


def test_a_restart_of_the_conductor_takes_no_series_from_a_scrape(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        id_ = scene.applications["shop"].id
        shop.workflows = [
            Workflow("pay", T0 + 1, completed=T0 + 1),
            Workflow("ship", T0 + 61, completed=T0 + 62),
        ]
        silent, busy = (
            {Label("workflow_started", name): value, Label("workflow_succeeded", name): value}
            for name, value in (("pay", 0.0), ("ship", 1.0))
        )
        await scene.minutes(2)
        before = scene.measurer.minute(id_)
        assert before is not None
        assert {label: before.points.get(label) for label in silent | busy} == silent | busy
        scene.restart()
        # Before any executor has answered anew.
        await scene.round()
        assert scene.measurer.minute(id_) == before
        await scene.minutes(1)
        after = scene.measurer.minute(id_)
        assert after is not None
        assert after.points == silent | dict.fromkeys(busy, 0.0)
        # The hour of each goes on.
        scene.restart()
        await scene.minutes(57)
        after = scene.measurer.minute(id_)
        assert after is not None
        assert after.points == silent | dict.fromkeys(busy, 0.0)
        await scene.minutes(2)
        after = scene.measurer.minute(id_)
        assert after is not None
        assert after.points == {}

    run(body)


def test_minutes_in_which_nobody_was_there_are_asked_for_afterwards(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 30 + 60 * n, completed=T0 + 30 + 60 * n) for n in range(40)]
        await scene.minutes(2)
        shop.is_here = False
        await scene.minutes(20)
        assert scene.measurer.minute(scene.applications["shop"].id) is None
        assert len(await scene.rows(MINUTE, "workflow_started")) == 2
        shop.is_here = True
        asked = len(shop.requests)
        await scene.round(60)
        # No more than a few at once.
        assert len(await scene.rows(MINUTE, "workflow_started")) == 2 + MAX_WINDOWS
        assert len(shop.requests) - asked == 4 * MAX_WINDOWS
        for _ in range(5):
            await scene.round(5)
        assert await scene.rows(MINUTE, "workflow_started") == {T0 + 60 * n: 1 for n in range(23)}
        totals = await scene.totals("workflow_started", T0, T0 + 23 * 60)
        assert totals == {Label("workflow_started", "pay"): 23, coverage(Group.STARTED): 23 * 60}
        # What waited then is not known any more, and not made up.
        assert (await scene.totals("workflow_pending", T0, T0 + 23 * 60))[coverage(Group.LEVELS)] == 3 * 60

    run(body)


def test_a_long_outage_of_the_conductor_is_filled_in_quarters_of_an_hour(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 30 + 60 * n, completed=T0 + 30 + 60 * n) for n in range(600)]
        await scene.minutes(7)
        scene.restart()
        await scene.round(9 * 3_600)
        for _ in range(20):
            await scene.round(2)
        end = T0 + 7 * 60 + 9 * 3_600
        started = await scene.totals("workflow_started", T0, end)
        assert started == {Label("workflow_started", "pay"): 547, coverage(Group.STARTED): end - T0}
        assert (await scene.rows(QUARTER, "workflow_started")) == {T0 + QUARTER * n: 15 for n in range(36)}
        assert len(await scene.rows(MINUTE, "workflow_started")) == 15 + 7 + 15
        assert len(shop.requests) < 400

    run(body)


def test_more_than_two_days_are_left_as_a_gap(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        await scene.minutes(3)
        await scene.round(5 * DAY)
        for _ in range(50):
            await scene.round(2)
        end = T0 + 3 * 60 + 5 * DAY
        # The first minute of it is past its time already.
        begin = end - 2 * DAY + 60
        totals = await scene.totals("workflow_started", begin, end)
        assert totals == {coverage(Group.STARTED): end - begin}
        assert len(shop.requests) < 1_000

    run(body)


@pytest.mark.parametrize("back_secs", [61, 600, 1_234, 3_600])
def test_a_clock_that_goes_back_loses_no_minute_and_doubles_none(run: Any, back_secs: int) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()

        async def live(secs: int) -> None:
            """Live on, by the application's clock, which is the same: something happens every half minute."""
            for _ in range(secs // 30):
                now = scene.clocks.now().timestamp()
                shop.workflows.append(Workflow("pay", now, completed=now))
                await scene.round(30)

        await live(1_800)
        scene.clocks.jump(-back_secs)
        await live(5_400)
        for _ in range(10):
            await scene.round(5)
        begin = T0 if back_secs <= 1_800 else T0 - back_secs + 1_800
        begin -= begin % QUARTER
        end = completed_until(scene.clocks.now().timestamp())
        for family in ("workflow_started", "workflow_succeeded"):
            counts: dict[int, int] = {}
            for workflow in shop.workflows:
                if begin <= workflow.created < end:
                    start = int(workflow.created) // MINUTE * MINUTE
                    counts[start] = counts.get(start, 0) + 1
            assert await scene.rows(MINUTE, family) == counts
            quarters = await scene.rows(QUARTER, family)
            assert quarters == {
                quarter: sum(n for start, n in counts.items() if quarter <= start < quarter + QUARTER)
                for quarter in quarters
            }
            assert len(quarters) >= (end - begin) // QUARTER - 1

    run(body)


def test_a_clock_that_is_set_forward_leaves_no_minute_out(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        # The database's clock was right all the time; ours was twenty minutes late.
        shop.workflows = [Workflow("pay", T0 + 7 * n, completed=T0 + 7 * n) for n in range(1_000)]
        await scene.minutes(5)
        scene.clocks.jump(20 * 60)
        for _ in range(10):
            await scene.round(6)
        totals = await scene.totals("workflow_started", T0, T0 + 26 * 60)
        assert totals[coverage(Group.STARTED)] == 26 * 60
        assert totals[Label("workflow_started", "pay")] == len(
            [w for w in shop.workflows if w.created < T0 + 26 * 60]
        )

    run(body)


def test_a_clock_that_runs_ahead_for_a_while_deletes_nothing(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 30 + 60 * n, completed=T0 + 30 + 60 * n) for n in range(60)]
        await scene.minutes(30)
        scene.clocks.jump(4 * 365 * DAY)
        for _ in range(15):
            await scene.round(300)
        scene.clocks.jump(-4 * 365 * DAY)
        for _ in range(40):
            await scene.round(5)
        totals = await scene.totals("workflow_started", T0, T0 + 3_600)
        assert totals == {Label("workflow_started", "pay"): 60, coverage(Group.STARTED): 3_600}

    run(body)


def test_a_simulated_month_is_kept_as_finely_as_promised(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third day the application is there, and what it did on the other days is past asking."""

    async def body(scene: Collecting) -> None:
        monkeypatch.setattr("conductor_lite.policies.metrics.MAX_WINDOWS", 200)
        monkeypatch.setattr("conductor_lite.policies.metric_windows.MAX_GAP_SECS", DAY // 2)
        shop = await scene.application()
        await scene.round()
        days = range(33)
        there = [day for day in days if day % 3 == 0]
        for half_day in range(2 * len(days)):
            begin = T0 + half_day * DAY // 2
            shop.is_here = half_day // 2 in there
            # One every ten minutes, one in seven of which fails.
            shop.workflows = [
                Workflow("pay", at, completed=at + 4, status="SUCCESS" if number % 7 else "ERROR")
                for number, at in enumerate(range(begin, begin + DAY // 2, 600), half_day * 72)
            ]
            await scene.round(DAY / 2)
        end = T0 + len(days) * DAY
        last = await scene.totals("workflow_started", end - 30 * DAY, end)
        assert last == {Label("workflow_started", "pay"): 10 * 144, coverage(Group.STARTED): 10 * DAY}
        day_by_day = await scene.rows(DAY, "workflow_started")
        assert day_by_day == {T0 + DAY * day: 144 for day in there}
        failed = await scene.rows(DAY, "workflow_failed")
        succeeded = await scene.rows(DAY, "workflow_succeeded")
        assert sum(failed.values()) == len(
            [number for day in there for number in range(day * 144, day * 144 + 144) if number % 7 == 0]
        )
        assert sum(failed.values()) + sum(succeeded.values()) == len(there) * 144
        assert set((await scene.rows(DAY, "workflow_latency_secs")).values()) == {4.0}
        quarters = await scene.rows(QUARTER, "coverage")
        assert end - 30 * DAY <= min(quarters) <= end - 30 * DAY + QUARTER
        assert min(await scene.rows(MINUTE, "coverage")) >= end - 2 * DAY

    run(body)


def test_an_sdk_too_old_for_aggregates_is_counted_from_listings_and_this_is_said(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.has_aggregates = False
        shop.workflows = [
            Workflow("pay", T0 + 1, "q", T0 + 3, T0 + 10),
            Workflow("pay", T0 - 50, None, None, T0 + 10, "ERROR"),
            Workflow("ship", T0 + 2, "q", None, None, "ENQUEUED"),
            Workflow("ship", T0 + 2, None, None, None, "PENDING"),
        ]
        shop.steps = [Step("reserve", T0 + 1), Step("reserve", T0 + 2, "ERROR")]
        assert scene.policy.notes == ()
        await scene.round(60)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        assert minute.basis == LISTINGS
        assert minute.points == {
            Label("workflow_started", "pay"): 1,
            Label("workflow_started", "ship"): 2,
            Label("workflow_succeeded", "pay", "q"): 1,
            Label("workflow_failed", "pay"): 1,
            Label("workflow_dequeued", "pay", "q"): 1,
            Label("workflow_queue_wait_secs", "pay", "q"): 2,
            Label("workflow_latency_secs", "pay", "q"): 9,
            Label("workflow_latency_secs", "pay"): 60,
            Label("step_runs", "reserve"): 2,
        }
        assert minute.groups == {Group.STARTED, Group.FINISHED, Group.STEP_RUNS}
        assert await scene.rows(MINUTE, "workflow_enqueued") == {T0: 1}
        assert scene.policy.notes == (
            "1 application has an SDK too old for aggregates: counted from listings",
        )
        source = await scene.reading.source(scene.applications["shop"].id)
        assert source is not None
        assert source.basis == LISTINGS
        # It is not asked again for what it does not know: that may stand in its log.
        await scene.minutes(5)
        assert len([r for r in shop.requests if isinstance(r, GetWorkflowAggregates)]) == 1
        assert all(
            r.body.limit and r.body.load_input is False for r in shop.requests if isinstance(r, ListWorkflows)
        )

    run(body)


@pytest.mark.parametrize("has_aggregates", [True, False])
def test_of_a_shared_database_each_application_counts_its_own(run: Any, has_aggregates: bool) -> None:
    async def body(scene: Collecting) -> None:
        shop, bank = await scene.application("shop"), await scene.application("bank")
        for history in (shop, bank):
            history.has_aggregates = has_aggregates
            history.workflows = [
                Workflow("pay", T0 + 1, completed=T0 + 2, owner="shop"),
                Workflow("pay", T0 + 1, status="PENDING", owner="shop"),
                Workflow("lend", T0 + 1, completed=T0 + 2, owner="bank"),
                Workflow("wait", T0 + 1, "q", status="ENQUEUED", owner="bank"),
                Workflow("old", T0 + 1, completed=T0 + 2),
            ]
            history.steps = [Step("charge", T0 + 1, owner="shop"), Step("sign", T0 + 1, owner="bank")]
        await scene.round(60)
        families = ["workflow_started", "workflow_succeeded", "workflow_pending", "workflow_enqueued"]
        families += ["step_succeeded", "step_runs"]
        found = {}
        for name in ("shop", "bank"):
            source = await scene.reading.source(scene.applications[name].id)
            assert source is not None
            totals = await scene.reading.totals(source, families, T0, T0 + 60)
            found[name] = {(label.family, label.first): n for label, n in totals.items()}
        steps = "step_succeeded" if has_aggregates else "step_runs"
        assert {label: n for label, n in found["shop"].items() if label[0] != "coverage"} == {
            ("workflow_started", "pay"): 2,
            ("workflow_started", "old"): 1,
            ("workflow_succeeded", "pay"): 1,
            ("workflow_succeeded", "old"): 1,
            ("workflow_pending", "pay"): 1,
            (steps, "charge"): 1,
        }
        assert {label: n for label, n in found["bank"].items() if label[0] != "coverage"} == {
            ("workflow_started", "lend"): 1,
            ("workflow_started", "wait"): 1,
            ("workflow_started", "old"): 1,
            ("workflow_succeeded", "lend"): 1,
            ("workflow_succeeded", "old"): 1,
            ("workflow_enqueued", "wait"): 1,
            (steps, "sign"): 1,
        }

    run(body)


def test_an_sdk_that_ignores_filters_by_time_is_not_believed(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.heeds_times = False
        shop.workflows = [Workflow("pay", T0 - 7 * DAY, completed=T0 - 7 * DAY)] * 50
        await scene.minutes(2)
        assert await scene.rows(MINUTE, "workflow_succeeded") == {}
        assert scene.policy.notes

    run(body)


def test_steps_without_outcomes_are_counted_as_runs(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.has_step_aggregates = False
        shop.steps = [Step("reserve", T0 + 1), Step("reserve", T0 + 2, "ERROR")]
        await scene.round(60)
        assert await scene.rows(MINUTE, "step_runs") == {T0: 2}
        assert await scene.rows(MINUTE, "step_succeeded") == {}

    run(body)


def test_an_application_that_fails_holds_up_nobody_and_is_not_pestered(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop, bank = await scene.application(), await scene.application("bank")

        def fail() -> None:
            raise NoExecutorAnsweredError("silence")

        bank.before_answer = fail
        shop.workflows = [Workflow("pay", T0 + 1)]
        await scene.round(60)
        asked = len(bank.requests)
        for _ in range(5):
            await scene.round(5)
        assert len(bank.requests) == asked
        assert await scene.rows(MINUTE, "workflow_started") == {T0: 1}
        bank.before_answer = lambda: None
        bank.workflows = [Workflow("pay", T0 + 1)]
        await scene.round(60)
        assert await scene.rows(MINUTE, "workflow_started") == {T0: 2}

    run(body)


def test_a_slow_application_is_asked_a_quarter_of_an_hour_at_a_time(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 30 + 60 * n) for n in range(120)]
        await scene.minutes(14)

        def dawdle() -> None:
            scene.clocks.pass_secs(SLOW_SECS)

        shop.before_answer = dawdle
        await scene.minutes(1)
        assert scene.policy.notes == ("1 application answers slowly: asked every 15 minutes",)
        asked = len(shop.requests)
        for _ in range(7):
            await scene.round(60)
        assert len(shop.requests) == asked
        shop.before_answer = lambda: None
        await scene.minutes(12)
        assert scene.policy.notes == ()
        totals = await scene.totals("workflow_started", T0, T0 + 30 * 60)
        assert totals == {Label("workflow_started", "pay"): 30, coverage(Group.STARTED): 1_800}

    run(body)


def test_a_slow_application_has_one_window_in_each_round_however_much_is_missing(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        await scene.minutes(1)
        shop.is_here = False
        await scene.round(4 * 3_600)

        def dawdle() -> None:
            scene.clocks.pass_secs(SLOW_SECS)

        shop.is_here, shop.before_answer = True, dawdle
        for _ in range(3):
            asked = len(shop.requests)
            await scene.round(60)
            # What happened in one window, in five questions and one about whether it heeds times.
            assert 0 < len(shop.requests) - asked <= 6
        assert await scene.rows(QUARTER, "coverage")

    run(body)


@pytest.mark.parametrize("has_aggregates", [True, False])
def test_executors_that_do_not_say_their_sdk_come_and_go_and_are_not_remembered_for_ever(
    run: Any, monkeypatch: pytest.MonkeyPatch, has_aggregates: bool
) -> None:
    monkeypatch.setattr(measurer, "MAX_SDKS", 3)

    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.dbos_version, shop.has_aggregates = None, has_aggregates
        shop.workflows = [Workflow("pay", T0 + 60 * n, completed=T0 + 60 * n + 1) for n in range(8)]
        for number in range(8):
            shop.executor_id = f"e{number}"
            await scene.minutes(1)
        assert 0 < len(scene.measurer._too_old | scene.measurer._trusted) <= 3
        assert sum((await scene.rows(MINUTE, "workflow_started")).values()) == 8

    run(body)


def test_names_are_bounded_and_those_without_room_are_counted_together(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(scene: Collecting) -> None:
        monkeypatch.setitem(metric_labels.ROOM, "workflow_name", 3)  # type: ignore[arg-type]
        shop = await scene.application()
        shop.workflows = [Workflow(f"w{n}", T0 + 1) for n in range(10) for _ in range(n + 1)]
        await scene.round(60)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        assert minute.points == {
            Label("workflow_started", "w9"): 10,
            Label("workflow_started", "w8"): 9,
            Label("workflow_started", "w7"): 8,
            Label("workflow_started", "other"): 28,
        }
        # Whoever was first stays, also after a restart.
        scene.restart()
        shop.workflows = [Workflow("w7", T0 + 61), *(Workflow("new", T0 + 61) for _ in range(5))]
        await scene.round(60)
        minute = scene.measurer.minute(scene.applications["shop"].id)
        assert minute is not None
        happened = {label: value for label, value in minute.points.items() if value}
        assert happened == {Label("workflow_started", "w7"): 1, Label("workflow_started", "other"): 5}

    run(body)


def test_a_deleted_application_leaves_nothing(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        shop.workflows = [Workflow("pay", T0 + 1)]
        await scene.minutes(3)
        record = scene.applications["shop"]
        await Applications(scene.db).delete(record.id)
        del scene.fleet.histories[record.id]
        await scene.round(metric_pruning.PAUSE_SECS)
        assert await scene.points.sources() == []
        assert await scene.rows(MINUTE, "coverage") == {}

    run(body)


def test_plan_goes_by_minutes_until_a_quarter_begins() -> None:
    windows = plan(T0 + 13 * 60, T0 + 2 * 3_600, limit=100)
    lengths = [(window.start - T0, window.end - window.start) for window in windows]
    assert lengths[:3] == [(13 * 60, 60), (14 * 60, 60), (QUARTER, QUARTER)]
    assert lengths[3:] == [(QUARTER * n, QUARTER) for n in range(2, 6)] + [
        (60 * n, 60) for n in range(90, 120)
    ]
    assert plan(T0, T0, limit=5) == []


def test_what_waits_is_asked_for_less_often_where_that_takes_long(run: Any) -> None:
    async def body(scene: Collecting) -> None:
        shop = await scene.application()
        record = scene.applications["shop"]

        async def asked(later_secs: float) -> bool:
            before = len(shop.requests)
            scene.clocks.pass_secs(later_secs)
            await scene.measurer.open(record, max_age_secs=10)
            return len(shop.requests) > before

        assert await asked(0)
        assert not await asked(10)
        assert await asked(0.1)
        shop.before_answer = lambda: scene.clocks.pass_secs(0.3)
        assert await asked(11)
        assert not await asked(29)
        assert await asked(1)
        shop.before_answer = lambda: scene.clocks.pass_secs(9)
        assert await asked(31)
        assert not await asked(40)
        # Never so rarely that it would miss a minute.
        assert await asked(2)

    run(body)
