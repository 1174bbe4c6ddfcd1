"""The command ``conductor-lite``: gathers the commands, and turns our errors into a line and an exit status.

Exit statuses: 0 done; 1 it failed; 2 wrong usage or configuration; 3 not authenticated; 4 no such thing.
"""

import sys
from typing import Annotated

import typer

from conductor_lite import __version__
from conductor_lite.cli import apps, backups, keys, serving
from conductor_lite.errors import ConductorError, ConfigurationError, NotFoundError, UnauthenticatedError

FAILED = 1
BAD_CONFIGURATION = 2
NOT_AUTHENTICATED = 3
NOT_FOUND = 4

app = typer.Typer(
    name="conductor-lite",
    help="A control plane for DBOS durable workflows that a small team runs itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serving.serve)
app.add_typer(apps.app, name="app")
app.add_typer(keys.app, name="key")
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    """A control plane for DBOS durable workflows that a small team runs itself."""
    if version:
        typer.echo(f"conductor-lite {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; the entry point of the package."""
    try:
        app()
    except ConductorError as error:
        typer.echo(f"conductor-lite: {error}", err=True)
        for field in getattr(error, "errors", ()):
            typer.echo(f"  {field.location}: {field.message}", err=True)
        sys.exit(_exit_status(error))


def _exit_status(error: ConductorError) -> int:
    match error:
        case ConfigurationError():
            return BAD_CONFIGURATION
        case UnauthenticatedError():
            return NOT_AUTHENTICATED
        case NotFoundError():
            return NOT_FOUND
        case _:
            return FAILED
