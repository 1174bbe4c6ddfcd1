"""Asks every application that has an autoscaling policy, about once a minute, what its queue calls for.

What is learnt is kept in memory for whoever asks next, and on record by the policy that keeps metrics.
"""

import asyncio
import logging
from typing import TypeVar

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import (
    DispatchError,
    ExecutorReportedError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.fleet.views import HEALTHY
from conductor_lite.protocol import Reply, Request
from conductor_lite.store.applications import Applications
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.records import ApplicationRecord, AutoscalingPolicy
from conductor_lite.wording import noun, plural

R = TypeVar("R", bound=Reply)

logger = logging.getLogger("conductor_lite.policies")

#: Seconds that an executor gets for one question.
QUESTION_SECS = 10.0
#: Applications that are asked at the same time.
CONCURRENT_APPLICATIONS = 8
#: Most rounds that an application is left alone for after it failed to answer.
MAX_BACKOFF = 8


class _Trouble(msgspec.Struct, frozen=True):
    """An application that could not tell what its queue calls for."""

    #: How many rounds in a row.
    rounds: int
    #: When it is asked again, on the monotonic clock.
    ask_at: float
    #: What it said, or that it said nothing; logged when it changes.
    text: str
    #: Whether its SDK does not know the questions.
    is_too_old: bool


class AutoscalingWatch:
    """Observes the queue of each autoscaling policy.

    Args:
        fleet: asks, and knows who is here.
        recommender: remembers what was said.
        applications: the table of applications.
        policies: the table of autoscaling policies.
        clock: the clocks.
    """

    name = "autoscaling"
    # Less than a minute, so that there is an answer in each.
    interval_secs = 50.0

    def __init__(
        self,
        fleet: Fleet,
        recommender: Recommender,
        applications: Applications,
        policies: AutoscalingPolicies,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._recommender = recommender
        self._applications = applications
        self._policies = policies
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What those should know who look at this policy's health."""
        too_old = sum(trouble.is_too_old for trouble in self._troubles.values())
        notes = [
            f"{plural(too_old, 'application')} {noun(too_old, 'has', 'have')} an SDK too old to recommend "
            "executors for"
        ]
        silent = len(self._troubles) - too_old
        silences = [
            f"{plural(silent, 'application')} {noun(silent, 'does', 'do')} not tell what the queue calls "
            "for: asked less often"
        ]
        return tuple((notes if too_old else []) + (silences if silent else []))

    async def round(self) -> None:
        """Ask each application once, unless it failed to answer lately.

        Raises:
            StoreError: the policies cannot be read.
        """
        policies = await self._policies.all()
        self._recommender.retain(policies)
        self._troubles = {id_: trouble for id_, trouble in self._troubles.items() if id_ in policies}
        turns = asyncio.Semaphore(CONCURRENT_APPLICATIONS)

        async def in_turn(application: ApplicationRecord, policy: AutoscalingPolicy) -> None:
            async with turns:
                await self._look(application, policy)

        asked = [
            in_turn(application, policies[application.id])
            for application in await self._applications.all()
            if application.id in policies and self._may_be_asked(application.id)
        ]
        results = await asyncio.gather(*asked, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            raise failures[0]

    def _may_be_asked(self, application_id: str) -> bool:
        trouble = self._troubles.get(application_id)
        is_here = any(view.status == HEALTHY for view in self._fleet.executors(application_id))
        return is_here and (trouble is None or self._clock.monotonic() >= trouble.ask_at)

    async def _look(self, application: ApplicationRecord, policy: AutoscalingPolicy) -> None:
        fleet = self._fleet

        class _Asking:
            async def __call__(self, request: Request[R]) -> R:
                return await fleet.ask(application.id, request, deadline_secs=QUESTION_SECS)

        try:
            # Whoever asked just now has asked for us as well.
            await self._recommender.shared(
                application, policy, _Asking(), max_age_secs=self.interval_secs / 2
            )
        except NoHealthyExecutorError:
            return
        except (DispatchError, NotFoundError) as error:
            self._note(application, error)
        else:
            self._troubles.pop(application.id, None)

    def _note(self, application: ApplicationRecord, error: Exception) -> None:
        is_too_old = isinstance(error, UnsupportedMessageError)
        is_report = isinstance(error, ExecutorReportedError) and not is_too_old
        # What an executor reports of a private application may quote a payload.
        text = "the executor reported an error" if is_report and application.private_mode else str(error)
        before = self._troubles.get(application.id)
        rounds = 1 if before is None else before.rounds + 1
        # Half a round less, as rounds come a little earlier or later.
        wait_secs = self.interval_secs * (min(1 << min(rounds, 8), MAX_BACKOFF) - 0.5)
        if before is None or before.text != text:
            logger.warning("Executors for %s could not be recommended: %s", application.name, text)
        self._troubles[application.id] = _Trouble(
            rounds, self._clock.monotonic() + wait_secs, text, is_too_old
        )
