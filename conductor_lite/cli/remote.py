"""Which server a command talks to; where none runs, the data folder itself is served in-process."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from conductor_lite.cli.options import settings_of
from conductor_lite.cli.output import note
from conductor_lite.cli.profiles import load_profile
from conductor_lite.client import AsyncClient, RetryPolicy
from conductor_lite.config import Settings
from conductor_lite.errors import ConductorError, ConfigurationError, UnreachableError

_IN_PROCESS_URL = "http://127.0.0.1"
# A person is told at once that nobody is there; only a limit that commands themselves run into is waited for.
_RETRY = RetryPolicy(statuses=frozenset({429}), attempts=10)


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says about the server."""

    config: Path | None = None
    data_dir: Path | None = None
    profile: str | None = None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A client, and the application that goes without saying there."""

    client: AsyncClient
    application: str | None = None


@asynccontextmanager
async def connect(
    where: Where, environment: Mapping[str, str], *, needs_server: bool
) -> AsyncIterator[Connection]:
    """Open a client for the right server.

    In this order: the profile or the data folder that the command line names, ``CONDUCTOR_LITE_URL``,
    the profile of ``CONDUCTOR_LITE_PROFILE``, the data folder of the settings. On a data folder that is the
    server which runs on it, else the folder itself.

    Args:
        where: what the command line says.
        environment: usually ``os.environ``.
        needs_server: whether the folder itself will not do.

    Raises:
        ConfigurationError: what names the server is not well-formed.
        UnreachableError: a server is needed, and none runs.
    """
    if where.profile is not None and where.data_dir is not None:
        raise ConfigurationError("--profile and --data-dir name two servers; give one of them.")
    url = environment.get("CONDUCTOR_LITE_URL")
    key = environment.get("CONDUCTOR_LITE_KEY") or None
    name = where.profile or (None if url else environment.get("CONDUCTOR_LITE_PROFILE"))
    if name and where.data_dir is None:
        profile, warning = load_profile(name, environment)
        if warning:
            note(warning)
        client = _client(f"the profile {name}", profile.url, profile.key or key)
        application = profile.app
    elif url and where.data_dir is None:
        client = _client("CONDUCTOR_LITE_URL", url, key)
        application = None
    else:
        async with _on_folder(where, key, needs_server=needs_server) as client:
            yield Connection(client=client)
        return
    async with client:
        yield Connection(client=client, application=application)


@asynccontextmanager
async def _on_folder(where: Where, key: str | None, *, needs_server: bool) -> AsyncIterator[AsyncClient]:
    # Imported late: it brings the database's libraries along.
    from conductor_lite.operations.serving import running_server

    settings = settings_of(where.config, data_dir=where.data_dir)
    running = running_server(settings.data_dir)
    if running is None:
        if needs_server:
            raise UnreachableError(
                f"No server runs on {settings.data_dir}, so no executor can be asked. Start one with "
                "'conductor-lite serve', or name another with CONDUCTOR_LITE_URL or --profile."
            )
        async with _in_process(settings) as client:
            yield client
        return
    if running.url is None:
        raise ConductorError(f"Process {running.pid} holds {settings.data_dir} but does not serve (yet).")
    # A transport of its own: no proxy stands between processes of one machine.
    async with AsyncClient(
        running.url, key=key, retry=_RETRY, transport=httpx.AsyncHTTPTransport()
    ) as client:
        yield client


@asynccontextmanager
async def _in_process(settings: Settings) -> AsyncIterator[AsyncClient]:
    from conductor_lite.server import build_app, open_conductor

    async with open_conductor(settings) as conductor:
        transport = httpx.ASGITransport(build_app(conductor))
        async with AsyncClient(_IN_PROCESS_URL, transport=transport) as client:
            yield client


def _client(source: str, url: str, key: str | None) -> AsyncClient:
    try:
        return AsyncClient(url, key=key, retry=_RETRY)
    except ConfigurationError as error:
        raise ConfigurationError(f"In {source}: {error}") from None
