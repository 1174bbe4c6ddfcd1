"""The workflow table's query string: what it asks executors for, and addresses that change it."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest

from conductor_lite.console.workflows.filters import (
    WorkflowQuery,
    aggregates_of,
    moment_text,
    parse_query,
    up_to,
)
from conductor_lite.protocol import WorkflowFilters

NOW = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def parse(query: str, usual_range: str = "all") -> WorkflowQuery:
    pairs = parse_qsl(query, keep_blank_values=True)
    return parse_query(pairs, zone=BERLIN, now=NOW, usual_range=usual_range)


def asked(query: str) -> dict[str, object]:
    parsed = parse(query)
    assert parsed.errors == ()
    filters = parsed.filters
    return {
        name: value for name in filters.__struct_fields__ if (value := getattr(filters, name)) is not None
    }


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("", {}),
        ("status=ERROR&status=cancelled,PENDING", {"status": ["ERROR", "CANCELLED", "PENDING"]}),
        ("id=+order-1++order-2+", {"workflow_id_prefix": ["order-1", "order-2"]}),
        ("name=a+b&name=c&queue=q", {"workflow_name": ["a b", "c"], "queue_name": ["q"]}),
        (
            "version=1&executor=e&user=u&parent=p&forked_from=f&schedule=s&app=x",
            {
                "application_version": ["1"],
                "executor_id": ["e"],
                "authenticated_user": ["u"],
                "parent_workflow_id": ["p"],
                "forked_from": ["f"],
                "schedule_name": ["s"],
                "application_name": ["x"],
            },
        ),
        (
            "has_parent=no&was_forked=yes&queued=yes",
            {"has_parent": False, "was_forked_from": True, "queues_only": True},
        ),
        (
            'attr=country=DE&attr=tier=2&attr=vip=true&attr=code="2"&attr=formula=a=b',
            {"attributes": {"country": "DE", "tier": 2, "vip": True, "code": "2", "formula": "a=b"}},
        ),
        ("completed_after=2026-02-01T00:00Z", {"completed_after": "2026-02-01T00:00:00+00:00"}),
        # A time without a zone is the reader's, or that of the link.
        ("dequeued_before=2026-02-01T01:00", {"dequeued_before": "2026-02-01T00:00:00+00:00"}),
        (
            "dequeued_before=2026-02-01T09:00&zone=Asia/Tokyo",
            {"dequeued_before": "2026-02-01T00:00:00+00:00"},
        ),
        ("range=1h", {"start_time": "2026-03-01T11:31:00+00:00"}),
        ("start=2026-02-01T00:00Z&range=1h", {"start_time": "2026-02-01T00:00:00+00:00"}),
        ("nonsense=1&page=7", {}),
        # What the HTTP API calls a filter is understood too.
        ("schedule_name=nightly&queue_name=q", {"queue_name": ["q"], "schedule_name": ["nightly"]}),
    ],
)
def test_what_executors_are_asked(query: str, filters: dict[str, object]) -> None:
    assert asked(query) == filters


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("start=yesterday", "start"),
        ("completed_before=9999-12-31T23:59-23:00", "completed_before"),
        ("start=2026-02-02T00:00Z&end=2026-02-01T00:00Z", "end"),
        ("has_parent=maybe", "has_parent"),
        ("attr=country", "attr"),
        ("attr==DE", "attr"),
        ("status=<b>", "status"),
        ("name=" + "x" * 1_001, "name"),
        ("&".join(f"name={number}" for number in range(101)), "name"),
    ],
)
def test_what_is_wrong_is_told_and_the_rest_is_kept(query: str, field: str) -> None:
    parsed = parse(f"{query}&queue=q")
    assert [error.location for error in parsed.errors] == [f"query.{field}"]
    assert parsed.first("queue") == "q"


def test_an_address_says_what_it_is_read_from() -> None:
    query = (
        "status=ERROR&id=a&id=b&name=x+y&start=2026-02-01T00%3A00%3A00Z&attr=k%3D1&tree=1&sort=oldest&open=p"
    )
    parsed = parse(query)
    assert parsed.to("/w") == f"/w?{query}"
    assert parse(parsed.to("/w").partition("?")[2]) == parsed


def test_addresses_that_change_one_thing() -> None:
    parsed = parse("status=ERROR&queue=q&range=6h")
    assert parsed.toggled("/w", "status", "CANCELLED") == "/w?status=ERROR&status=CANCELLED&queue=q&range=6h"
    assert parsed.toggled("/w", "status", "ERROR") == "/w?queue=q&range=6h"
    assert parsed.setting("/w", "queue", "a&b") == "/w?status=ERROR&queue=a%26b&range=6h"
    assert parsed.without("/w", "queue") == "/w?status=ERROR&range=6h"
    assert parsed.to("/w", range="all", page=2) == "/w?status=ERROR&queue=q&range=all&page=2"
    assert parse("start=2026-02-01T00:00Z").to("/w", range="1h") == "/w?range=1h"
    assert parse("tree=1&open=a").folded("/w", "b") == "/w?tree=1&open=a&open=b"
    assert parse("tree=1&open=a&open=b").folded("/w", "a") == "/w?tree=1&open=b"
    assert parse("tree=1&open=a").to("/w", tree="") == "/w?range=all"


def test_the_remembered_range_holds_for_a_bare_address_only() -> None:
    assert parse("", usual_range="1h").range_name == "1h"
    assert parse("queue=q", usual_range="1h").range_name == "all"
    bare = parse("", usual_range="1h").cleared("/w")
    assert parse(bare.partition("?")[2], usual_range="1h").range_name == "all"


def test_what_executors_cannot_look_for_is_refused_rather_than_left_out() -> None:
    # Whoever then acts on all that match would hit those on queues too.
    assert [error.location for error in parse("queued=no").errors] == ["query.queued"]


def test_attributes_and_times_beyond_all_measure_are_read_all_the_same() -> None:
    deep = "[" * 990
    assert parse(f"attr=a={deep}").filters.attributes == {"a": deep}
    assert moment_text(10**30).startswith("9999-12-31T23:59:59")
    assert moment_text(-5).startswith("1970-01-01T00:00:00")


@pytest.mark.parametrize("epoch_ms", [1_790_000_000_123, 2_190_462_045_773, 2_150_353_577_417, 999])
def test_a_bound_includes_the_millisecond_that_it_names(epoch_ms: int) -> None:
    # As SDKs read it.
    assert int(datetime.fromisoformat(moment_text(epoch_ms)).timestamp() * 1_000) == epoch_ms


def test_the_earlier_of_two_ends_holds() -> None:
    early = WorkflowFilters(end_time="2026-01-01T00:00:00+00:00")
    assert up_to(early, 1_790_000_000_123) == early
    assert up_to(WorkflowFilters(end_time="2036-01-01T00:00:00+00:00"), 1_790_000_000_123).end_time == (
        "2026-09-21T14:13:20.123500+00:00"
    )


def test_counting_asks_for_every_status() -> None:
    body = aggregates_of(parse("status=ERROR&name=a&attr=k=v").filters)
    assert body is not None
    assert (body.status, body.workflow_name, body.attributes) == (None, ["a"], {"k": "v"})
    assert aggregates_of(parse("queued=yes").filters) is None
