"""Autoscaling: an application's policy, and how many executors it asks for, now and in the past."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, TypeVar

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.errors import (
    DispatchError,
    ExecutorReportedError,
    FieldError,
    InvalidError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
)
from conductor_lite.fleet.measuring import Ask
from conductor_lite.fleet.metric_labels import OTHER
from conductor_lite.fleet.recommendation import Observation, Recommendation
from conductor_lite.fleet.recommender import why_unfit
from conductor_lite.fleet.views import HEALTHY
from conductor_lite.operations.context import Context
from conductor_lite.operations.metrics import Chart, Series, read_chart, require_sane_range
from conductor_lite.protocol import GetQueue, Reply, Request
from conductor_lite.store.metric_families import KEPT_SECS, MINUTE, Group
from conductor_lite.store.records import ApplicationRecord, AutoscalingPolicy, RolloutPolicy

__all__ = [
    "Autoscaling",
    "AutoscalingPolicy",
    "DesiredExecutors",
    "Recommendation",
    "Recommendations",
    "RolloutPolicy",
    "why_unfit",
]

R = TypeVar("R", bound=Reply)

#: Word that stands for whichever version is the latest.
LATEST = "latest"
#: Seconds that a scaler is let wait for an executor; KEDA itself gives up after three by default.
PATIENCE_SECS = 2.0
#: Seconds for which an answer serves other scalers as well.
SHARED_SECS = 10.0

Basis: TypeAlias = Literal["observed", "remembered", "minimum"]
OBSERVED: Basis = "observed"
REMEMBERED: Basis = "remembered"
MINIMUM: Basis = "minimum"

#: How long the last answer holds while nobody answers: as long as minutes are on record.
_REMEMBERED_FOR = timedelta(seconds=KEPT_SECS[MINUTE])
#: Families that tell how it went.
_CHARTED = ("desired_executors", "queue_depth", "executors")


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy asks for at one moment."""

    #: The policy's queue; None when it is no longer fit to scale by.
    queue_name: str | None
    #: When the backlog was counted, in milliseconds since 1970 UTC.
    observed_at_epoch_ms: int
    #: The latest version first, then old ones, the newest first.
    versions: tuple[Recommendation, ...]


