"""``conductor-lite apply``: make applications what conductor.toml declares, or show the difference."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from conductor_lite.api.schemas.declaration import ApplyDeclarationQuery, DeclarationChange
from conductor_lite.cli.commands import spelled_out
from conductor_lite.cli.declaration import OFF, in_file, read_declaration, refusal
from conductor_lite.cli.output import Output, OutputOption, Table, note, show
from conductor_lite.cli.session import Session
from conductor_lite.cli.statuses import DIFFERENT
from conductor_lite.client import calls
from conductor_lite.config import load_declaration
from conductor_lite.errors import InvalidError

_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")
_NOTES = {"declare": "as it is; declared from now on", "release": "no longer declared; left as it is"}
_EVERY = "*"
#: Where each kind stands in the file; a setting stands there by its own name.
_PLACES = {
    "application": "application",
    "alerting_rule": "alerting_rules",
    "notification_target": "notification_targets",
    "autoscaling_policy": "autoscaling_policy",
}


@spelled_out
def apply(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help=f"With --dry-run: exit with status {DIFFERENT} when there is something to do."
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make applications what conductor.toml declares of them.

    Shows what was done; doing it again changes nothing. Settings that the file does not mention, and what was
    made by hand, are left as they are; no application is ever deleted.
    """
    if exit_code and not dry_run:
        raise typer.BadParameter("--exit-code goes with --dry-run.")
    path, tables = load_declaration(session.config)
    body = read_declaration(path, tables, os.environ)
    call = calls.apply_declaration(body, ApplyDeclarationQuery(dry_run=dry_run))
    try:
        changes = session.call(call).changes
    except InvalidError as error:
        if not error.errors:
            raise
        raise refusal(path, [in_file(fault) for fault in error.errors]) from None
    show(changes, _CHANGES, output)
    if changes:
        many = f"{len(changes):,} change{'' if len(changes) == 1 else 's'}"
        note(f"{many} to make; this was a dry run." if dry_run else f"{many} made.")
    if changes and exit_code:
        raise typer.Exit(DIFFERENT)


def _what(change: DeclarationChange) -> str:
    if change.kind == "setting":
        return _in_snake_case(change.name)
    words = [_PLACES[change.kind], change.name]
    if change.kind == "alerting_rule":
        # Of many rules of a type, the one about this workflow, queue or schedule.
        facts = (change.after or change.before)["ruleMetadata"]
        words += [fact for fact in facts.values() if isinstance(fact, str) and fact != _EVERY]
    return " ".join(words).rstrip()


def _shown(change: DeclarationChange, value: Any, other: Any) -> object:
    """A value for people: of two that have several parts, only the parts that differ."""
    if change.kind == "setting" and value is None:
        return OFF
    if not isinstance(value, Mapping):
        return value
    facts = _flat(value)
    if change.action == "change" and isinstance(other, Mapping):
        before = _flat(other)
        facts = {name: fact for name, fact in facts.items() if before.get(name) != fact}
    return " ".join(f"{name}={fact}" for name, fact in facts.items())


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, fact in value.items():
        facts |= _flat(fact) if isinstance(fact, Mapping) else {_in_snake_case(name): fact}
    return facts


def _note(change: DeclarationChange) -> str:
    return "; ".join(filter(None, (_NOTES.get(change.action), change.note)))


def _in_snake_case(name: str) -> str:
    return _HUMP.sub(lambda hump: f"_{hump.group().lower()}", name)


_CHANGES: Table[DeclarationChange] = Table(
    lambda change: f"{change.app_name} {_what(change)}",
    (
        ("CHANGE", lambda change: change.action),
        ("APPLICATION", lambda change: change.app_name),
        ("WHAT", _what),
        ("FROM", lambda change: _shown(change, change.before, change.after)),
        ("TO", lambda change: _shown(change, change.after, change.before)),
        ("NOTE", _note),
    ),
    "Nothing to do.",
)
