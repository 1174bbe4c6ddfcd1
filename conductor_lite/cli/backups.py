"""``conductor-lite backup`` and ``restore``: the database as one zip."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from conductor_lite.cli.options import ConfigOption, DataDirOption, settings_of

# Both commands import the work late: every other command would wait for the database's libraries otherwise.


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(help="The zip to write.  [default: conductor-backup-<time>.zip]", show_default=False),
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write a consistent copy of the database as one zip; a running server goes on meanwhile."""
    from conductor_lite.operations import backups

    settings = settings_of(config, data_dir=data_dir)
    target = file or Path(backups.backup_name(datetime.now(UTC)))
    manifest = asyncio.run(backups.back_up_folder(settings.data_dir, target))
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
