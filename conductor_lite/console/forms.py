"""What forms need: bounded reading, proof that our own page sent them, and a word across a redirect.

Nothing here knows a page. The proof is a double submit: a random cookie, and in the form a signature of it
under a secret that lives as long as the process. The cookie is SameSite=Lax: it comes along when a link from
elsewhere leads to us, for a new one would make the forms in the browser's other tabs out of date.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Literal
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from conductor_lite.errors import ForbiddenError, InvalidError
from conductor_lite.turns import PIECE_SIZE

CSRF_COOKIE = "conductor_csrf"
CSRF_FIELD = "csrf_token"
FLASH_COOKIE = "conductor_flash"

MAX_FORM_BYTES = 64 * 1024
#: Larger forms are read outside of the event loop.
_LARGE_BYTES = 1024 * 1024
MAX_FIELDS = 500
#: What a form has more of is not written into an answer again.
MAX_KEPT_CHARS = 256 * 1024
_FLASH_SECS = 60
_MAX_FLASH_CHARS = 300
_NONCE_PATTERN = re.compile(r"[A-Za-z0-9_-]{22,64}")


class Form:
    """The fields of one submitted form."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields

    def text(self, name: str, default: str = "") -> str:
        """The first value of a field, without surrounding blanks."""
        return next((value.strip() for key, value in self._fields if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may be given many times, such as check boxes."""
        return tuple(value for key, value in self._fields if key == name)

    def checked(self, name: str) -> bool:
        """Whether a check box was ticked."""
        return any(key == name for key, _ in self._fields)

    def kept(self) -> tuple[tuple[str, str], ...] | None:
        """What was filled in, to be sent once more with proof of its own; None when that is too much."""
        fields = tuple(field for field in self._fields if field[0] != CSRF_FIELD)
        return fields if sum(len(name) + len(value) for name, value in fields) <= MAX_KEPT_CHARS else None


class Flash(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence that the next page says, once."""

    text: str
    #: ``good`` or ``bad``.
    tone: str = "good"
    #: Address of what it speaks of, and what the link to it says; empty for none.
    link: str = ""
    link_text: str = ""


async def read_form(request: Request, max_bytes: int = MAX_FORM_BYTES, too_large: str = "") -> Form:
    """Read a url-encoded form.

    Args:
        request: carries it.
        max_bytes: how large it may be.
        too_large: says what makes such a form too large, and what to do instead; empty for the bare limit.

    Raises:
        InvalidError: it is too large, has too many fields, is of another type, or not text.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise InvalidError("The console reads forms only; programs use the HTTP API under /v2.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise InvalidError(too_large or f"The form is larger than {max_bytes // 1024:,} kB.")
    if body.count(b"&") >= MAX_FIELDS:
        raise InvalidError(too_large or f"The form has more than {MAX_FIELDS} fields.")
    try:
        fields = await asyncio.to_thread(_fields, body) if len(body) > _LARGE_BYTES else _fields(body)
    except ValueError:
        raise InvalidError("The form is not readable as text.") from None
    return Form(fields)


def _fields(body: bytearray) -> list[tuple[str, str]]:
    """As ``parse_qsl`` reads them, a piece at a time: it takes a value of megabytes apart in one call, and no
    other thread could run meanwhile.
    """
    if not body.isascii():
        raise ValueError("A form is ASCII.")
    pairs = (part.partition(b"=") for part in body.split(b"&") if part)
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs]


def _unquoted(quoted: bytearray) -> str:
    pieces: list[bytes] = []
    start = 0
    while start < len(quoted):
        end = start + PIECE_SIZE
        # A percent sign stays with its two digits.
        cut = quoted.rfind(b"%", end - 2, end) if end < len(quoted) else -1
        end = end if cut == -1 else cut
        pieces.append(unquote_to_bytes(bytes(quoted[start:end].replace(b"+", b" "))))
        start = end
    return b"".join(pieces).decode()


class FormGuard:
    """Signs what a browser carries for us between two requests."""

    def __init__(self) -> None:
        # Anew in every process: what an earlier one signed is refused, and its forms say so.
        self._secret = secrets.token_bytes(32)

    def nonce(self, request: Request) -> str:
        """The browser's random value, or a fresh one if it has none."""
        nonce = request.cookies.get(CSRF_COOKIE, "")
        return nonce if _NONCE_PATTERN.fullmatch(nonce) else secrets.token_urlsafe(24)

    def token(self, nonce: str) -> str:
        """What a form must carry along with that value; another one each time: no length gives it away."""
        return self._salted(secrets.token_urlsafe(9), nonce)

    def remember(self, request: Request, response: Response, nonce: str) -> None:
        """Give the browser its value, unless it has it already."""
        if request.cookies.get(CSRF_COOKIE) != nonce:
            _set_cookie(request, response, CSRF_COOKIE, nonce, samesite="lax")

    def check(self, request: Request, form: Form) -> None:
        """Check that a form came from a page of ours.

        Raises:
            ForbiddenError: it did not, or the server was restarted since that page was opened.
        """
        nonce = request.cookies.get(CSRF_COOKIE, "")
        given = form.text(CSRF_FIELD)
        # Compared as bytes: compare_digest refuses text that is not ASCII, which a forger may well send.
        expected = self._salted(given.partition(".")[0], nonce)
        if not nonce or not hmac.compare_digest(expected.encode(), given.encode()):
            raise ForbiddenError(
                "This form is out of date, usually because the server was restarted since you opened it. "
                "Nothing was changed; it has to be sent once more."
            )

    def is_own(self, request: Request) -> bool:
        """Whether the browser itself says that one of our pages sent this, as no other page can make it."""
        try:
            origin = urlsplit(request.headers.get("origin", "")).netloc
        except ValueError:
            return False
        return bool(origin) and origin == request.headers.get("host")

    def flash(self, request: Request, response: Response, flash: Flash) -> None:
        """Let the next page say something."""
        link = flash.link if len(flash.link) <= _MAX_FLASH_CHARS else ""
        short = msgspec.structs.replace(flash, text=flash.text[:_MAX_FLASH_CHARS], link=link)
        body = base64.urlsafe_b64encode(msgspec.json.encode(short))
        value = f"{body.decode()}.{self._sign(b'flash', body)}"
        _set_cookie(request, response, FLASH_COOKIE, value, max_age=_FLASH_SECS)

    def take_flash(self, request: Request, response: Response) -> None:
        """Make the browser forget what ``read_flash`` read."""
        if FLASH_COOKIE in request.cookies:
            response.delete_cookie(FLASH_COOKIE, httponly=True, samesite="strict")

    def read_flash(self, request: Request) -> Flash | None:
        """What the page before wanted said, if anything; whatever we did not sign is ignored."""
        body, _, signature = request.cookies.get(FLASH_COOKIE, "").partition(".")
        if not body or not hmac.compare_digest(
            self._sign(b"flash", body.encode()).encode(), signature.encode()
        ):
            return None
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(body), type=Flash)
        except (msgspec.DecodeError, binascii.Error):
            return None

    def _salted(self, salt: str, nonce: str) -> str:
        return f"{salt}.{self._sign(b'csrf', f'{salt}:{nonce}'.encode())}"

    def _sign(self, purpose: bytes, value: bytes) -> str:
        digest = hmac.new(self._secret, purpose + b":" + value, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _set_cookie(
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    samesite: Literal["lax", "strict"] = "strict",
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite=samesite,
    )
