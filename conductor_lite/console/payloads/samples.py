"""As much of a payload as a page carries, and what it is a part of. Pure; how it looks is for templates."""

import hashlib
from typing import Literal, TypeAlias

import msgspec

#: Whole on the page of their workflow up to this length, in characters; of longer ones there is a beginning.
INLINE_CHARS = 20_000
PREVIEW_CHARS = 1_500
#: Beginnings in tables, where many stand one below the other.
ROW_CHARS = 300

Part: TypeAlias = Literal[
    "input", "output", "error", "attributes", "step-output", "step-error", "event", "notification", "stream"
]


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which of a workflow's payloads is meant, as the query string of its page says."""

    of: Part
    #: Number of the step, and its place in the list of steps when it was seen, for finding it fast.
    step: int | None = None
    at: int | None = None
    #: Name of the event, or of the stream.
    key: str | None = None
    #: Place of the message or of the stream's value, from 0.
    number: int | None = None

    @property
    def query(self) -> dict[str, object]:
        """For ``Subject.url``."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A payload as far as it is shown."""

    address: Address
    #: The whole, or its beginning.
    text: str
    #: Characters of the whole.
    length: int
    #: Tells whether the whole is still the same.
    digest: str

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.text) == self.length


def sample(address: Address, text: str, *, most: int = INLINE_CHARS, preview: int = PREVIEW_CHARS) -> Sample:
    """Cut a payload to what a page carries.

    Args:
        address: which one it is.
        text: as the executor sent it.
        most: characters up to which it is carried whole.
        preview: characters that are carried of a longer one.
    """
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    kept = text if len(text) <= most else text[:preview]
    return Sample(address=address, text=kept, length=len(text), digest=digest)


def sample_or_none(
    address: Address, text: str | None, *, most: int = INLINE_CHARS, preview: int = PREVIEW_CHARS
) -> Sample | None:
    """The same for what may not be there."""
    return None if text is None else sample(address, text, most=most, preview=preview)
