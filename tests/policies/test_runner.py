"""The runner of policies: when rounds come, and what becomes of one that fails."""

import asyncio
import random

from support.wait import wait_until_async

from conductor_lite.clock import Clock
from conductor_lite.policies.runner import JITTER, MAX_BACKOFF, PolicyRunner


class Counting:
    """A policy that counts its rounds, and may fail."""

    name = "counting"

    def __init__(self, interval_secs: float) -> None:
        self.interval_secs = interval_secs
        self.rounds = 0
        self.under_way = 0
        self.failing = False

    async def round(self) -> None:
        self.under_way += 1
        assert self.under_way == 1, "a policy overlapped itself"
        await asyncio.sleep(0)
        self.under_way -= 1
        self.rounds += 1
        if self.failing:
            raise RuntimeError("no disk")


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


def test_waits_are_spread_and_grow_with_failures_up_to_a_bound() -> None:
    async def body() -> None:
        policy = Counting(60)
        policy.failing = True
        runner = PolicyRunner([policy], Clock(), random.Random(1))
        waits = []
        for _ in range(8):
            await runner._round(policy, 0)
            waits.append(runner._wait_secs(policy))
        assert len(set(waits)) == len(waits)
        for failures, wait in enumerate(waits, 1):
            expected = 60 * min(2**failures, MAX_BACKOFF)
            assert expected * (1 - JITTER) <= wait <= expected * (1 + JITTER)

    asyncio.run(body())
