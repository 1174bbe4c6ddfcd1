"""Settings: what they are, what is allowed, and where they came from (conductor.toml < environment < flags).

Reads files and the environment, and nothing else: no part of the server is built here.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from conductor_lite.errors import ConfigurationError

ENVIRONMENT_PREFIX = "CONDUCTOR_LITE_"
#: What else begins so: where the command line finds a server, and what it talks about there.
_CLIENT_VARIABLES = frozenset({"url", "key", "app", "profile"})
_DEFAULT_FILE = Path("conductor.toml")
#: What stands at the top of the file: settings of the server, and what is declared of applications.
_TABLES = frozenset({"server", "apps"})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting of one server; `MEANINGS` says what each is for.

    Names are the same in file, environment and on the command line.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8090
    data_dir: Path = Path("conductor-data")
    dev: bool = False
    executor_timeout_secs: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    ping_interval_secs: Seconds = 20.0
    ping_timeout_secs: Seconds = 20.0
    handshake_timeout_secs: Seconds = 10.0
    request_timeout_secs: Seconds = 15.0
    probe_interval_secs: Seconds = 30.0
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=1_073_741_824)] = 64 * 1024 * 1024
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=1_073_741_824)] = 64 * 1024 * 1024
    max_in_flight_requests: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 16
    api_requests_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    api_burst_requests: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 200
    api_concurrent_requests: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 8
    allowed_hosts: tuple[str, ...] = ()
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"

    @property
    def new_application_timeout_secs(self) -> int:
        """Executor timeout that a newly registered application gets, in seconds."""
        if self.executor_timeout_secs is not None:
            return self.executor_timeout_secs
        return 10 if self.dev else 60


#: What each setting is for. Also shown to people, who see no setting that is missing here.
MEANINGS: dict[str, str] = {
    "host": "Address to listen on. Only loopback addresses are allowed as long as there is no login.",
    "port": "TCP port to listen on; 0 lets the system choose.",
    "data_dir": "Folder that holds the database, its lock and the demo's files.",
    "dev": (
        "Development: any API key is accepted, unknown applications register as they connect, 10 s timeout."
    ),
    "executor_timeout_secs": (
        "What new applications start with: seconds from losing an executor to declaring it dead."
    ),
    "ping_interval_secs": "Seconds between the server's WebSocket pings to each executor.",
    "ping_timeout_secs": "Seconds to wait for a pong before the socket counts as lost.",
    "handshake_timeout_secs": "Seconds an executor has to answer the first executor_info after connecting.",
    "request_timeout_secs": "Seconds a request to an executor may take before another executor is asked.",
    "probe_interval_secs": (
        "Seconds between the executor_info requests that measure an idle executor's round trip."
    ),
    "max_frame_bytes": "Largest WebSocket message an executor may send, in bytes.",
    "max_body_bytes": "Largest HTTP request body, in bytes.",
    "max_in_flight_requests": "Requests that may be under way at one executor; further ones wait.",
    "api_requests_per_second": (
        "Requests to the HTTP API per second, in the long run, by one caller: an API key or an address."
    ),
    "api_burst_requests": "Requests to the HTTP API that one caller may make at once after a rest.",
    "api_concurrent_requests": (
        "Requests to the HTTP API that one caller may have under way, fewer than an executor "
        "takes; others wait."
    ),
    "allowed_hosts": "Further Host headers to accept, such as a name that a local reverse proxy uses.",
    "log_level": "Least severe log lines to write.",
}

_ALLOWED = {
    "port": "a whole number from 0 to 65535",
    "executor_timeout_secs": "a whole number of seconds from 1 to 86400",
    "max_frame_bytes": "a whole number of bytes from 65536 to 1073741824",
    "max_body_bytes": "a whole number of bytes from 1024 to 1073741824",
    "max_in_flight_requests": "a whole number from 1 to 1000",
    "api_requests_per_second": "a whole number from 1 to 100000",
    "api_burst_requests": "a whole number from 1 to 100000",
    "api_concurrent_requests": "a whole number from 1 to 1000",
    "log_level": "debug, info, warning or error",
    "dev": "true or false",
    "data_dir": "the path of a folder",
    "host": "127.0.0.1, ::1 or localhost",
    "allowed_hosts": "a list of host names",
}


def load_settings(
    config_file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Merge the file, the environment and the flags, and check every value.

    Args:
        config_file: the file named by the user; None means ``conductor.toml`` in this folder if it exists.
        environment: usually ``os.environ``; keys that begin with ``CONDUCTOR_LITE_`` count.
        flags: command-line values by setting name; None means not given.

    Raises:
        ConfigurationError: names the key, its source and what is allowed.
    """
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for source, layer in (
        _file_layer(config_file),
        ("the environment", _environment_layer(environment)),
        ("the command line", {key: value for key, value in flags.items() if value is not None}),
    ):
        for key, value in layer.items():
            if key not in Settings.__struct_fields__:
                raise ConfigurationError(_unknown_key(key, source))
            values[key] = _checked(key, value, source)
            sources[key] = source
    settings = msgspec.convert(values, Settings)
    if settings.host not in LOOPBACK_HOSTS:
        raise ConfigurationError(
            f"host = {settings.host!r} in {sources['host']} is not allowed: without a login the server only "
            f"listens on this machine; use {_ALLOWED['host']}."
        )
    return settings


