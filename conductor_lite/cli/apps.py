"""``conductor-lite app``: list, register and delete applications."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from conductor_lite.cli import remote
from conductor_lite.cli.options import ConfigOption, DataDirOption, Output, OutputOption
from conductor_lite.cli.output import print_json, print_table
from conductor_lite.cli.remote import Api

app = typer.Typer(help="Applications.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the application.")]


@app.command("list")
def list_applications(
    config: ConfigOption = None, data_dir: DataDirOption = None, output: OutputOption = Output.TABLE
) -> None:
    """List applications."""

    async def work(api: Api) -> Any:
        return await api.call("GET", "/apps")

    applications = remote.run(config, data_dir, work)
    if output is Output.JSON:
        print_json(applications)
        return
    if not applications:
        typer.echo("There are no applications yet; register one with 'conductor-lite app register NAME'.")
        return
    print_table(
        ("NAME", "STATUS", "LANGUAGE", "EXECUTOR TIMEOUT", "PRIVATE"),
        [
            (
                application["name"],
                application["status"],
                application["language"],
                f"{application['executorTimeoutSecs']} s",
                "yes" if application["privateMode"] else "no",
            )
            for application in applications
        ],
    )


@app.command()
def register(
    name: NameArgument,
    private: Annotated[
        bool | None,
        typer.Option("--private/--no-private", help="Whether payloads of its workflows stay out of sight."),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Register an application; repeating it changes nothing."""

    async def work(api: Api) -> None:
        body = {} if private is None else {"privateMode": private}
        await api.call("PUT", f"/apps/{quote(name, safe='')}", body)

    remote.run(config, data_dir, work)
    typer.echo(f"The application {name} is registered.")


@app.command()
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Delete an application and what is known of its executors. Its own database is not touched."""
    if not yes:
        typer.confirm(f"Delete the application {name} and what is known of its executors?", abort=True)

    async def work(api: Api) -> None:
        await api.call("DELETE", f"/apps/{quote(name, safe='')}")

    remote.run(config, data_dir, work)
    typer.echo(f"The application {name} is deleted.")
