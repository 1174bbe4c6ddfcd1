"""Which listed workflows are those that were asked for."""

from typing import Any

import pytest

from conductor_lite.operations.filter_fit import unmet_filter
from conductor_lite.protocol import WorkflowFilters, WorkflowRecord

RECORD = WorkflowRecord(
    workflow_id="order-1",
    status="ERROR",
    workflow_name="order",
    queue_name="mail",
    application_version="1",
    executor_id="e",
    authenticated_user="ada",
    parent_workflow_id="p",
    schedule_name="nightly",
    created_at_epoch_ms=1_790_000_000_123,
    completed_at_epoch_ms=1_790_000_009_000,
    attributes='{"country": "DE", "tier": 2, "tags": ["a", "b"]}',
)
BARE = WorkflowRecord(workflow_id="order-2")


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"status": "ERROR"},
        {"status": ["PENDING", "ERROR"], "workflow_name": ["order"], "queue_name": ["mail"]},
        {"workflow_ids": ["order-1"], "workflow_id_prefix": ["x", "ord"]},
        {"authenticated_user": ["ada"], "schedule_name": ["nightly"], "executor_id": ["e"]},
        {"has_parent": True, "was_forked_from": False, "queues_only": True},
        {"attributes": {"country": "DE", "tier": 2}},
        {"attributes": {"tags": ["a"]}},
        {"attributes": {}},
        {"start_time": "2026-09-21T14:13:20.123500+00:00", "end_time": "2026-09-21T14:13:20.123500+00:00"},
        {"completed_after": "2026-09-21T14:13:29+00:00"},
        {"limit": 3, "offset": 2, "sort_desc": True, "load_input": False, "status": []},
    ],
)
def test_what_was_asked_for(filters: dict[str, Any]) -> None:
    assert unmet_filter(RECORD, WorkflowFilters(**filters)) is None


@pytest.mark.parametrize(
    "filters",
    [
        {"status": ["PENDING"]},
        {"workflow_id_prefix": ["rder"]},
        {"workflow_ids": ["order-2"]},
        {"forked_from": ["x"]},
        {"application_name": "shop"},
        {"has_parent": False},
        {"was_forked_from": True},
        {"attributes": {"country": "FR"}},
        {"attributes": {"planet": None}},
        {"start_time": "2026-09-21T14:13:20.126+00:00"},
        {"end_time": "2026-09-21T14:13:20.121+00:00"},
        {"completed_before": "2026-09-21T14:13:28+00:00"},
        {"dequeued_after": "2026-09-21T14:13:28+00:00"},
    ],
)
def test_what_was_not(filters: dict[str, Any]) -> None:
    assert unmet_filter(RECORD, WorkflowFilters(**filters)) in filters


def test_what_a_record_does_not_tell_meets_no_filter() -> None:
    for filters in (
        {"status": ["ERROR"]},
        {"queues_only": True},
        {"start_time": "2020-01-01T00:00:00+00:00"},
        {"attributes": {"country": "DE"}},
    ):
        assert unmet_filter(BARE, WorkflowFilters(**filters)) in filters
