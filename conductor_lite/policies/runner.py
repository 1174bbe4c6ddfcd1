"""Runs the policies: each on its own clock, never twice at once, begun anew after a fault, health in view."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.fleet.tasks import Tasks

logger = logging.getLogger("conductor_lite.policies")

#: A policy's rounds are this much earlier or later than its interval, so that they spread by themselves.
JITTER = 0.1
#: Longest wait after failures, in intervals.
MAX_BACKOFF = 8


class Policy(Protocol):
    """Something that the conductor does by itself, round by round."""

    #: What people call it.
    name: str
    #: Seconds from the end of one round to the beginning of the next.
    interval_secs: float

    async def round(self) -> None:
        """Do it once. What it raises is logged and shown, and the next round comes later."""


class PolicyHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a policy is doing."""

    name: str
    #: When its last round ended; None before the first.
    ended_at: datetime | None = None
    #: How long that took.
    duration_secs: float | None = None
    #: How much later than due it began.
    lag_secs: float = 0.0
    #: Rounds that failed since the last good one.
    failures: int = 0
    #: What went wrong last; None when nothing did.
    error: str | None = None
    #: What people should know besides, such as what it could not do as well as it should.
    notes: tuple[str, ...] = ()


class PolicyRunner:
    """Keeps policies running.

    Args:
        policies: what to run.
        clock: the clocks.
        chance: spreads the rounds; tests bring their own.
    """

    def __init__(self, policies: Sequence[Policy], clock: Clock, chance: random.Random | None = None) -> None:
        self._policies = policies
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - nothing secret depends on it
        self._health = {policy.name: PolicyHealth(name=policy.name) for policy in policies}
        # Set to begin a policy's next round at once.
        self._nudges = {policy.name: asyncio.Event() for policy in policies}
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin: the first round of each comes at once."""
        for policy in self._policies:
            self._tasks.keep_running(partial(self._loop, policy), policy.name)

    async def stop(self) -> None:
        """End every policy, also in the middle of a round."""
        await self._tasks.stop()

    def nudge(self, name: str) -> None:
        """Let a policy's next round begin now instead of when it is due."""
        self._nudges[name].set()

    def health(self) -> list[PolicyHealth]:
        """How each policy is doing."""
        return list(self._health.values())

    async def _loop(self, policy: Policy) -> None:
        due = self._clock.monotonic()
        while True:
            await self._round(policy, due)
            wait_secs = self._wait_secs(policy)
            due = self._clock.monotonic() + wait_secs
            nudge = self._nudges[policy.name]
            try:
                async with asyncio.timeout(wait_secs):
                    await nudge.wait()
                due = self._clock.monotonic()
            except TimeoutError:
                pass
            nudge.clear()

    async def _round(self, policy: Policy, due: float) -> None:
        begun = self._clock.monotonic()
        error: str | None = None
        try:
            await policy.round()
        except Exception as failure:
            # The outermost loop of a policy: the next round may fare better.
            error = str(failure) or type(failure).__name__
            logger.exception("The policy '%s' failed.", policy.name)
        failures = self._health[policy.name].failures
        self._health[policy.name] = PolicyHealth(
            name=policy.name,
            ended_at=self._clock.now(),
            duration_secs=self._clock.monotonic() - begun,
            lag_secs=max(0.0, begun - due),
            failures=0 if error is None else failures + 1,
            error=error,
            notes=tuple(getattr(policy, "notes", ())),
        )

    def _wait_secs(self, policy: Policy) -> float:
        backoff = min(1 << self._health[policy.name].failures, MAX_BACKOFF)
        wait_secs: float = policy.interval_secs * backoff
        return wait_secs * self._chance.uniform(1 - JITTER, 1 + JITTER)
