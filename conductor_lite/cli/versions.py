"""``conductor-lite version``: the versions that an application has registered."""

from typing import Annotated

import typer

from conductor_lite.api.schemas.definitions import ApplicationVersion, PatchLatestVersionInputBody
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.output import Output, OutputOption, Table, emit, show
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls

app = command_group("Application versions.")

_VERSIONS: Table[ApplicationVersion] = Table(
    lambda version: version.version_name,
    (
        ("NAME", lambda version: version.version_name),
        ("LATEST SINCE", lambda version: version.version_timestamp),
        ("CREATED", lambda version: version.created_at),
        ("ID", lambda version: version.version_id),
    ),
    "The application has registered no versions.",
)


@command(app, "list")
def list_versions(session: AppSession, output: OutputOption = Output.TABLE) -> None:
    """List versions, the latest first."""
    show(session.call(calls.list_app_versions), _VERSIONS, output)


@command(app, "set-latest")
def set_latest(
    session: AppSession, name: Annotated[str, typer.Argument(help="Name of the version.")]
) -> None:
    """Make a version the latest: new workflows from queues and schedules go to it."""
    body = PatchLatestVersionInputBody(version_name=name)
    session.call(lambda application: calls.set_latest_app_version(application, body))
    emit(f"The latest version is {name}.")
