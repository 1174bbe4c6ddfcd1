"""``conductor-lite key``: create, list, rename and revoke API keys."""

from typing import Annotated

import typer

from conductor_lite.api.schemas.applications import Application
from conductor_lite.api.schemas.tokens import CreateTokenInputBody, RenameTokenInputBody, Token
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, note, show, to_json
from conductor_lite.cli.session import Session
from conductor_lite.client import AsyncClient, calls

app = command_group("API keys.")

NameArgument = Annotated[str, typer.Argument(help="Name of the API key.")]


@command(app, "create")
def create(
    session: Session,
    name: NameArgument,
    application: Annotated[
        list[str] | None,
        typer.Option("--app", help="Limit it to this application; may be repeated.  [default: all]"),
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            "--permission", help="Allow this; may be repeated.  [default: connecting executors only]"
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create an API key and print it: this is the only time that it is shown."""
    if output is Output.IDS:
        raise typer.BadParameter("A key that is created has to be printed; use -o table or -o json.")
    body = CreateTokenInputBody(permissions=permission or None, app_names=application or None)
    created = session.call(calls.create_token(name, body))
    if output is Output.JSON:
        emit(to_json(created))
        return
    # Nothing but the key on standard output, so that a script can take it as it is.
    emit(created.token)
    note("Keep it now: it cannot be shown again.")


@command(app, "list")
def list_keys(session: Session, output: OutputOption = Output.TABLE) -> None:
    """List API keys, without their secrets."""

    async def work(client: AsyncClient) -> tuple[list[Token], list[Application]]:
        keys = await client.run(calls.list_tokens())
        # Only the table names applications; a key that may read keys alone can still list them.
        return keys, await client.run(calls.list_apps()) if output is Output.TABLE else []

    keys, applications = session.run(work)
    names = {application.id: application.name for application in applications}
    show(keys, _keys(names), output)


@command(app, "rename")
def rename(
    session: Session,
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(help="What it is to be called.")],
) -> None:
    """Rename an API key; the key itself stays as it is."""
    session.call(calls.rename_token(name, RenameTokenInputBody(new_name=new_name)))
    emit(f"The API key {name} is now called {new_name}.")


@command(app, "revoke")
def revoke(session: Session, name: NameArgument, yes: YesOption = False) -> None:
    """Revoke an API key: executors that connected with it are disconnected at once."""
    if not yes:
        typer.confirm(f"Revoke the API key {name}? Executors that use it can no longer connect.", abort=True)
    session.call(calls.delete_token(name))
    emit(f"The API key {name} is revoked.")


def _keys(names: dict[str, str]) -> Table[Token]:
    return Table(
        lambda key: key.token_name,
        (
            ("NAME", lambda key: key.token_name),
            ("CREATED", lambda key: key.created_at),
            ("PERMISSIONS", lambda key: ", ".join(key.permissions)),
            ("APPLICATIONS", lambda key: ", ".join(names.get(id_, id_) for id_ in key.app_ids) or "all"),
        ),
        "There are no API keys yet; create one with 'conductor-lite key create NAME'.",
    )
