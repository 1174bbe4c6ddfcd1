"""Reading a request's body: within its size, and only when it says that it is JSON. Decodes nothing."""

from starlette.requests import Request

from conductor_lite.errors import ConductorError


class TooLargeError(ConductorError):
    """The body is larger than the server takes; the rest of it was not read."""


class MediaTypeError(ConductorError):
    """The body is not JSON, or is compressed."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the whole body; empty when there is none.

    Args:
        request: whose body to read.
        max_bytes: the largest that is taken; nothing is read past it, with or without a Content-Length.

    Raises:
        TooLargeError: it is larger.
        MediaTypeError: there is one, and it is not plain JSON (RFC 9110, section 15.5.16).
        starlette.requests.ClientDisconnect: the caller went away.
    """
    # An HTTP server admits only digits here; anything longer than the limit's own digits is over it.
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 19 or int(length) > max_bytes):
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        if chunk and not chunks:
            _require_json(request)
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if chunk:
            chunks.append(chunk)
    return b"".join(chunks)


def _require_json(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise MediaTypeError(f"The body is compressed ({encoding[:40]!r}); send it as it is.")
    content_type = request.headers.get("content-type")
    if content_type is None:
        # Clients of the published API may leave it out, and what a browser sends has passed the Origin check.
        return
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    charsets = {parameter for parameter in parameters if parameter.startswith("charset=")}
    if not is_json or not charsets <= {"charset=utf-8", 'charset="utf-8"'}:
        raise MediaTypeError(
            f"The body is said to be {content_type[:80]!r}; send JSON in UTF-8 with "
            "'Content-Type: application/json'."
        )


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"The body is larger than {max_bytes} bytes, the most that this server takes; send less, or raise "
        "the setting max_body_bytes."
    )
