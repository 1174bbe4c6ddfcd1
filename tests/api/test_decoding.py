"""Decoding by itself, on shapes that the first operations lack: queries, nesting, lists of objects."""

from typing import Any, Literal

import msgspec
import pytest

from conductor_lite.api.decoding import decode_body, decode_query
from conductor_lite.api.fields import Int64, Moment
from conductor_lite.errors import InvalidError


class Query(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    limit: Int64 | msgspec.UnsetType = msgspec.UNSET
    sort_desc: bool = False
    status: str | None = None
    start_time: str


class Inner(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    queue_name: str
    depth: int


class Outer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    policy: Inner | None = None
    items: list[Inner] = []
    by_name: dict[str, int] = {}


def _locations(caught: pytest.ExceptionInfo[InvalidError]) -> list[str]:
    return sorted(error.location for error in caught.value.errors)


def test_query_values_become_what_their_fields_are() -> None:
    pairs = [("limit", "5"), ("sortDesc", "true"), ("startTime", "t"), ("unknown", "x")]
    assert decode_query(pairs, Query) == Query(limit=5, sort_desc=True, start_time="t")


def test_every_fault_of_a_query_is_located() -> None:
    pairs = [("limit", "many"), ("sortDesc", "perhaps"), ("status", "A"), ("status", "B")]
    with pytest.raises(InvalidError) as caught:
        decode_query(pairs, Query)
    assert _locations(caught) == ["query.limit", "query.sortDesc", "query.startTime", "query.status"]


@pytest.mark.parametrize("limit", ["9223372036854775808", " 5", "0x10", "", "5.5"])
def test_query_numbers_are_whole_and_plain(limit: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode_query([("limit", limit), ("startTime", "t")], Query)
    assert _locations(caught) == ["query.limit"]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    since: Moment
    until: Moment | msgspec.UnsetType = msgspec.UNSET


@pytest.mark.parametrize("text", ["0.5", "1795450726", "2026-08-01", "2026-08-01T00:00:00", "now", ""])
@pytest.mark.parametrize("name", ["since", "until"])
def test_query_times_are_rfc_3339_with_an_offset(name: str, text: str) -> None:
    values = {"since": "2026-08-01T00:00:00+02:00", name: text}
    with pytest.raises(InvalidError) as caught:
        decode_query(list(values.items()), Period)
    assert _locations(caught) == [f"query.{name}"]


@pytest.mark.parametrize(
    ("content", "locations"),
    [
        (b'{"policy": {"queueName": 1}}', ["body.policy.depth", "body.policy.queueName"]),
        (
            b'{"items": [{"queueName": "a", "depth": 1}, {"depth": "x"}, 3]}',
            ["body.items[1].depth", "body.items[1].queueName", "body.items[2]"],
        ),
        (b'{"byName": {"a": "x"}}', ["body.byName.a"]),
        (b'{"byName": {"a b": "x", "c": 1, "d\\n": null}}', ['body.byName."a b"', 'body.byName."d\\n"']),
        (b'{"policy": {"queueName": "a", "depth": 1, "more": 2}}', ["body.policy.more"]),
        (b'{"policy": 5, "items": 6}', ["body.items", "body.policy"]),
    ],
)
def test_faults_are_located_inside_of_nested_objects_and_lists(content: bytes, locations: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        decode_body(content, Outer)
    assert _locations(caught) == locations


@pytest.mark.parametrize("value", ["x" * 10_000, "dbos_" + "a" * 61, {"a": 1}, [1], "slack://TokenA/TokenB"])
def test_long_secret_or_structured_values_are_not_repeated(value: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        decode_body(msgspec.json.encode({"policy": {"queueName": "q", "depth": value}}), Outer)
    (error,) = caught.value.errors
    assert error.value in (None, "dbos_***")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    source: Literal["auto", "executor"] = "auto"
    color: Literal["red", "green"] | None = None


def test_a_word_that_is_none_of_those_allowed_is_told_what_they_are() -> None:
    with pytest.raises(InvalidError) as caught:
        decode_query([("source", "moon")], Choice)
    assert [(error.location, error.message, error.value) for error in caught.value.errors] == [
        ("query.source", "unknown; expected one of auto, executor", "moon")
    ]
    with pytest.raises(InvalidError) as caught:
        decode_body(b'{"source": 7, "color": "blue"}', Choice)
    assert [error.message for error in caught.value.errors if error.location == "body.color"] == [
        "unknown; expected one of red, green"
    ]
    assert _locations(caught) == ["body.color", "body.source"]
