"""Options that several commands share, and the settings that follow from them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from conductor_lite.config import Settings, load_settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file.  [default: conductor.toml, if it exists]")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of the database.  [default: ./conductor-data]")
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", help="Profile of the server to talk to.  [default: CONDUCTOR_LITE_PROFILE]"),
]
ApplicationOption = Annotated[
    str | None,
    typer.Option(
        "--app", help="Application.  [default: CONDUCTOR_LITE_APP, that of the profile, or the only one]"
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def settings_of(config: Path | None, **flags: object) -> Settings:
    """Merge configuration file, environment and flags.

    Raises:
        ConfigurationError: names the key, its source and what is allowed.
    """
    return load_settings(config, os.environ, flags)
