"""Options that several commands share, and the settings that follow from them."""

import os
from enum import StrEnum
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


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]


def settings_of(config: Path | None, **flags: object) -> Settings:
    """Merge configuration file, environment and flags.

    Raises:
        ConfigurationError: names the key, its source and what is allowed.
    """
    return load_settings(config, os.environ, flags)
