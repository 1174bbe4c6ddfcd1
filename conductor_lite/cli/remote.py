"""One way to the API for every command: over HTTP where a server runs, in-process on the data folder else."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from conductor_lite.cli.options import settings_of
from conductor_lite.config import Settings
from conductor_lite.errors import (
    ConductorError,
    ConfigurationError,
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_TIMEOUT_SECS = 30.0
_IN_PROCESS_URL = "http://127.0.0.1"
_ERRORS: dict[int, type[ConductorError]] = {
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}


class Api:
    """The calls that commands make.

    Args:
        http: a client whose base URL is the server's root.
    """

    def __init__(self, http: "httpx.AsyncClient") -> None:
        self._http = http

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Make one call below ``/v2/orgs/local`` and return its decoded answer; None where there is none.

        Raises:
            ConductorError: one of our own, by the problem's status, with its detail.
        """
        import httpx

        try:
            response = await self._http.request(method, f"/v2/orgs/local{path}", json=body)
        except httpx.HTTPError as error:
            raise ConductorError(
                f"The server at {self._http.base_url} does not answer: {error or type(error).__name__}."
            ) from error
        if response.is_error:
            raise _problem(response)
        return msgspec.json.decode(response.content) if response.content else None


def run(config: Path | None, data_dir: Path | None, work: Callable[[Api], Awaitable[T]]) -> T:
    """Run a command's work against the right server.

    That is the one of ``CONDUCTOR_LITE_URL`` if it is set, else the one that runs on the data folder, else
    the data folder itself.

    Raises:
        ConductorError: whatever the work raises, and when neither server nor folder can be used.
    """

    async def go() -> T:
        async with _api(config, data_dir) as api:
            return await work(api)

    return asyncio.run(go())


@asynccontextmanager
async def _api(config: Path | None, data_dir: Path | None) -> AsyncIterator[Api]:
    # Imported late: it takes a tenth of a second that ``serve`` should not wait for.
    import httpx

    settings = settings_of(config, data_dir=data_dir)
    url = os.environ.get("CONDUCTOR_LITE_URL")
    if url is None or data_dir is not None:
        from conductor_lite.operations.serving import running_server

        running = running_server(settings.data_dir)
        if running is None:
            async with _in_process(settings) as api:
                yield api
            return
        if running.url is None:
            raise ConductorError(f"Process {running.pid} holds {settings.data_dir} but does not serve (yet).")
        url = running.url
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"CONDUCTOR_LITE_URL = {url!r} is not allowed; use an http or https URL.")
    key = os.environ.get("CONDUCTOR_LITE_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_SECS) as http:
        yield Api(http)


@asynccontextmanager
async def _in_process(settings: Settings) -> AsyncIterator[Api]:
    import httpx

    from conductor_lite.server import build_app, open_conductor

    async with open_conductor(settings) as conductor:
        transport = httpx.ASGITransport(build_app(conductor))
        async with httpx.AsyncClient(transport=transport, base_url=_IN_PROCESS_URL) as http:
            yield Api(http)


class _Problem(msgspec.Struct, kw_only=True):
    title: str = ""
    detail: str = ""
    errors: list[FieldError] | None = None


def _problem(response: "httpx.Response") -> ConductorError:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        problem = _Problem(title=response.reason_phrase)
    message = problem.detail or problem.title or f"The server answered {response.status_code}."
    if response.status_code == 422:
        return InvalidError(message, tuple(problem.errors or ()))
    return _ERRORS.get(response.status_code, ConductorError)(message)
