"""The page of autoscaling: executors wanted now and lately, the policy, and how scalers ask for it."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from conductor_lite.auth.actor import Actor
from conductor_lite.console.charts import Drawn, Plot, plot, plot_by_label, resolution_secs
from conductor_lite.console.forms import Flash, Form
from conductor_lite.console.frame import frame
from conductor_lite.console.preferences import TimeRange, time_range
from conductor_lite.console.rendering import Page
from conductor_lite.console.scaler_snippets import scaler_snippets
from conductor_lite.console.site import Site
from conductor_lite.console.urls import app_url
from conductor_lite.errors import DispatchError, FieldError, InvalidError, NotFoundError
from conductor_lite.operations.applications import Application
from conductor_lite.operations.autoscaling import (
    AutoscalingPolicy,
    DesiredExecutors,
    Recommendations,
    RolloutPolicy,
    why_unfit,
)
from conductor_lite.operations.deadline import deadline
from conductor_lite.operations.topics import application_topic

#: Seconds between two looks: three questions to an executor each time, however many readers there are.
_POLL_SECS = 10.0
#: Seconds that an executor may take.
_PATIENCE_SECS = 4.0
_QUEUE, _OLD, _MOST = "queue", "max_old_application_versions", "max_executors_for_old_application_versions"
_NO_NUMBER = "a whole number from 0 is needed, or nothing"


class QueueChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A registered queue."""

    name: str
    #: Workflows that one executor takes at a time, and all together; None is no limit.
    worker_concurrency: int | None
    concurrency: int | None
    #: Why it is none to scale by; None when it is one.
    unfit: str | None


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One application version, now."""

    application_version: str
    is_latest: bool
    #: Executors that are wanted; None where nothing is recommended for the version.
    desired_executors: int | None
    queue_depth: int | None
    #: Executors that are connected and answer.
    healthy: int


class AutoscalingView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page shows."""

    policy: AutoscalingPolicy | None
    declared: bool
    #: Those that are recommended, the latest first, then others that run.
    versions: tuple[VersionRow, ...]
    #: Why nothing can be recommended now; empty when it can, or there is no policy.
    problem: str
    #: Why the policy's queue is not one to scale by any more; None when it is, or that is not known.
    unfit: str | None
    #: What scalers are told of the latest version while nobody can say; None otherwise.
    told: DesiredExecutors | None
    queues: tuple[QueueChoice, ...]
    #: Why the queues cannot be told; empty when they can.
    queues_problem: str
    plots: tuple[Plot, ...]


class AutoscalingPage:
    """Shows autoscaling; sets and deletes the policy."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """Its routes."""
        shows, does, path = self._site.shows, self._site.does, "/apps/{name}/autoscaling"
        return [
            Route(path, shows(self.show), methods=["GET"]),
            Route(path, does(self.save), methods=["POST"]),
            Route(f"{path}/delete", shows(self.ask_delete), methods=["GET"]),
            Route(f"{path}/delete", does(self.delete), methods=["POST"]),
        ]

    async def show(self, request: Request, actor: Actor) -> Page:
        """The page; its charts are of the reader's time range."""
        return await self._page(request, actor)

    async def save(self, request: Request, actor: Actor, form: Form) -> Response:
        """Set the policy, and come back."""
        name = request.path_params["name"]
        given = {field: form.text(field) for field in (_QUEUE, _OLD, _MOST)}
        try:
            await self._site.operations.autoscaling.set_policy(actor, name, _read(given))
        except (InvalidError, DispatchError) as error:
            page = await self._page(request, actor, given, error)
            return await self._site.respond(request, msgspec.structs.replace(page, status=422), actor)
        flash = Flash(text=f"Saved. {name} is scaled by the backlog of {given[_QUEUE]} from now on.")
        return self._site.redirect(request, app_url(name, "autoscaling"), flash)

    async def ask_delete(self, request: Request, actor: Actor) -> Page:
        """Ask before deleting."""
        application = await self._site.operations.applications.get(actor, request.path_params["name"])
        policy = await self._site.operations.autoscaling.get_policy(actor, application.record.name)
        return Page(
            template="autoscaling_delete.html",
            title="Delete the autoscaling policy?",
            section="home",
            data=policy,
            extras={
                "frame": frame(application, actor, "autoscaling"),
                "declared": await self._site.operations.autoscaling.is_declared(
                    actor, application.record.name
                ),
            },
        )

    async def delete(self, request: Request, actor: Actor, form: Form) -> Response:
        """Delete the policy, and come back."""
        name = request.path_params["name"]
        await self._site.operations.autoscaling.delete_policy(actor, name)
        flash = Flash(text=f"Deleted. {name} has no autoscaling policy any more; its history stays.")
        return self._site.redirect(request, app_url(name, "autoscaling"), flash)

    async def _page(
        self,
        request: Request,
        actor: Actor,
        given: dict[str, str] | None = None,
        error: InvalidError | DispatchError | None = None,
    ) -> Page:
        operations = self._site.operations
        application = await operations.applications.get(actor, request.path_params["name"])
        name, span = application.record.name, time_range(request, self._site.now())
        policy = await self._policy(actor, name)
        with deadline(_PATIENCE_SECS):
            now, queues, plots = await asyncio.gather(
                self._now(actor, application, policy),
                self._queues(actor, name),
                self._plots(actor, name, span),
            )
        by_name = {queue.name: queue for queue in queues[0]}
        unfit = None
        if policy is not None and not queues[1]:
            unfit = by_name[policy.queue].unfit if policy.queue in by_name else why_unfit(None)
        return Page(
            template="autoscaling.html",
            title=f"Autoscaling of {name}",
            section="home",
            path=app_url(name, "autoscaling"),
            topics=(application_topic(application.record.id),),
            poll_secs=_POLL_SECS,
            styles=("uplot.css", "charts.css", "autoscaling.css"),
            scripts=("uplot.min.js", "charts.js"),
            data=AutoscalingView(
                policy=policy,
                declared=policy is not None and await operations.autoscaling.is_declared(actor, name),
                versions=_rows(application, now.recommendations),
                problem=now.problem,
                unfit=unfit,
                told=now.told,
                queues=queues[0],
                queues_problem=queues[1],
                plots=plots,
            ),
            extras={
                "frame": frame(application, actor, "autoscaling"),
                "form": given or _filled(policy),
                "form_problem": str(error) if error else "",
                "faults": _faults(error),
                "range_name": span.name,
                "scaler": scaler_snippets(request, actor.organization_id, name),
            },
        )

    async def _policy(self, actor: Actor, name: str) -> AutoscalingPolicy | None:
        try:
            return await self._site.operations.autoscaling.get_policy(actor, name)
        except NotFoundError:
            return None

    async def _now(self, actor: Actor, application: Application, policy: AutoscalingPolicy | None) -> "_Now":
        operations, name = self._site.operations.autoscaling, application.record.name
        if policy is None:
            return _Now()
        try:
            return _Now(recommendations=await operations.recommendations(actor, name))
        except (DispatchError, NotFoundError) as error:
            problem = str(error)
        try:
            told = await operations.desired_executors(actor, name, "latest")
        except (DispatchError, NotFoundError):
            return _Now(problem=problem)
        return _Now(problem=problem, told=told)

    async def _queues(self, actor: Actor, name: str) -> tuple[tuple[QueueChoice, ...], str]:
        try:
            queues = await self._site.operations.queues.list(actor, name)
        except DispatchError as error:
            return (), str(error)
        return tuple(
            QueueChoice(
                name=queue.name,
                worker_concurrency=queue.worker_concurrency,
                concurrency=queue.concurrency,
                unfit=why_unfit(queue),
            )
            for queue in queues
        ), ""

    async def _plots(self, actor: Actor, name: str, span: TimeRange) -> tuple[Plot, ...]:
        chart = await self._site.operations.autoscaling.history(
            actor,
            name,
            start=span.start,
            end=span.end,
            resolution_secs=resolution_secs(span.start, span.end),
        )
        if not any(series.family == "desired_executors" for series in chart.series):
            return ()
        there = Drawn("There", "good", ("healthy_executors",))
        wanted = Drawn("Wanted", "busy", ("desired_executors",))
        return (
            plot(chart, "executors", "Executors", (wanted, there), end=span.end, kind="mean"),
            plot_by_label(
                chart,
                "depth",
                "Waiting or running, by version",
                "queue_depth",
                "application_version",
                end=span.end,
                kind="level",
            ),
        )


