"""``conductor-lite role``: named sets of permissions."""

from typing import Annotated

import typer

from conductor_lite.api.schemas.organizations import CreateRoleInputBody, RoleOutput
from conductor_lite.cli.bulk import confirm
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, printable, show
from conductor_lite.cli.session import Session
from conductor_lite.client import calls

app = command_group("Roles.")

NameArgument = Annotated[str, typer.Argument(help="Name of the role.")]

_ROLES: Table[RoleOutput] = Table(
    lambda role: role.name,
    (
        ("NAME", lambda role: role.name),
        ("BUILT IN", lambda role: role.is_global),
        ("PERMISSIONS", lambda role: ", ".join(role.permissions)),
    ),
    "There are no roles.",
)


@command(app, "list")
def list_roles(session: Session, output: OutputOption = Output.TABLE) -> None:
    """List roles, built in and own, with what they allow."""
    show(session.call(calls.list_roles()), _ROLES, output)


@command(app, "create")
def create(
    session: Session,
    name: NameArgument,
    permission: Annotated[
        list[str] | None,
        typer.Option("--permission", help="Allow this; may be repeated.  [default: nothing]"),
    ] = None,
) -> None:
    """Create a role."""
    session.call(calls.create_role(CreateRoleInputBody(name=name, permissions=permission or None)))
    emit(f"The role {printable(name)} is created.")


@command(app, "delete")
def delete(session: Session, name: NameArgument, yes: YesOption = False) -> None:
    """Delete a role of your own; those that are built in stay."""
    confirm(f"Delete the role {name}?", yes=yes)
    session.call(calls.delete_role(name))
    emit(f"The role {printable(name)} is deleted.")