def load_declaration(config_file: Path | None) -> tuple[Path, object]:
    """Read what the file declares of applications: what stands under ``[apps]``, unchecked.

    Args:
        config_file: the file named by the user; None means ``conductor.toml`` in this folder.

    Returns:
        The file, and what stands there.

    Raises:
        ConfigurationError: the file cannot be read, has what it may not have, or does not mention ``[apps]``.
    """
    path = config_file or _DEFAULT_FILE
    document = _read(path)
    if "apps" not in document:
        raise ConfigurationError(
            f"{path} declares no applications: write [apps.NAME] for each, or an empty [apps] to say that "
            "none is declared any more."
        )
    return path, document["apps"]


def _file_layer(config_file: Path | None) -> tuple[str, Mapping[str, object]]:
    path = config_file or _DEFAULT_FILE
    if config_file is None and not path.is_file():
        return str(path), {}
    # What is declared of applications is none of the server's business: it starts all the same.
    server = _read(path).get("server", {})
    if not isinstance(server, dict):
        raise ConfigurationError(f"server in {path} must be a table: write [server] on a line of its own.")
    return str(path), server


def _read(path: Path) -> dict[str, object]:
    try:
        content = path.read_bytes().decode("utf-8")
        document = tomllib.loads(content)
    except FileNotFoundError:
        raise ConfigurationError(f"The configuration file {path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file {path} is not valid TOML: {error}.") from None
    except (ValueError, RecursionError):
        raise ConfigurationError(
            f"The configuration file {path} has a number that is too long, or is nested too deeply."
        ) from None
    unknown = next((name for name in document if name not in _TABLES), None)
    if unknown is not None:
        raise ConfigurationError(_unknown_key(unknown, str(path)))
    return document


def _environment_layer(environment: Mapping[str, str]) -> dict[str, object]:
    """Read ``CONDUCTOR_LITE_*``; those of the command-line client and its test switches are left alone."""
    values: dict[str, object] = {}
    for name, text in environment.items():
        key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
        if not name.startswith(ENVIRONMENT_PREFIX) or key in _CLIENT_VARIABLES:
            continue
        if key in Settings.__struct_fields__:
            values[key] = [part for part in text.split(",") if part] if key == "allowed_hosts" else text
        else:
            raise ConfigurationError(_unknown_key(name, "the environment"))
    return values


def _checked(key: str, value: object, source: str) -> object:
    field_type = Settings.__annotations__[key]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    try:
        if key == "data_dir" and isinstance(value, str) and value and "\0" not in value:
            return Path(value).expanduser()
        # Environment values are text; a file's and a flag's are typed already and stay strict.
        return msgspec.convert(value, field_type, strict=source != "the environment")
    except (msgspec.ValidationError, TypeError, RuntimeError):
        # RuntimeError: ``~name`` of a user who does not exist.
        allowed = _ALLOWED.get(key, "a number of seconds above 0, at most 86400")
        raise ConfigurationError(f"{key} = {value!r} in {source} is not allowed; use {allowed}.") from None


def _unknown_key(key: str, source: str) -> str:
    known = ", ".join(Settings.__struct_fields__)
    return (
        f"{key} in {source} is not a setting (settings stand under [server], applications under "
        f"[apps.NAME]); known ones: {known}."
    )
