"""``conductor-lite key``: create, list and revoke API keys."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from conductor_lite.cli import remote
from conductor_lite.cli.options import ConfigOption, DataDirOption, Output, OutputOption
from conductor_lite.cli.output import print_json, print_table
from conductor_lite.cli.remote import Api

app = typer.Typer(help="API keys.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the API key.")]


@app.command()
def create(
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
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create an API key and print it: this is the only time that it is shown."""

    async def work(api: Api) -> Any:
        body = {"permissions": permission or None, "appNames": application or None}
        return await api.call("POST", f"/tokens/{quote(name, safe='')}", body)

    created = remote.run(config, data_dir, work)
    if output is Output.JSON:
        print_json(created)
        return
    # Nothing but the key on standard output, so that a script can take it as it is.
    typer.echo(created["token"])
    typer.echo("Keep it now: it cannot be shown again.", err=True)


@app.command("list")
def list_keys(
    config: ConfigOption = None, data_dir: DataDirOption = None, output: OutputOption = Output.TABLE
) -> None:
    """List API keys, without their secrets."""

    async def work(api: Api) -> Any:
        return await api.call("GET", "/tokens"), await api.call("GET", "/apps")

    keys, applications = remote.run(config, data_dir, work)
    if output is Output.JSON:
        print_json(keys)
        return
    if not keys:
        typer.echo("There are no API keys yet; create one with 'conductor-lite key create NAME'.")
        return
    names = {application["id"]: application["name"] for application in applications}
    print_table(
        ("NAME", "CREATED", "PERMISSIONS", "APPLICATIONS"),
        [
            (
                key["tokenName"],
                key["createdAt"],
                ", ".join(key["permissions"]),
                ", ".join(names.get(id_, id_) for id_ in key["appIds"]) or "all",
            )
            for key in keys
        ],
    )


@app.command()
def revoke(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Revoke an API key: executors that connected with it are disconnected at once."""
    if not yes:
        typer.confirm(f"Revoke the API key {name}? Executors that use it can no longer connect.", abort=True)

    async def work(api: Api) -> None:
        await api.call("DELETE", f"/tokens/{quote(name, safe='')}")

    remote.run(config, data_dir, work)
    typer.echo(f"The API key {name} is revoked.")
