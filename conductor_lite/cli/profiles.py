"""Profiles: servers that a person talks to, by name, in ``~/.config/conductor-lite/profiles.toml``.

Keys stand in that file; nothing here or elsewhere prints them.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from conductor_lite.errors import ConfigurationError


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One server and how to talk to it."""

    #: The server's root.
    url: str
    #: API key; None where the server runs without login, or ``CONDUCTOR_LITE_KEY`` has it.
    key: str | None = None
    #: Application that commands are about unless told otherwise.
    app: str | None = None


def profiles_path(environment: Mapping[str, str]) -> Path:
    """Where the file is expected: below ``XDG_CONFIG_HOME``, by default ``~/.config``."""
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "conductor-lite" / "profiles.toml"


def load_profile(name: str, environment: Mapping[str, str]) -> tuple[Profile, str | None]:
    """Read one profile; with it comes a warning, if the file needs one.

    Raises:
        ConfigurationError: there is no such file or profile, or it is not well-formed. Names no value.
    """
    path = profiles_path(environment)
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"The profile {name} is not known: {path} does not exist. Write [{name}] and its url there."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The profiles in {path} cannot be read: {error.__class__.__name__}."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}.") from None
    if name not in document:
        known = ", ".join(document) or "none"
        raise ConfigurationError(f"The profile {name} is not in {path}; there: {known}.")
    try:
        profile = msgspec.convert(document[name], Profile)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The profile {name} in {path} is not well-formed: {error}.") from None
    return profile, _warning(path) if profile.key else None


def _warning(path: Path) -> str | None:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        return f"Others on this machine may read the keys in {path}; run: chmod 600 {path}"
    return None
