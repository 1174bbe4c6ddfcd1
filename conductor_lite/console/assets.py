"""Our style sheet, scripts and icon: found once, kept compressed in memory, served under names for ever.

Knows files and headers only; which page uses what is the templates' business.
"""

import functools
import gzip
import hashlib
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from conductor_lite.console.accepting import takes_gzip
from conductor_lite.errors import StartupError

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_HASH_LENGTH = 12
_FOREVER = "public, max-age=31536000, immutable"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file, ready to be sent."""

    url_name: str
    media_type: str
    etag: str
    content: bytes
    compressed: bytes


def static_folder() -> Path:
    """The folder of assets: inside the package in a wheel, at the top of the repository otherwise.

    Raises:
        StartupError: there is none, so this installation is damaged.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "static", package.parent / "static"):
        if (folder / "console.css").is_file():
            return folder
    raise StartupError("The console's style sheet and scripts are missing; install conductor-lite again.")


@functools.cache
def _assets() -> dict[str, Asset]:
    """Every asset by the name of its file."""
    return {
        path.name: _load(path) for path in sorted(static_folder().iterdir()) if path.suffix in _MEDIA_TYPES
    }


@functools.cache
def _by_url_name() -> dict[str, Asset]:
    return {asset.url_name: asset for asset in _assets().values()}


def _load(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_HASH_LENGTH]
    return Asset(
        url_name=f"{path.stem}.{digest}{path.suffix}",
        media_type=_MEDIA_TYPES[path.suffix],
        etag=f'"{digest}"',
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
    )


def asset_url(name: str) -> str:
    """The address of an asset, which changes whenever its content does.

    Args:
        name: the file's name, such as ``console.css``.

    Raises:
        KeyError: there is no such file; a mistake in a template.
    """
    return f"/static/{_assets()[name].url_name}"


def static_routes() -> list[BaseRoute]:
    """The routes that serve every asset."""
    return [Route("/static/{name}", _serve, methods=["GET"])]


async def _serve(request: Request) -> Response:
    # Looked up, never opened: no name can reach a file that was not loaded from the folder.
    asset = _by_url_name().get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("There is no such file.\n", 404)
    headers = {
        "Cache-Control": _FOREVER,
        "ETag": asset.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.content
    if takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        body = asset.compressed
    return Response(body, headers=headers, media_type=asset.media_type)
