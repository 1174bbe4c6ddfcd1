"""``conductor-lite schedule``: the schedules of an application."""

from typing import Annotated

import typer

from conductor_lite.api.schemas.definitions import BackfillInputBody, Schedule, ScheduleListQuery
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.output import Output, OutputOption, Table, emit, show, show_one, to_json
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls

app = command_group("Schedules.")

NameArgument = Annotated[str, typer.Argument(help="Name of the schedule.")]

_SCHEDULES: Table[Schedule] = Table(
    lambda schedule: schedule.schedule_name,
    (
        ("NAME", lambda schedule: schedule.schedule_name),
        ("WORKFLOW", lambda schedule: schedule.workflow_name),
        ("CRON", lambda schedule: schedule.cron_expression),
        ("TIME ZONE", lambda schedule: schedule.cron_timezone),
        ("STATUS", lambda schedule: schedule.status),
        ("LAST FIRED", lambda schedule: schedule.last_fired_at),
    ),
    "There are no such schedules.",
)


@command(app, "list")
def list_schedules(
    session: AppSession, query: ScheduleListQuery, output: OutputOption = Output.TABLE
) -> None:
    """List schedules."""
    show(session.call(lambda name: calls.list_schedules(name, query)), _SCHEDULES, output)


@command(app, "get")
def get_schedule(session: AppSession, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show one schedule."""
    schedule = session.call(lambda application: calls.get_schedule(application, name))
    show_one(schedule, schedule.schedule_name, output)


@command(app, "pause")
def pause(session: AppSession, name: NameArgument) -> None:
    """Pause a schedule: it starts no workflows until it is resumed."""
    session.call(lambda application: calls.pause_schedule(application, name))
    emit(f"The schedule {name} is paused.")


@command(app, "resume")
def resume(session: AppSession, name: NameArgument) -> None:
    """Resume a paused schedule."""
    session.call(lambda application: calls.resume_schedule(application, name))
    emit(f"The schedule {name} is resumed.")


@command(app, "trigger")
def trigger(session: AppSession, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Start a schedule's workflow now, and print its id."""
    started = session.call(lambda application: calls.trigger_schedule(application, name))
    emit(to_json(started) if output is Output.JSON else started.workflow_id)


@command(app, "backfill")
def backfill(
    session: AppSession, name: NameArgument, period: BackfillInputBody, output: OutputOption = Output.TABLE
) -> None:
    """Start the workflows that a schedule missed in a period, and print their ids."""
    started = session.call(lambda application: calls.backfill_schedule(application, name, period))
    if output is Output.JSON:
        emit(to_json(started))
    elif started.workflow_ids:
        emit("\n".join(started.workflow_ids))
    elif output is Output.TABLE:
        emit("The schedule missed nothing in that period.")
