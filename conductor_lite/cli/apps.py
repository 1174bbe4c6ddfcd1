"""``conductor-lite app``: list, show, register, change and delete applications; their executors."""

from typing import Annotated

import msgspec
import typer

from conductor_lite.api.schemas.applications import Application, PatchAppInputBody, PutAppInputBody
from conductor_lite.api.schemas.executors import (
    Executor,
    RecoverUnknownExecutorInputBody,
    UnknownExecutor,
)
from conductor_lite.cli.bulk import confirm
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, printable, show, show_one
from conductor_lite.cli.session import Session
from conductor_lite.client import calls
from conductor_lite.errors import ConfigurationError, NotFoundError

app = command_group("Applications.")

NameArgument = Annotated[str, typer.Argument(help="Name of the application.")]

_APPLICATIONS: Table[Application] = Table(
    lambda application: application.name,
    (
        ("NAME", lambda application: application.name),
        ("STATUS", lambda application: application.status),
        ("LANGUAGE", lambda application: application.language),
        ("EXECUTOR TIMEOUT", lambda application: f"{application.executor_timeout_secs} s"),
        ("PRIVATE", lambda application: application.private_mode),
    ),
    "There are no applications yet; register one with 'conductor-lite app register NAME'.",
)
_EXECUTORS: Table[Executor] = Table(
    lambda executor: executor.executor_id,
    (
        ("ID", lambda executor: executor.executor_id),
        ("STATUS", lambda executor: executor.status),
        ("VERSION", lambda executor: executor.app_version),
        ("HOST", lambda executor: executor.hostname),
        ("LANGUAGE", lambda executor: executor.language),
        ("DBOS", lambda executor: executor.dbos_version),
        ("SINCE", lambda executor: executor.updated_at),
    ),
    "The application has no executors.",
)
_UNKNOWN: Table[UnknownExecutor] = Table(
    lambda executor: executor.executor_id,
    (
        ("ID", lambda executor: executor.executor_id),
        ("VERSION", lambda executor: executor.app_version),
        ("PENDING", lambda executor: executor.pending_count),
        ("FIRST SEEN", lambda executor: executor.first_seen_at),
    ),
    "No workflow waits for an executor that nobody knows.",
)


@command(app, "list")
def list_applications(session: Session, output: OutputOption = Output.TABLE) -> None:
    """List applications."""
    show(session.call(calls.list_apps()), _APPLICATIONS, output)


@command(app, "get")
def get_application(session: Session, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show one application and its settings."""
    show_one(session.call(calls.get_app(name)), name, output)


@command(app, "executors")
def list_executors(session: Session, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """List the executors of an application."""
    show(session.call(calls.list_executors(name)), _EXECUTORS, output)


@command(app, "unknown-executors")
def list_unknown(session: Session, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """List executors that own pending workflows of an application without being on record."""
    show(session.call(calls.list_unknown_executors(name)), _UNKNOWN, output)


@command(app, "recover-unknown")
def recover_unknown(
    session: Session,
    name: NameArgument,
    executor_id: Annotated[str, typer.Argument(help="Id of the executor.", metavar="EXECUTOR")],
    app_version: Annotated[
        str | None,
        typer.Option(help="Its application version.  [default: the only one of that id]", metavar="TEXT"),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Recover what an unknown executor left behind, as if it had just died. Be sure that it does not run."""
    version = app_version or _only_version(session, name, executor_id)
    confirm(f"Recover the workflows of {executor_id} ({version})? If it still runs, they run twice.", yes=yes)
    body = RecoverUnknownExecutorInputBody(executor_id=executor_id, app_version=version)
    session.call(calls.recover_unknown_executor(name, body))
    emit(f"Executor {printable(executor_id)} counts as dead now; its workflows are being recovered.")


@command(app, "snapshots")
def show_snapshots(session: Session, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show how the snapshots of an application's workflows are doing."""
    show_one(session.call(calls.get_snapshot_status(name)), name, output)


@command(app, "full-pass")
def request_full_pass(session: Session, name: NameArgument) -> None:
    """Have all snapshots compared with the application's workflows, as soon as an executor can be asked."""
    session.call(calls.request_full_pass(name))
    emit(f"All snapshots of {name} will be compared; 'conductor-lite app snapshots {name}' tells when.")


@command(app, "register")
def register(
    session: Session,
    name: NameArgument,
    private: Annotated[
        bool | None,
        typer.Option("--private/--no-private", help="Whether payloads of its workflows stay out of sight."),
    ] = None,
) -> None:
    """Register an application; repeating it changes nothing."""
    body = PutAppInputBody(private_mode=msgspec.UNSET if private is None else private)
    session.call(calls.register_app(name, body))
    emit(f"The application {name} is registered.")


@command(app, "update")
def update(session: Session, name: NameArgument, changes: PatchAppInputBody) -> None:
    """Change settings of an application; what is left out stays as it is."""
    if changes == PatchAppInputBody():
        raise typer.BadParameter("Name at least one setting to change.")
    session.call(calls.update_app(name, changes))
    emit(f"The application {name} is changed.")


@command(app, "delete")
def delete(session: Session, name: NameArgument, yes: YesOption = False) -> None:
    """Delete an application and what is known of its executors. Its own database is not touched."""
    if not yes:
        typer.confirm(f"Delete the application {name} and what is known of its executors?", abort=True)
    session.call(calls.delete_app(name))
    emit(f"The application {name} is deleted.")


def _only_version(session: Session, name: str, executor_id: str) -> str:
    found = session.call(calls.list_unknown_executors(name))
    versions = [unknown.app_version for unknown in found if unknown.executor_id == executor_id]
    if not versions:
        raise NotFoundError(f"{name} has no unknown executor {executor_id!r} that owns pending workflows.")
    if len(versions) > 1:
        raise ConfigurationError(
            f"Executor {executor_id!r} is unknown in {len(versions)} versions; name one with --app-version: "
            f"{', '.join(versions)}."
        )
    return versions[0]