class _Now(msgspec.Struct, frozen=True, kw_only=True):
    """What is recommended at this moment, or why nothing is."""

    recommendations: Recommendations | None = None
    problem: str = ""
    told: DesiredExecutors | None = None


def _rows(application: Application, recommendations: Recommendations | None) -> tuple[VersionRow, ...]:
    healthy = {
        version.application_version: version.healthy - version.unresponsive
        for version in application.versions
    }
    if recommendations is None:
        return ()
    wanted = [
        VersionRow(
            application_version=recommendation.application_version,
            is_latest=recommendation.is_latest,
            desired_executors=recommendation.desired_executors,
            queue_depth=recommendation.queue_depth,
            healthy=healthy.pop(recommendation.application_version, 0),
        )
        for recommendation in recommendations.versions
    ]
    others = [
        VersionRow(
            application_version=version,
            is_latest=False,
            desired_executors=None,
            queue_depth=None,
            healthy=count,
        )
        for version, count in healthy.items()
        if count
    ]
    return (*wanted, *others)


def _read(given: dict[str, str]) -> AutoscalingPolicy:
    errors: list[FieldError] = []
    numbers: dict[str, int | None] = {}
    for field in (_OLD, _MOST):
        text = given[field]
        if text and not (text.isascii() and text.isdigit() and len(text) <= 9):
            errors.append(FieldError(location=f"body.{field}", message=_NO_NUMBER))
        else:
            numbers[field] = int(text) if text else None
    if not given[_QUEUE]:
        errors.append(FieldError(location=f"body.{_QUEUE}", message="a queue is needed"))
    if errors:
        raise InvalidError("The policy cannot be like this.", tuple(errors))
    rollout = RolloutPolicy(
        max_old_application_versions=numbers[_OLD],
        max_executors_for_old_application_versions=numbers[_MOST],
    )
    return AutoscalingPolicy(queue=given[_QUEUE], rollout=None if rollout == RolloutPolicy() else rollout)


def _filled(policy: AutoscalingPolicy | None) -> dict[str, str]:
    rollout = (policy.rollout if policy else None) or RolloutPolicy()
    numbers = (
        rollout.max_old_application_versions,
        rollout.max_executors_for_old_application_versions,
    )
    old, most = ("" if number is None else str(number) for number in numbers)
    return {_QUEUE: policy.queue if policy else "", _OLD: old, _MOST: most}


def _faults(error: InvalidError | DispatchError | None) -> dict[str, str]:
    if not isinstance(error, InvalidError):
        return {}
    return {fault.location.removeprefix("body."): fault.message for fault in error.errors}
