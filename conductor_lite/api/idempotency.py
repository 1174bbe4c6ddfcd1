"""The header that makes a request safe to send twice. What comes of it is decided in operations.

Source: draft-ietf-httpapi-idempotency-key-header, whose quoted form is taken as well as the bare one.
"""

import re
from collections.abc import Sequence

from conductor_lite.errors import FieldError, InvalidError

IDEMPOTENCY_HEADER = "Idempotency-Key"
#: Header of an answer that was given before.
REPLAYED_HEADER = "Idempotency-Replayed"
MAX_KEY_LENGTH = 255

_KEY = re.compile(rf"[\x21\x23-\x7e]{{1,{MAX_KEY_LENGTH}}}")
DESCRIPTION = (
    "Made up by the caller, new for each thing that is to be done, such as a UUID. Sent again within 24 "
    "hours with the same key, the request is not carried out again: the first answer is given, with the "
    f"header `{REPLAYED_HEADER}: true`. The same key with another request is refused (422); so is a request "
    "of which is not known whether it was done (409). A request that was refused, or that reached no "
    "executor, frees its key. Keys of one caller are nothing to another; the latest 10,000 are remembered."
)


def idempotency_key(given: Sequence[str]) -> str | None:
    """The key that a request carries, or None.

    Args:
        given: the values of the header, each time that it stands there.

    Raises:
        InvalidError: it is none, or there are several.
    """
    if not given:
        return None
    key = given[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(given) > 1 or not _KEY.fullmatch(key):
        message = f"expected it once, with 1 to {MAX_KEY_LENGTH} characters of printable ASCII without spaces"
        fault = FieldError(location=f"header.{IDEMPOTENCY_HEADER}", message=message)
        raise InvalidError("That is no idempotency key.", (fault,))
    return key
