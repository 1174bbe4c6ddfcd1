"""Facts of attributes find what contains what is asked for, as PostgreSQL's ``@>`` would."""

import json
from typing import Any

import pytest

from conductor_lite.errors import InvalidError
from conductor_lite.store.snapshot_attributes import facts_asked_for, facts_of

DOCUMENT = {
    "tenant": "acme",
    "size": 3,
    "paid": True,
    "at": {"city": "Oslo", "zip": None},
    "tags": ["a", "b"],
}


def _contains(wanted: dict[str, Any], document: object = DOCUMENT) -> bool:
    return set(facts_asked_for(wanted)) <= facts_of(json.dumps(document))


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"tenant": "acme"},
        {"size": 3.0, "paid": True},
        {"at": {}},
        {"at": {"city": "Oslo"}},
        {"at": {"zip": None}},
        {"tags": []},
        {"tags": ["b"]},
        {"tags": ["b", "a", "b"]},
    ],
)
def test_found(wanted: dict[str, Any]) -> None:
    assert _contains(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"tenant": "ACME"},
        {"size": "3"},
        {"paid": 1},
        {"size": True},
        {"city": "Oslo"},
        {"at": {"city": "Rome"}},
        {"at": []},
        {"tags": "a"},
        {"tags": ["c"]},
        {"tenant": ["acme"]},
        {"zip": None},
    ],
)
def test_not_found(wanted: dict[str, Any]) -> None:
    assert not _contains(wanted)


@pytest.mark.parametrize("document", ["", "{", "[1]", "null", '"text"'])
def test_what_is_no_object_has_no_facts(document: str) -> None:
    assert facts_of(document) == frozenset()
    assert facts_of(None) == frozenset()


def test_what_facts_cannot_tell_is_refused() -> None:
    assert _contains({"items": [{"sku": 1}]}, {"items": [{"sku": 1, "count": 2}]})
    with pytest.raises(InvalidError):
        facts_asked_for({"items": [{"sku": 1, "count": 2}]})
