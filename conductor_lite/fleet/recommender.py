"""What an application is asked when executors are to be recommended, and what it said last.

Writes no database. The policy that keeps recommendations and whoever wants one now share answers here, so
that a scaler which asks every few seconds does not become a burden for the application.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime

import msgspec

from conductor_lite.clock import Clock
from conductor_lite.errors import NoHealthyExecutorError, NotFoundError
from conductor_lite.fleet.measuring import ENQUEUED, PENDING, Ask
from conductor_lite.fleet.recommendation import Observation, QueueLimits
from conductor_lite.protocol import (
    GetQueue,
    GetWorkflowAggregates,
    ListApplicationVersions,
    QueueRecord,
    WorkflowAggregatesBody,
)
from conductor_lite.store.records import ApplicationRecord, AutoscalingPolicy

#: Most seconds between two questions, however long one takes.
MAX_PAUSE_SECS = 50.0
#: Seconds after which an answer is no longer that of now.
FRESH_SECS = 120.0


class _Board:
    """One application's newest answer."""

    def __init__(self) -> None:
        self.observation: Observation | None = None
        # On the monotonic clock, when it was last asked for; and which queue that was about.
        self.asked_at = float("-inf")
        self.asked_queue: str | None = None
        # How long that took, in seconds.
        self.took_secs = 0.0
        # One question at a time; who comes meanwhile shares its answer.
        self.lock = asyncio.Lock()


class Recommender:
    """The newest observation of each application that has an autoscaling policy.

    Args:
        clock: the clocks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._boards: dict[str, _Board] = {}

    async def observe(
        self, application: ApplicationRecord, policy: AutoscalingPolicy, ask: Ask
    ) -> Observation:
        """Ask now, and remember the answer.

        Args:
            application: whose queue it is.
            policy: names the queue.
            ask: reaches an executor of it.

        Raises:
            NotFoundError: the application has not registered any version yet.
            UnsupportedMessageError: its SDK is too old to tell.
            DispatchError: no executor answered.
        """
        observation = await _observe(ask, application.name, policy, self._clock.now)
        self._board(application.id).observation = observation
        return observation

    async def shared(
        self, application: ApplicationRecord, policy: AutoscalingPolicy, ask: Ask, *, max_age_secs: float
    ) -> Observation | None:
        """Ask unless that was done just now; an application that is slow to answer is asked less often.

        Args:
            application: whose queue it is.
            policy: names the queue.
            ask: reaches an executor of it.
            max_age_secs: an answer that is no older serves as well.

        Returns:
            The newest answer; None when the last question went without.

        Raises:
            As ``observe``, if it is this call that asks.
        """
        board = self._board(application.id)
        async with board.lock:
            # Some databases look through many workflows for this: it is to be a hundredth of what they do.
            pause_secs = max(max_age_secs, min(board.took_secs * 100, MAX_PAUSE_SECS))
            begun = self._clock.monotonic()
            if begun - board.asked_at > pause_secs or board.asked_queue != policy.queue:
                board.asked_at, board.asked_queue = begun, policy.queue
                try:
                    await self.observe(application, policy, ask)
                except NoHealthyExecutorError:
                    # Nobody was asked, and whoever connects next may be.
                    board.asked_at = float("-inf")
                    raise
                finally:
                    board.took_secs = self._clock.monotonic() - begun
        return self.last(application.id, policy)

    def last(self, application_id: str, policy: AutoscalingPolicy) -> Observation | None:
        """The newest answer about a policy's queue, however old; None when there is none."""
        board = self._boards.get(application_id)
        if board is None or board.observation is None or board.observation.policy.queue != policy.queue:
            return None
        # The rollout may have changed since, and asks nothing of the application.
        return msgspec.structs.replace(board.observation, policy=policy)

    def fresh(self, application_id: str) -> Observation | None:
        """The newest answer, unless a newer one should be there."""
        board = self._boards.get(application_id)
        found = board.observation if board is not None else None
        return found if found is not None and self.is_fresh(found) else None

    def is_fresh(self, observation: Observation) -> bool:
        """Whether an answer is as good as one of now."""
        return 0 <= (self._clock.now() - observation.at).total_seconds() < FRESH_SECS

    def retain(self, application_ids: Collection[str]) -> None:
        """Forget applications that are gone, or have no policy any more."""
        self._boards = {id_: board for id_, board in self._boards.items() if id_ in application_ids}

    def _board(self, application_id: str) -> _Board:
        return self._boards.setdefault(application_id, _Board())


def why_unfit(queue: QueueRecord | None) -> str | None:
    """Why an application cannot be scaled by a queue; None if it can."""
    if queue is None:
        return "it is not registered"
    if queue.partition_queue:
        return "it is partitioned"
    if not queue.worker_concurrency or queue.worker_concurrency < 1:
        return "it has no worker concurrency"
    return None


async def _observe(
    ask: Ask, application_name: str, policy: AutoscalingPolicy, now: Callable[[], datetime]
) -> Observation:
    registered = (await ask(ListApplicationVersions())).versions
    ordered = sorted(registered, key=lambda version: version.version_timestamp_epoch_ms or 0, reverse=True)
    versions = tuple(version.version_name for version in ordered)
    if not versions:
        raise NotFoundError(f"{application_name} has not registered any version yet.")
    queue = (await ask(GetQueue(name=policy.queue))).queue
    body = WorkflowAggregatesBody(
        group_by_application_version=True,
        select_count=True,
        status=[ENQUEUED, PENDING],
        queue_name=[policy.queue],
        application_name=[application_name],
    )
    depths: Counter[str] = Counter()
    for row in (await ask(GetWorkflowAggregates(body=body))).aggregates:
        # What nobody has taken up has no version yet, and the latest will take it up.
        depths[row.group.get("application_version") or versions[0]] += row.count or 0
    return Observation(policy=policy, at=now(), limits=_limits(queue), versions=versions, depths=depths)


def _limits(queue: QueueRecord | None) -> QueueLimits | None:
    if queue is None or not queue.worker_concurrency or why_unfit(queue) is not None:
        return None
    return QueueLimits(worker_concurrency=queue.worker_concurrency, concurrency=queue.concurrency)
