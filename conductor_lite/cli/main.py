"""The command ``conductor-lite``: gathers the commands, and turns our errors into a line and an exit status.

Exit statuses: 0 done; 1 it failed; 2 wrong usage or configuration; 3 not authenticated; 4 no such thing;
5 the server or the application's executors do not answer; 6 apply has something to do; 130 interrupted;
141 nobody reads its output.
"""

import io
import sys
from typing import Annotated

import typer

from conductor_lite import __version__
from conductor_lite.cli.lazy import LazyGroup
from conductor_lite.cli.output import complain
from conductor_lite.cli.statuses import EXPLANATION, exit_status
from conductor_lite.errors import ConductorError

app = typer.Typer(
    cls=LazyGroup,
    name="conductor-lite",
    help="A control plane for DBOS durable workflows that a small team runs itself.",
    epilog=EXPLANATION,
    no_args_is_help=True,
    add_completion=False,
    # Without rich, which takes longer to load than everything else.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"conductor-lite {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        # As a callback, for the body only runs once a command was named.
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """A control plane for DBOS durable workflows that a small team runs itself."""


def main() -> None:
    """Run the command line; the entry point of the package."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character shall not end the command.
        sys.stdout.reconfigure(errors="replace")
    try:
        app(prog_name="conductor-lite")
    except ConductorError as error:
        complain(error)
        sys.exit(exit_status(error))
