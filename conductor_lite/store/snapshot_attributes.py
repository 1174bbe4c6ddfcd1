"""Custom attributes as facts, so that an index finds the workflows that have them. Knows no database.

A workflow matches when its attributes contain those that are asked for, in the sense of PostgreSQL's ``@>``:
objects by their members at any depth, lists by their elements in any order.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from conductor_lite.errors import FieldError, InvalidError

#: Facts kept of one workflow; what a longer document holds beyond them is not found.
MAX_FACTS = 256

_FACT_BYTES = 8
# A step of a path that leads into a list; no member's name, which is a text.
_ELEMENT = 0


def facts_of(document: str | None) -> frozenset[int]:
    """The facts of a workflow's attributes.

    Args:
        document: JSON text as the executor told it; what is no JSON object has no facts.
    """
    if document is None:
        return frozenset()
    try:
        attributes = msgspec.json.decode(document)
    except msgspec.DecodeError:
        return frozenset()
    if not isinstance(attributes, dict):
        return frozenset()
    facts: set[int] = set()
    for path, value in _walk((), attributes):
        if len(facts) == MAX_FACTS:
            break
        # That it is an object is no news.
        if path:
            facts.add(_number(path, value))
    return frozenset(facts)


def facts_asked_for(attributes: Mapping[str, Any]) -> tuple[int, ...]:
    """The facts that a workflow must all have to match.

    Raises:
        InvalidError: a list holds objects of several members, which must then be found in one element; facts
            cannot tell that.
    """
    _require_tellable(attributes)
    return tuple(dict.fromkeys(_number(path, value) for path, value in _walk((), dict(attributes)) if path))


def _walk(path: tuple[str | int, ...], value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        yield path, {}
        for name, member in value.items():
            yield from _walk((*path, name), member)
    elif isinstance(value, list):
        yield path, []
        for element in value:
            yield from _walk((*path, _ELEMENT), element)
    else:
        yield path, value


def _number(path: tuple[str | int, ...], value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        # JSON has one kind of number.
        value = int(value)
    digest = blake2b(msgspec.json.encode([path, value]), digest_size=_FACT_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


def _require_tellable(value: Any) -> None:
    if isinstance(value, Mapping):
        for member in value.values():
            _require_tellable(member)
    elif isinstance(value, list):
        for element in value:
            leaves = [leaf for _, leaf in _walk((), element) if leaf not in ({}, [])]
            if isinstance(element, dict | list) and len(leaves) > 1:
                raise InvalidError(
                    "Snapshots cannot be searched for a list with an element of several values. Leave that "
                    "filter out, or ask while an executor is connected.",
                    (FieldError(location="body.attributes", message="a list of compound values"),),
                )
            _require_tellable(element)
