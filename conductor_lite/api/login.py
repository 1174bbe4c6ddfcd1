"""What answers for operations that need users to log in, as long as they cannot. No operation stands here."""

from typing import Any, NoReturn

from conductor_lite.api.operation import Call
from conductor_lite.errors import NotFoundError


def login_missing() -> NotFoundError:
    """The error that such operations answer with, whatever was asked."""
    return NotFoundError("This operation needs a login (OIDC), and this server runs without one.")


async def needs_login(_: Call[Any, Any, Any]) -> NoReturn:
    """Handle such an operation.

    Raises:
        NotFoundError: always.
    """
    raise login_missing()
