"""Looks for words in the whole text of a payload, of which a page shows a part. Pure."""

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

#: Places that are shown, those that are counted, and what is looked for at most, in characters.
MAX_PLACES = 100
MAX_COUNTED = 100_000
MAX_WANTED_CHARS = 200
#: Characters around each place.
_AROUND_CHARS = 100


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was found, with what stands around it."""

    #: Character of the text that it begins at, from 1.
    at: int
    before: str
    hit: str
    after: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a text has of the words."""

    wanted: str
    #: How often, up to `MAX_COUNTED`.
    count: int
    #: The first of them.
    places: tuple[Place, ...]


def find(text: str, wanted: str) -> Found:
    """Look for words, whether large or small letters.

    Args:
        text: as the executor sent it.
        wanted: found at each place where it stands as it is; cut to `MAX_WANTED_CHARS`.
    """
    wanted = wanted[:MAX_WANTED_CHARS]
    starts = list(islice(_starts(text, wanted), MAX_COUNTED))
    places = tuple(
        Place(
            at=start + 1,
            before=text[max(0, start - _AROUND_CHARS) : start],
            hit=text[start : start + len(wanted)],
            after=text[start + len(wanted) : start + len(wanted) + _AROUND_CHARS],
        )
        for start in starts[:MAX_PLACES]
    )
    return Found(wanted=wanted, count=len(starts), places=places)


def _starts(text: str, wanted: str) -> Iterator[int]:
    lowered = text.lower()
    if len(lowered) != len(text):
        # A few capital letters become two; searching like this is slower.
        yield from (match.start() for match in re.finditer(re.escape(wanted), text, re.IGNORECASE))
        return
    small = wanted.lower()
    at = lowered.find(small)
    while at >= 0:
        yield at
        at = lowered.find(small, at + len(small))
