"""``conductor-lite workflow``: reading workflows, and carrying them from one application to another."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.api.schemas.workflows import (
    Event,
    ExportQuery,
    ImportWorkflowInputBody,
    Step,
    StepPageQuery,
    Workflow,
)
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.output import Output, OutputOption, Table, emit, note, show, show_one, to_json
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls
from conductor_lite.errors import ConductorError

app = command_group("Workflows.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the workflow.")]

WORKFLOWS: Table[Workflow] = Table(
    lambda workflow: workflow.workflow_id,
    (
        ("ID", lambda workflow: workflow.workflow_id),
        ("STATUS", lambda workflow: workflow.status),
        ("NAME", lambda workflow: workflow.workflow_name),
        ("QUEUE", lambda workflow: workflow.queue_name),
        ("VERSION", lambda workflow: workflow.app_version),
        ("EXECUTOR", lambda workflow: workflow.executor_id),
        ("CREATED", lambda workflow: workflow.created_at),
    ),
    "There are no such workflows.",
)
STEPS: Table[Step] = Table(
    lambda step: step.step_id,
    (
        ("STEP", lambda step: step.step_id),
        ("NAME", lambda step: step.step_name),
        ("STARTED", lambda step: step.started_at),
        ("COMPLETED", lambda step: step.completed_at),
        ("CHILD WORKFLOW", lambda step: step.child_workflow_id),
        ("OUTPUT", lambda step: step.output),
        ("ERROR", lambda step: step.error),
    ),
    "The workflow has no steps yet.",
)
_EVENTS: Table[Event] = Table(
    lambda event: event.key,
    (("KEY", lambda event: event.key), ("VALUE", lambda event: event.value)),
    "The workflow has set no events.",
)


@command(app, "list")
def list_workflows(
    session: AppSession, search: WorkflowSearchBody, output: OutputOption = Output.TABLE
) -> None:
    """List workflows: all that match every filter, oldest first unless --sort-desc says otherwise."""
    session.print_pages(lambda name: calls.search_workflows(name, search), WORKFLOWS, output)


@command(app, "get")
def get_workflow(session: AppSession, workflow_id: IdArgument, output: OutputOption = Output.TABLE) -> None:
    """Show one workflow, with its input and output."""
    workflow = session.call(lambda name: calls.get_workflow(name, workflow_id))
    show_one(workflow, workflow.workflow_id, output)


@command(app, "steps")
def list_steps(
    session: AppSession, workflow_id: IdArgument, window: StepPageQuery, output: OutputOption = Output.TABLE
) -> None:
    """List a workflow's steps."""
    session.print_pages(lambda name: calls.list_workflow_steps(name, workflow_id, window), STEPS, output)


@command(app, "events")
def list_events(session: AppSession, workflow_id: IdArgument, output: OutputOption = Output.TABLE) -> None:
    """List the events that a workflow has set."""
    show(session.call(lambda name: calls.list_workflow_events(name, workflow_id)), _EVENTS, output)


@command(app, "export")
def export_workflow(
    session: AppSession,
    workflow_id: IdArgument,
    query: ExportQuery,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="File to write.  [default: standard output]")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Export a workflow in its SDK's own format, for 'conductor-lite workflow import'."""
    exported = session.call(lambda name: calls.export_workflow(name, workflow_id, query))
    text = to_json(exported) if output is Output.JSON else exported.serialized_workflow
    if file is None:
        emit(text)
        return
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConductorError(f"{file} cannot be written: {error.strerror}.") from None
    note(f"{file} holds the workflow {workflow_id}.")


@command(app, "import")
def import_workflow(
    session: AppSession,
    file: Annotated[str, typer.Argument(help="File that 'workflow export' wrote; - reads standard input.")],
) -> None:
    """Write an exported workflow into the application's database."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConductorError(f"{file} cannot be read: {error}.") from None
    if not text.strip():
        raise ConductorError("There is no exported workflow in it.")
    body = ImportWorkflowInputBody(serialized_workflow=text.strip())
    session.call(lambda name: calls.import_workflow(name, body))
    emit("The workflow is imported.")
