"""The runner of policies: when rounds come, and what becomes of one that fails."""

import asyncio
import random

import pytest
from support.fake_clock import START, FakeClock
from support.wait import wait_until_async

from conductor_lite.clock import Clock
from conductor_lite.policies.runner import JITTER, MAX_BACKOFF, PolicyRunner
from conductor_lite.telemetry import PolicyHealth


class Counting:
    """A policy that counts its rounds, and may fail."""

    name = "counting"

    def __init__(self, interval_secs: float) -> None:
        self.interval_secs = interval_secs
        self.rounds = 0
        self.under_way = 0
        self.failing = False
        self.cancelled = False
        #: Set it to let a round end that waits for it.
        self.delay_event: asyncio.Event | None = None

    async def round(self) -> None:
        self.under_way += 1
        assert self.under_way == 1, "a policy overlapped itself"
        await asyncio.sleep(0)
        if self.delay_event is not None:
            await self.delay_event.wait()
        self.under_way -= 1
        self.rounds += 1
        if self.failing:
            raise RuntimeError("no disk")
        if self.cancelled:
            given_up = asyncio.get_running_loop().create_future()
            given_up.cancel()
            await given_up


def test_rounds_follow_each_other_and_a_fault_ends_none() -> None:
    async def body() -> None:
        policy = Counting(0.01)
        runner = PolicyRunner([policy], Clock())
        runner.start()
        await wait_until_async(lambda: policy.rounds >= 3, 5, "three rounds")
        assert runner.health()[0].error is None
        policy.failing = True
        failed = policy.rounds
        await wait_until_async(lambda: policy.rounds >= failed + 3, 5, "rounds that fail")
        health = runner.health()[0]
        assert health.failures >= 2
        assert health.error == "no disk"
        policy.failing = False
        failed = policy.rounds
        await wait_until_async(lambda: policy.rounds >= failed + 2, 5, "a round that works")
        assert runner.health()[0].failures == 0
        # As when what a round waits for is given up, which is not the end of the policy.
        policy.cancelled = True
        failed = policy.rounds
        await wait_until_async(lambda: policy.rounds >= failed + 3, 5, "rounds that are given up")
        assert (runner.health()[0].error, runner.health()[0].failures > 0) == ("CancelledError", True)
        await runner.stop()

    asyncio.run(body())


def test_the_first_round_comes_at_once_and_a_nudge_brings_the_next() -> None:
    async def body() -> None:
        policy = Counting(3_600)
        runner = PolicyRunner([policy], Clock())
        runner.start()
        await wait_until_async(lambda: policy.rounds == 1, 5, "the first round")
        runner.nudge("counting")
        await wait_until_async(lambda: policy.rounds == 2, 5, "the nudged round")
        await runner.stop()

    asyncio.run(body())


def test_health_tells_when_all_was_well_what_is_under_way_and_how_late_it_is() -> None:
    async def body() -> None:
        clock, policy = FakeClock(), Counting(60)
        runner = PolicyRunner([policy], clock)

        def health() -> PolicyHealth:
            (found,) = runner.health()
            return found

        assert health() == PolicyHealth(name="counting", interval_secs=60)
        await runner._round(policy)
        clock.advance(60 * (1 + JITTER))
        assert health().lag_secs == 0
        assert (health().ended_at, health().succeeded_at) == (START, START)
        policy.failing = True
        await runner._round(policy)
        clock.advance(100)
        assert health().lag_secs == pytest.approx(100)
        assert health().succeeded_at == START < (health().ended_at or START)
        policy.failing, policy.delay_event = False, asyncio.Event()
        stuck = asyncio.create_task(runner._round(policy))
        await wait_until_async(lambda: policy.under_way, 5, "the round to begin")
        clock.advance(500)
        # A round that does not end shows as well.
        assert (health().running_secs, health().lag_secs) == (500, pytest.approx(600))
        policy.delay_event.set()
        await stuck
        assert (health().running_secs, health().lag_secs, health().duration_secs) == (None, 0, 500)

    asyncio.run(body())


def test_a_round_that_may_take_long_is_late_only_when_it_takes_longer() -> None:
    class Lengthy(Counting):
        round_secs = 1_800.0

    async def body() -> None:
        clock, policy = FakeClock(), Lengthy(60)
        policy.delay_event = asyncio.Event()
        runner = PolicyRunner([policy], clock)
        lengthy = asyncio.create_task(runner._round(policy))
        await wait_until_async(lambda: policy.under_way, 5, "the round to begin")
        clock.advance(1_800 + 60)
        assert runner.health()[0].lag_secs == 0
        clock.advance(60)
        assert runner.health()[0].lag_secs > 0
        policy.delay_event.set()
        await lengthy
        assert runner.health()[0].lag_secs == 0

    asyncio.run(body())


@pytest.mark.parametrize(("interval_secs", "waited_secs"), [(60, 60), (86_400, 60), (5, 5)])
def test_waits_are_spread_and_grow_with_failures_up_to_a_bound(
    interval_secs: float, waited_secs: float
) -> None:
    async def body() -> None:
        policy = Counting(interval_secs)
        policy.failing = True
        runner = PolicyRunner([policy], Clock(), random.Random(1))
        waits = []
        for _ in range(8):
            await runner._round(policy)
            waits.append(runner._wait_secs(policy))
        assert len(set(waits)) == len(waits)
        for failures, wait in enumerate(waits, 1):
            expected = waited_secs * min(2**failures, MAX_BACKOFF)
            assert expected * (1 - JITTER) <= wait <= expected * (1 + JITTER)

    asyncio.run(body())
