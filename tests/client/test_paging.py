"""Long lists in parts: no network needed."""

from typing import Any

import pytest

from conductor_lite.api.schemas.audit import AuditQuery
from conductor_lite.api.schemas.workflow_search import WorkflowSearchBody
from conductor_lite.client import Listing, calls
from conductor_lite.client.paging import Pager


class Item:
    def __init__(self, number: int) -> None:
        self.workflow_id = self.id = str(number)


def window(call: Listing[Any]) -> tuple[int, int]:
    part: Any = call.query if hasattr(call.query, "limit") else call.body
    return part.limit, part.offset


def listed(listing: Listing[Any], items: list[Any]) -> tuple[list[str], list[tuple[int, int]]]:
    """What a pager lists of a list, and the windows it asked for."""
    pager = Pager(listing)
    found: list[str] = []
    windows = []
    while (call := pager.next_call()) is not None:
        limit, offset = window(call)
        windows.append((limit, offset))
        found += [item.id for item in pager.take(items[offset : offset + limit])]
    return found, windows


@pytest.mark.parametrize(
    ("total", "windows"),
    [
        (0, [(500, 0)]),
        (499, [(500, 0)]),
        (500, [(500, 0), (500, 500)]),
        (1_001, [(500, 0), (500, 500), (500, 1_000)]),
    ],
)
def test_all_is_listed_once_whatever_its_length(total: int, windows: list[tuple[int, int]]) -> None:
    items = [Item(number) for number in range(total)]
    assert listed(calls.search_workflows("shop"), items) == ([item.id for item in items], windows)


def test_limit_and_offset_of_the_call_bound_the_whole() -> None:
    items = [Item(number) for number in range(2_000)]
    body = WorkflowSearchBody(limit=700, offset=100)
    found, windows = listed(calls.search_workflows("shop", body), items)
    assert found == [str(number) for number in range(100, 800)]
    assert windows == [(500, 100), (200, 600)]


def test_nothing_is_asked_for_when_nothing_is_wanted() -> None:
    assert Pager(calls.search_workflows("shop", WorkflowSearchBody(limit=0))).next_call() is None


def test_window_stands_in_the_query_where_the_call_has_one() -> None:
    items = [Item(number) for number in range(50)]
    found, windows = listed(calls.list_audit_logs(AuditQuery(limit=20)), items)
    assert (len(found), windows) == (20, [(20, 0)])


def test_pages_are_smaller_when_payloads_come_along() -> None:
    call = Pager(calls.search_workflows("shop", WorkflowSearchBody(load_output=True))).next_call()
    assert call is not None
    assert window(call) == (100, 0)


def test_what_newer_items_push_to_the_next_page_is_listed_once() -> None:
    pager = Pager(calls.search_workflows("shop"))
    pager.next_call()
    first = [Item(number) for number in range(1_000, 500, -1)]
    assert len(pager.take(first)) == 500
    pager.next_call()
    # Three came in front meanwhile, so the last three of the first page are the first of the second.
    second = [Item(number) for number in (503, 502, 501, 500, 499)]
    assert [item.id for item in pager.take(second)] == ["500", "499"]
    assert pager.next_call() is None


def test_an_sdk_that_answers_with_more_than_was_asked_for_has_answered_with_all() -> None:
    pager = Pager(calls.search_workflows("shop", WorkflowSearchBody()))
    pager.next_call()
    assert len(pager.take([Item(number) for number in range(900)])) == 900
    assert pager.next_call() is None
