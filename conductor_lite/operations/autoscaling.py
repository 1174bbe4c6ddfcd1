"""Autoscaling: an application's policy, and how many executors it asks for now."""

from collections import Counter

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import FieldError, InvalidError, NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.operations.recommendation import (
    QueueLimits,
    Recommendation,
    recommend,
    recommend_all,
)
from conductor_lite.operations.versions import registered_versions
from conductor_lite.protocol import GetQueue, GetWorkflowAggregates, QueueRecord, WorkflowAggregatesBody
from conductor_lite.store.records import ApplicationRecord, AutoscalingPolicy, RolloutPolicy

__all__ = ["Autoscaling", "AutoscalingPolicy", "Recommendation", "Recommendations", "RolloutPolicy"]

#: Word that stands for whichever version is the latest.
LATEST = "latest"


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy asks for at one moment."""

    #: The policy's queue; None when it is no longer fit to scale by.
    queue_name: str | None
    #: When the backlog was counted, in milliseconds since 1970 UTC.
    observed_at_epoch_ms: int
    #: The latest version first, then old ones, the newest first.
    versions: tuple[Recommendation, ...]


class _Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor says that the recommendations are worked out from."""

    policy: AutoscalingPolicy
    limits: QueueLimits | None
    #: Registered versions, the latest first; not empty.
    versions: tuple[str, ...]
    depths: dict[str, int]
    observed_at_epoch_ms: int


class Autoscaling:
    """Operations on autoscaling policies and what follows from them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def get_policy(self, actor: Actor, application_name: str) -> AutoscalingPolicy:
        """Get an application's policy.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or it has no policy.
        """
        actor.require(APPLICATION_READ)
        return await self._policy(await self._context.application(actor, application_name))

    async def set_policy(
        self, actor: Actor, application_name: str, policy: AutoscalingPolicy
    ) -> AutoscalingPolicy:
        """Store an application's policy in place of an older one, after asking an executor about its queue.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
            InvalidError: the queue is not registered, is partitioned, or has no worker concurrency.
            UnsupportedMessageError: the application's SDK is too old to tell.
            DispatchError: no executor answered.
        """
        context = self._context
        operation = "autoscaling_policy.set"
        async with context.audited(actor, operation, "application", application_name) as details:
            details.update(application_name=application_name, policy=msgspec.to_builtins(policy))
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            _require_valid(policy)
            reply = await context.ask(application, GetQueue(name=policy.queue))
            unfit = _why_unfit(reply.queue)
            if unfit is not None:
                raise InvalidError(
                    f"{application_name} cannot be scaled by the queue {policy.queue!r}: {unfit}.",
                    (FieldError(location="body.queue", message=unfit, value=policy.queue),),
                )
            await context.autoscaling_policies.set(application.id, policy, now=context.now())
        return policy

    async def delete_policy(self, actor: Actor, application_name: str) -> None:
        """Forget an application's policy; one that has none is left as it is.

        Raises:
            ForbiddenError: application.write is missing.
            NotFoundError: no such application within reach.
        """
        context = self._context
        operation = "autoscaling_policy.delete"
        async with context.audited(actor, operation, "application", application_name) as details:
            details["application_name"] = application_name
            actor.require(APPLICATION_WRITE)
            application = await context.application(actor, application_name)
            details["existed"] = await context.autoscaling_policies.delete(application.id)

    async def recommendations(self, actor: Actor, application_name: str) -> Recommendations:
        """Work out how many executors each version that should be running needs now.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, or it has no policy.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered.
        """
        backlog = await self._backlog(actor, application_name)
        rollout = backlog.policy.rollout or RolloutPolicy()
        found = recommend_all(backlog.versions, backlog.depths, backlog.limits, rollout)
        return _described(backlog, found)

    async def recommendation(self, actor: Actor, application_name: str, version: str) -> Recommendations:
        """Work out how many executors one registered version needs now; ``latest`` stands for the latest.

        Raises as ``recommendations`` does, and NotFoundError when the version was never registered.
        """
        backlog = await self._backlog(actor, application_name)
        latest = backlog.versions[0]
        name = latest if version == LATEST else version
        if name not in backlog.versions:
            raise NotFoundError(f"{application_name} has never registered the version {version!r}.")
        found = recommend(
            name,
            latest=latest,
            depth=backlog.depths.get(name, 0),
            limits=backlog.limits,
            rollout=backlog.policy.rollout or RolloutPolicy(),
        )
        return _described(backlog, [found])

    async def _policy(self, application: ApplicationRecord) -> AutoscalingPolicy:
        policy = await self._context.autoscaling_policies.get(application.id)
        if policy is None:
            raise NotFoundError(f"{application.name} has no autoscaling policy.")
        return policy

    async def _backlog(self, actor: Actor, application_name: str) -> _Backlog:
        context = self._context
        actor.require(APPLICATION_READ)
        application = await context.application(actor, application_name)
        policy = await self._policy(application)
        versions = tuple(version.version_name for version in await registered_versions(context, application))
        if not versions:
            raise NotFoundError(f"{application_name} has not registered any version yet.")
        queue = (await context.ask(application, GetQueue(name=policy.queue))).queue
        body = WorkflowAggregatesBody(
            group_by_application_version=True,
            select_count=True,
            status=["ENQUEUED", "PENDING"],
            queue_name=[policy.queue],
        )
        groups = (await context.ask(application, GetWorkflowAggregates(body=body))).aggregates
        depths: Counter[str] = Counter()
        for group in groups:
            # What nobody has taken up has no version yet, and the latest will take it up.
            depths[group.group.get("application_version") or versions[0]] += group.count or 0
        return _Backlog(
            policy=policy,
            limits=_limits(queue),
            versions=versions,
            depths=depths,
            observed_at_epoch_ms=int(context.now().timestamp() * 1_000),
        )


def _require_valid(policy: AutoscalingPolicy) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(policy), AutoscalingPolicy)
    except msgspec.ValidationError as error:
        message = "expected whole numbers from 0"
        fault = FieldError(location="body.rollout", message=message)
        raise InvalidError("The autoscaling policy cannot be like this.", (fault,)) from error


def _why_unfit(queue: QueueRecord | None) -> str | None:
    if queue is None:
        return "it is not registered"
    if queue.partition_queue:
        return "it is partitioned"
    if not queue.worker_concurrency or queue.worker_concurrency < 1:
        return "it has no worker concurrency"
    return None


def _limits(queue: QueueRecord | None) -> QueueLimits | None:
    if queue is None or not queue.worker_concurrency or _why_unfit(queue) is not None:
        return None
    return QueueLimits(worker_concurrency=queue.worker_concurrency, concurrency=queue.concurrency)


def _described(backlog: _Backlog, versions: list[Recommendation]) -> Recommendations:
    return Recommendations(
        queue_name=None if backlog.limits is None else backlog.policy.queue,
        observed_at_epoch_ms=backlog.observed_at_epoch_ms,
        versions=tuple(versions),
    )
