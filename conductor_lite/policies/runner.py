"""Runs the policies: each on its own clock, never twice at once, begun anew after a fault, health in view."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.fleet.tasks import Tasks
from conductor_lite.telemetry import PolicyHealth

logger = logging.getLogger("conductor_lite.policies")

#: A policy's rounds are this much earlier or later than its interval, so that they spread by themselves.
JITTER = 0.1
#: Longest wait after failures, in intervals.
MAX_BACKOFF = 8
#: Longest interval that such waits go by, in seconds: what is due once a day is not put off for days.
RETRY_SECS = 60.0


class Policy(Protocol):
    """Something that the conductor does by itself, round by round."""

    #: What people call it.
    name: str
    #: Seconds from the end of one round to the beginning of the next.
    interval_secs: float
    # One whose rounds may take long has ``round_secs``, one that wants people to know something ``notes``.

    async def round(self) -> None:
        """Do it once. What it raises is logged and shown, and the next round comes later."""


class _State:
    """How a policy is doing, with what only the monotonic clock tells."""

    def __init__(self, policy: Policy, now: float) -> None:
        self.health = PolicyHealth(name=policy.name, interval_secs=policy.interval_secs)
        # Until when its work is done: the end of its last good round, or when it was to begin.
        self.done_until = now
        # When the round that is under way began; None between rounds.
        self.begun: float | None = None
        # How long one may take.
        self.round_secs = float(getattr(policy, "round_secs", 0.0))


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
        self._states = {policy.name: _State(policy, clock.monotonic()) for policy in policies}
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
        """How each policy is doing now."""
        now = self._clock.monotonic()
        return [
            msgspec.structs.replace(
                state.health,
                running_secs=None if state.begun is None else now - state.begun,
                lag_secs=self._lag_secs(state, now),
            )
            for state in self._states.values()
        ]

    @staticmethod
    def _lag_secs(state: _State, now: float) -> float:
        due_at = state.done_until + state.health.interval_secs * (1 + JITTER)
        # One that is under way may take as long as it may.
        return max(0.0, now - due_at - (state.round_secs if state.begun is not None else 0.0))

    async def _loop(self, policy: Policy) -> None:
        while True:
            await self._round(policy)
            nudge = self._nudges[policy.name]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait_secs(policy)):
                    await nudge.wait()
            nudge.clear()

    async def _round(self, policy: Policy) -> None:
        state = self._states[policy.name]
        begun = state.begun = self._clock.monotonic()
        error: str | None = None
        try:
            await policy.round()
        except asyncio.CancelledError as failure:
            if _is_stopping():
                raise
            # Something that the round waited for was given up, and not the round itself.
            error = type(failure).__name__
            logger.exception("The policy '%s' failed.", policy.name)
        except Exception as failure:
            # The outermost loop of a policy: the next round may fare better.
            error = str(failure) or type(failure).__name__
            logger.exception("The policy '%s' failed.", policy.name)
        finally:
            # Also when the runner is stopped in the middle of a round.
            state.begun = None
        ended, ended_at = self._clock.monotonic(), self._clock.now()
        if error is None:
            state.done_until = ended
        before = state.health
        state.health = PolicyHealth(
            name=policy.name,
            interval_secs=policy.interval_secs,
            ended_at=ended_at,
            succeeded_at=ended_at if error is None else before.succeeded_at,
            duration_secs=ended - begun,
            failures=0 if error is None else before.failures + 1,
            error=error,
            notes=tuple(getattr(policy, "notes", ())),
        )

    def _wait_secs(self, policy: Policy) -> float:
        failures = self._states[policy.name].health.failures
        wait_secs = policy.interval_secs
        if failures:
            wait_secs = min(wait_secs, RETRY_SECS) * min(1 << failures, MAX_BACKOFF)
        return wait_secs * self._chance.uniform(1 - JITTER, 1 + JITTER)


def _is_stopping() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
