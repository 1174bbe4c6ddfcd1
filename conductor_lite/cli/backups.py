"""``conductor-lite backup`` and ``restore``: the database as one zip."""

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conductor_lite.cli.options import ConfigOption, DataDirOption, ProfileOption, settings_of
from conductor_lite.cli.remote import Where
from conductor_lite.cli.session import Session
from conductor_lite.client import AsyncClient, calls
from conductor_lite.errors import BackupError

if TYPE_CHECKING:
    from conductor_lite.operations.backups import Manifest

# Both commands import the work late: every other command would wait for the database's libraries otherwise.


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="The zip to write.  [default: conductor-backup-<time>.zip]", show_default=False),
    ] = None,
    from_server: Annotated[
        bool,
        typer.Option(
            "--from-server", help="Fetch it from the server that other commands talk to, as --profile does."
        ),
    ] = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    profile: ProfileOption = None,
) -> None:
    """Write a consistent copy of the database as one zip; a running server goes on meanwhile."""
    from conductor_lite.operations import backups

    if from_server or profile is not None:
        _fetch(
            file or Path(backups.backup_name(datetime.now(UTC))),
            Where(config=config, data_dir=data_dir, profile=profile),
        )
        return
    settings = settings_of(config, data_dir=data_dir)
    target = file or Path(backups.backup_name(datetime.now(UTC)))
    manifest = asyncio.run(backups.back_up_folder(settings.data_dir, target))
    _tell(target, manifest)


def _fetch(target: Path, where: Where) -> None:
    """Have a server make a backup, and put it at ``target`` once all of it is there and good."""
    from conductor_lite.operations import backups

    try:
        part = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, before it is looked at
            dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
        )
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        with part:

            async def download(client: AsyncClient) -> None:
                await client.download(calls.create_backup(), part.write)

            Session(where).run(download)
            part.flush()
            os.fsync(part.fileno())
        manifest = backups.verify_backup(Path(part.name))
        Path(part.name).replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        Path(part.name).unlink(missing_ok=True)
    _tell(target, manifest)


def _unwritable(target: Path, error: OSError) -> BackupError:
    return BackupError(f"The backup {target} could not be written: {error.strerror or error}.")


def _tell(target: Path, manifest: "Manifest") -> None:
    size_kib = sum(item.size_bytes for item in manifest.files) / 1024
    typer.echo(f"{target} holds the database ({size_kib:,.0f} KiB, schema {manifest.schema_revision}).")


def restore(
    file: Annotated[Path, typer.Argument(help="The zip that 'conductor-lite backup' wrote.")],
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Verify a backup and put it in the place of the database, which is kept aside. Stop the server first."""
    from conductor_lite.operations import backups

    settings = settings_of(config, data_dir=data_dir)
    restored = backups.restore_folder(file, settings.data_dir)
    typer.echo(f"The database of {restored.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC is restored.")
    if restored.kept_aside is not None:
        typer.echo(f"The one before it is kept as {restored.kept_aside}.")
