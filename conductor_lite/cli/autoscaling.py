"""``conductor-lite autoscaling``: an application's policy, what it calls for now, and what it called for."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import typer

from conductor_lite.api.fields import timestamp
from conductor_lite.api.schemas.autoscaling import (
    AutoscaleHistory,
    AutoscalePolicy,
    QueueAutoscale,
    RolloutPolicy,
)
from conductor_lite.api.schemas.metrics import ChartQuery
from conductor_lite.cli.bulk import confirm
from conductor_lite.cli.commands import command
from conductor_lite.cli.fields import Given
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, show, show_one, to_json
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls

app = command_group("How many executors an application needs.")


class _Moment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One version in one step of the history."""

    time: str
    application_version: str
    queue_name: str | None
    desired_executors: float | None = None
    healthy_executors: float | None = None
    queue_depth: float | None = None


_RECOMMENDATIONS: Table[QueueAutoscale] = Table(
    lambda version: version.application_version,
    (
        ("VERSION", lambda version: version.application_version),
        ("LATEST", lambda version: version.is_latest),
        ("EXECUTORS", lambda version: version.desired_executors),
        ("DEPTH", lambda version: version.queue_depth),
        ("QUEUE", lambda version: None if version.queue_name is msgspec.UNSET else version.queue_name),
    ),
    "No executors are recommended.",
)
_MOMENTS: Table[_Moment] = Table(
    lambda moment: moment.application_version,
    (
        ("TIME", lambda moment: moment.time),
        ("VERSION", lambda moment: moment.application_version),
        ("WANTED", lambda moment: _number(moment.desired_executors)),
        ("HEALTHY", lambda moment: _number(moment.healthy_executors)),
        ("DEPTH", lambda moment: _number(moment.queue_depth)),
        ("QUEUE", lambda moment: moment.queue_name),
    ),
    "Nothing was recommended in that time.",
)


@command(app, "get")
def get_policy(session: AppSession, output: OutputOption = Output.TABLE) -> None:
    """Show the policy."""
    policy = session.call(calls.get_autoscaling_policy).policy
    show_one(policy, policy.queue, output)


@command(app, "set")
def set_policy(
    session: AppSession,
    queue: Annotated[str, typer.Argument(help="Name of the queue whose backlog counts.")],
    rollout: RolloutPolicy,
) -> None:
    """Scale the application by a queue; this takes the place of an older policy."""
    given = msgspec.UNSET if rollout == RolloutPolicy() else rollout
    policy = AutoscalePolicy(queue=queue, rollout=given)
    session.call(lambda application: calls.set_autoscaling_policy(application, policy))
    emit(f"Executors are recommended by the queue {queue}.")


@command(app, "delete")
def delete_policy(session: AppSession, yes: YesOption = False) -> None:
    """Delete the policy; its history stays. Scalers that ask get an error from then on."""
    confirm("Delete the autoscaling policy?", yes=yes)
    session.call(calls.delete_autoscaling_policy)
    emit("The application has no autoscaling policy.")


@command(app, "recommend")
def recommend(
    session: AppSession,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="Only this application version, or latest.  [default: all that should run]",
            metavar="TEXT",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how many executors each version needs now, after asking an executor."""
    if version is None:
        found = session.call(calls.get_autoscale)
    else:
        found = [session.call(lambda application: calls.get_autoscale_version(application, version))]
    show(found, _RECOMMENDATIONS, output)


@command(app, "desired")
def desired(
    session: AppSession,
    version: Annotated[str, typer.Argument(help="Application version.")] = "latest",
    output: OutputOption = Output.TABLE,
) -> None:
    """Print how many executors of a version a scaler is to run; known even while none answers."""
    found = session.call(lambda application: calls.get_desired_executors(application, version))
    emit(to_json(found) if output is Output.JSON else str(found.desired_executors))


@command(app, "history")
def history(
    session: AppSession,
    period: Annotated[ChartQuery, Given(defaults={"start_time": "1h", "end_time": "now"})],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what was recommended and how many executors there were, by default in the last hour."""
    found = session.call(lambda application: calls.get_autoscale_history(application, period))
    show(_moments(found), _MOMENTS, output)


def _moments(found: AutoscaleHistory) -> list[_Moment]:
    """A line for each step and version in which there was anything."""
    begin = datetime.fromisoformat(found.start)
    healthy: dict[str, list[float | None]] = {}
    wanted: dict[tuple[str, str | None], dict[str, list[float | None]]] = {}
    for series in found.series:
        version = series.labels["application_version"]
        if series.family == "healthy_executors":
            healthy[version] = series.values
        else:
            wanted.setdefault((version, series.labels["queue_name"]), {})[series.family] = series.values
    for version in healthy.keys() - {version for version, _ in wanted}:
        wanted[version, None] = {}
    lines = sorted(wanted.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    moments: list[_Moment] = []
    for step in range(found.steps):
        time = timestamp(begin + timedelta(seconds=step * found.step_secs))
        for (version, queue), values in lines:
            moment = _Moment(
                time=time,
                application_version=version,
                queue_name=queue,
                desired_executors=_at(values.get("desired_executors"), step),
                healthy_executors=_at(healthy.get(version), step),
                queue_depth=_at(values.get("queue_depth"), step),
            )
            if moment.desired_executors or moment.healthy_executors or moment.queue_depth:
                moments.append(moment)
    return moments


def _at(values: list[float | None] | None, step: int) -> float | None:
    return None if values is None else values[step]


def _number(value: float | None) -> str | None:
    """Executors are means over a step: whole ones without decimals."""
    return None if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