class DesiredExecutors(msgspec.Struct, frozen=True, kw_only=True):
    """How many executors of one version a scaler is to run."""

    executors: int
    #: Which version that is; None when ``latest`` was asked for and nothing is known of it.
    application_version: str | None = None
    #: When the backlog was counted, in milliseconds since 1970 UTC; None when nothing is known of it.
    observed_at_epoch_ms: int | None = None
    #: ``observed``: an executor said it just now. ``remembered``: none answers, and this was known last.
    #: ``minimum``: nothing is known, and one is to start.
    basis: Basis


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

    async def is_declared(self, actor: Actor, application_name: str) -> bool:
        """Whether an application has a policy that is declared in a file.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._context.autoscaling_policies.is_declared(application.id)

    async def set_policy(
        self,
        actor: Actor,
        application_name: str,
        policy: AutoscalingPolicy,
        *,
        even_unchecked: bool = False,
    ) -> AutoscalingPolicy:
        """Store an application's policy in place of an older one, after asking an executor about its queue.

        Args:
            actor: who asks.
            application_name: the application to scale.
            policy: what to go by.
            even_unchecked: also where no executor is connected that could be asked.

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
            faults = faults_of_rollout(policy)
            if faults:
                raise InvalidError("The autoscaling policy cannot be like this.", faults)
            try:
                unfit = await self.fault_of_queue(application, policy)
            except NoHealthyExecutorError:
                if not even_unchecked:
                    raise
                unfit = None
            if unfit is not None:
                raise InvalidError(
                    f"{application_name} cannot be scaled by the queue {policy.queue!r}: {unfit}.",
                    (FieldError(location="body.queue", message=unfit, value=policy.queue),),
                )
            await context.autoscaling_policies.set(application.id, policy, now=context.now())
        return policy

    async def fault_of_queue(self, application: ApplicationRecord, policy: AutoscalingPolicy) -> str | None:
        """Ask an executor why the policy's queue is not one to scale by; None when it is.

        Raises:
            UnsupportedMessageError: the application's SDK is too old to tell.
            DispatchError: no executor answered.
        """
        return why_unfit((await self._context.ask(application, GetQueue(name=policy.queue))).queue)

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
        observation = await self._observation(actor, application_name)
        return _described(observation, observation.recommendations())

    async def recommendation(self, actor: Actor, application_name: str, version: str) -> Recommendations:
        """Work out how many executors one registered version needs now; ``latest`` stands for the latest.

        Raises as ``recommendations`` does, and NotFoundError when the version was never registered.
        """
        observation = await self._observation(actor, application_name)
        name = _registered(observation, application_name, version)
        return _described(observation, [observation.recommendation(name)])

    async def desired_executors(self, actor: Actor, application_name: str, version: str) -> DesiredExecutors:
        """Tell a scaler how many executors of a version to run; ``latest`` stands for the latest.

        Asks little and answers within seconds. While no executor answers, what was known last holds, for then
        nobody does the work either; and of the latest version one is always wanted, or none would ever start.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach, it has no policy, or the version was never
                registered.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered, and nothing is known of the version.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        policy = await self._policy(application)
        failure = await self._refresh(application, policy)
        found = self._of_memory(application, policy, version)
        if found is None:
            found = await self._of_record(application, policy, version)
        if found is not None:
            return found
        if version == LATEST:
            return DesiredExecutors(executors=1, basis=MINIMUM)
        raise failure or NoExecutorAnsweredError(f"No executor of {application_name} has answered lately.")

    async def history(
        self,
        actor: Actor,
        application_name: str,
        *,
        start: datetime,
        end: datetime,
        resolution_secs: int | None = None,
    ) -> Chart:
        """Read what was recommended, for a chart; see ``Metrics.series`` for the range and its steps.

        The series are of the families ``desired_executors`` and ``queue_depth``, by version and queue, and
        ``healthy_executors``, by version. They outlast the policy.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            InvalidError: the range cannot be.
        """
        actor.require(APPLICATION_READ)
        require_sane_range(start, end)
        application = await self._context.application(actor, application_name)
        chart = await read_chart(
            self._context, application, _CHARTED, start=start, end=end, resolution_secs=resolution_secs
        )
        return msgspec.structs.replace(chart, series=tuple(_charted(chart.series)))

    async def _policy(self, application: ApplicationRecord) -> AutoscalingPolicy:
        policy = await self._context.autoscaling_policies.get(application.id)
        if policy is None:
            raise NotFoundError(f"{application.name} has no autoscaling policy.")
        return policy

    async def _observation(self, actor: Actor, application_name: str) -> Observation:
        context = self._context
        actor.require(APPLICATION_READ)
        application = await context.application(actor, application_name)
        policy = await self._policy(application)
        return await context.recommender.observe(application, policy, self._asking(application))

    def _asking(self, application: ApplicationRecord) -> Ask:
        context = self._context

        class _Asking:
            async def __call__(self, request: Request[R]) -> R:
                return await context.ask(application, request)

        return _Asking()

    async def _refresh(
        self, application: ApplicationRecord, policy: AutoscalingPolicy
    ) -> DispatchError | None:
        """Ask for a new answer where there is none of just now; why that failed, if it did."""
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                await self._context.recommender.shared(
                    application, policy, self._asking(application), max_age_secs=SHARED_SECS
                )
        except TimeoutError:
            return NoExecutorAnsweredError(f"No executor of {application.name} answered in time.")
        except ExecutorReportedError:
            raise
        except DispatchError as error:
            return error
        return None

    def _of_memory(
        self, application: ApplicationRecord, policy: AutoscalingPolicy, version: str
    ) -> DesiredExecutors | None:
        """By the newest answer of an executor."""
        recommender = self._context.recommender
        observation = recommender.last(application.id, policy)
        if observation is None or self._context.now() - observation.at > _REMEMBERED_FOR:
            return None
        is_fresh = recommender.is_fresh(observation)
        if version not in (LATEST, *observation.versions) and not is_fresh:
            # It may have been registered since.
            return None
        name = _registered(observation, application.name, version)
        return DesiredExecutors(
            executors=observation.recommendation(name).desired_executors,
            application_version=name,
            observed_at_epoch_ms=_epoch_ms(observation),
            basis=OBSERVED if is_fresh else REMEMBERED,
        )

    async def _of_record(
        self, application: ApplicationRecord, policy: AutoscalingPolicy, version: str
    ) -> DesiredExecutors | None:
        """By the last minute on record: a conductor that was just started remembers nothing else."""
        reading = self._context.metric_reading
        source = await reading.source(application.id)
        if source is None:
            return None
        since = self._context.now() - _REMEMBERED_FOR
        newest = await reading.newest(source, Group.AUTOSCALING, since=int(since.timestamp()))
        if newest is None:
            return None
        at, points = newest
        by_version = {
            (label.family, label.first): value
            for label, value in points.items()
            # Of those that there is no room for, none is told from another.
            if label.second == policy.queue and label.first != OTHER
        }
        latest = next((name for family, name in by_version if family == "latest_version"), None)
        name = latest if version == LATEST else version
        if name is None or ("desired_executors", name) not in by_version:
            return None
        return DesiredExecutors(
            executors=round(by_version["desired_executors", name]),
            application_version=name,
            observed_at_epoch_ms=at * 1_000,
            basis=REMEMBERED,
        )


def faults_of_rollout(policy: AutoscalingPolicy) -> tuple[FieldError, ...]:
    """What is wrong with a policy's numbers."""
    try:
        msgspec.convert(msgspec.to_builtins(policy), AutoscalingPolicy)
    except msgspec.ValidationError:
        return (FieldError(location="body.rollout", message="expected whole numbers from 0"),)
    return ()


def _registered(observation: Observation, application_name: str, version: str) -> str:
    name = observation.latest if version == LATEST else version
    if name not in observation.versions:
        raise NotFoundError(f"{application_name} has never registered the version {version!r}.")
    return name


def _epoch_ms(observation: Observation) -> int:
    return int(observation.at.timestamp() * 1_000)


def _charted(series: Iterable[Series]) -> Iterator[Series]:
    """Executors that are there beside those that were wanted, and only the healthy ones."""
    for one in series:
        if one.family != "executors":
            yield one
        elif one.labels["status"] == HEALTHY:
            labels = {"application_version": one.labels["application_version"]}
            yield Series(family="healthy_executors", labels=labels, values=one.values)


def _described(observation: Observation, versions: list[Recommendation]) -> Recommendations:
    return Recommendations(
        queue_name=None if observation.limits is None else observation.policy.queue,
        observed_at_epoch_ms=_epoch_ms(observation),
        versions=tuple(versions),
    )
