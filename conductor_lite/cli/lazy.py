"""The top of the command line: knows every command's name, and imports one only when it is called.

So ``serve`` waits for no HTTP client, and ``--help`` for no database.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup


class Command(NamedTuple):
    """Where a command is."""

    #: A few words for the list of commands.
    summary: str
    #: Modules of this package that make it up; the first has it.
    modules: tuple[str, ...]
    #: In that module: a group of commands, or the function of a single one.
    attribute: str = "app"


COMMANDS: dict[str, Command] = {
    "serve": Command("Run the server until SIGINT or SIGTERM.", ("serving",), "serve"),
    "apply": Command("Make applications what conductor.toml declares of them.", ("apply",), "apply"),
    "app": Command("Applications.", ("apps",)),
    "version": Command("Application versions.", ("versions",)),
    "workflow": Command("Workflows.", ("workflows", "workflow_actions", "watching")),
    "queue": Command("Queues.", ("queues",)),
    "schedule": Command("Schedules.", ("schedules",)),
    "autoscaling": Command("How many executors an application needs.", ("autoscaling",)),
    "alert": Command("Alerting rules, alerts, and whom to tell.", ("alerts",)),
    "metrics": Command("How often things happened.", ("metrics",), "metrics"),
    "key": Command("API keys.", ("keys",)),
    "role": Command("Roles.", ("roles",)),
    "audit": Command("The audit log.", ("audit",)),
    "backup": Command("Write a consistent copy of the database as one zip.", ("backups",), "backup"),
    "restore": Command("Put a backup in the place of the database.", ("backups",), "restore"),
}


def command_group(summary: str) -> typer.Typer:
    """An empty group of commands."""
    group = typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    # Without a callback, a group of one command would be taken for that command.
    group.callback()(_nothing)
    return group


def _nothing() -> None:
    pass


class LazyGroup(TyperGroup):
    """A group whose commands are those of ``COMMANDS``.

    Loosely typed: whether the parts of click that it meets are click's own or Typer's depends on the version.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order in which readers see them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one; None when there is none of that name."""
        command = COMMANDS.get(cmd_name)
        if command is None:
            return None
        modules = [import_module(f"conductor_lite.cli.{name}") for name in command.modules]
        return _built(cmd_name, getattr(modules[0], command.attribute))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in COMMANDS.items()])


def _built(name: str, found: typer.Typer | Callable[..., None]) -> Any:
    if isinstance(found, typer.Typer):
        group = found
    else:
        group = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        group.command(name)(found)
    built = typer.main.get_command(group)
    built.name = name
    return built
