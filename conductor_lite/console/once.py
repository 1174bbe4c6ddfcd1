"""Forms that are sent twice, by a double click or by going back, and are done once.

Each form carries a token of its own, made when it was shown (``ui.once`` in the templates).
"""

import hashlib
import re
from collections.abc import Awaitable, Callable

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.console.forms import Flash, Form
from conductor_lite.operations import Operations
from conductor_lite.operations.once import Attempt, Caution

ONCE_FIELD = "once"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: what to say, and where to go on."""

    flash: Flash
    url: str


async def once(
    operations: Operations,
    actor: Actor,
    form: Form,
    asked: object,
    work: Callable[[Attempt | None], Awaitable[Deed]],
    caution: Caution,
) -> Deed:
    """Do what a form asks for; sent again, it says what came of it the first time.

    Args:
        operations: remember what was done.
        actor: on whose behalf.
        form: carries the token; one without is done each time.
        asked: what is asked, with all that was filled in: changed and sent again, a form means another thing.
        work: does it.
        caution: what is true of it.

    Raises:
        ConflictError: it was sent before, and whether it was done is not known.
    """
    token = form.text(ONCE_FIELD)
    if not _TOKEN.fullmatch(token):
        return await work(None)

    async def encoded(attempt: Attempt) -> bytes:
        return msgspec.json.encode(await work(attempt))

    digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()[:32]
    outcome = await operations.once.run(actor, f"form.{token}.{digest}", asked, encoded, caution)
    deed = msgspec.json.decode(outcome.answer, type=Deed)
    if not outcome.replayed:
        return deed
    words = f"{deed.flash.text} The form was sent twice; it was done once."
    return msgspec.structs.replace(deed, flash=msgspec.structs.replace(deed.flash, text=words))
