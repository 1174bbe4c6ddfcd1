"""How many executors a backlog needs: arithmetic on plain values, without actors, executors or a database."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from conductor_lite.store.records import AutoscalingPolicy, RolloutPolicy


class QueueLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue allows to run at a time."""

    #: Workflows on one executor; at least 1.
    worker_concurrency: int
    #: Workflows on all executors together; None is no limit.
    concurrency: int | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """How many executors of one application version are wanted."""

    application_version: str
    #: Whether it is the latest registered version.
    is_latest: bool
    #: Executors wanted.
    desired_executors: int
    #: Workflows of that version waiting or running on the policy's queue.
    queue_depth: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor said at one moment, and all that is recommended follows from."""

    #: What the application is scaled by.
    policy: AutoscalingPolicy
    #: When the backlog was counted.
    at: datetime
    #: What the policy's queue allows; None when it is no longer fit to scale by.
    limits: QueueLimits | None
    #: Registered versions, the latest first; not empty.
    versions: tuple[str, ...]
    #: Workflows waiting or running on the policy's queue, by version.
    depths: Mapping[str, int]

    @property
    def latest(self) -> str:
        """The latest registered version."""
        return self.versions[0]

    def recommendations(self) -> list[Recommendation]:
        """What each version that should be running needs; see `recommend_all`."""
        return recommend_all(self.versions, self.depths, self.limits, self._rollout)

    def recommendation(self, version: str) -> Recommendation:
        """What one version needs; see `recommend`."""
        depth = self.depths.get(version, 0)
        return recommend(version, latest=self.latest, depth=depth, limits=self.limits, rollout=self._rollout)

    @property
    def _rollout(self) -> RolloutPolicy:
        return self.policy.rollout or RolloutPolicy()


def desired_executors(depth: int, limits: QueueLimits | None) -> int:
    """The executors that a backlog keeps busy.

    Args:
        depth: workflows waiting or running.
        limits: of the queue; None when it can no longer be told how many fit on an executor. One executor is
            then wanted as long as there is work: too few drain slowly, none strand it.
    """
    if limits is None:
        return min(depth, 1)
    wanted = _divided_up(depth, limits.worker_concurrency)
    if limits.concurrency is None:
        return wanted
    return min(wanted, _divided_up(limits.concurrency, limits.worker_concurrency))


def recommend(
    version: str, *, latest: str, depth: int, limits: QueueLimits | None, rollout: RolloutPolicy
) -> Recommendation:
    """What one version needs: the latest at least one executor, an old one none once its work is done.

    Args:
        version: the application version.
        latest: the latest registered version.
        depth: workflows of that version waiting or running on the policy's queue.
        limits: of the queue; see `desired_executors`.
        rollout: bounds what old versions get.
    """
    desired = desired_executors(depth, limits)
    if version == latest:
        desired = max(desired, 1)
    elif rollout.max_executors_for_old_application_versions is not None:
        desired = min(desired, rollout.max_executors_for_old_application_versions)
    return Recommendation(
        application_version=version,
        is_latest=version == latest,
        desired_executors=desired,
        queue_depth=depth,
    )


def recommend_all(
    versions: Sequence[str], depths: Mapping[str, int], limits: QueueLimits | None, rollout: RolloutPolicy
) -> list[Recommendation]:
    """What each version that should be running needs: the latest, then old ones that still have work.

    Args:
        versions: registered versions, the latest first; not empty.
        depths: backlog by version. Versions that nobody registered come last.
        limits: of the queue; see `desired_executors`.
        rollout: bounds how many old versions there are, and what they get.
    """
    latest = versions[0]
    unregistered = sorted(depths.keys() - set(versions))
    old = [version for version in (*versions[1:], *unregistered) if depths.get(version, 0) > 0]
    running = [latest, *old[: rollout.max_old_application_versions or 0]]
    return [
        recommend(version, latest=latest, depth=depths.get(version, 0), limits=limits, rollout=rollout)
        for version in running
    ]


def _divided_up(amount: int, by: int) -> int:
    return -(-amount // by)
