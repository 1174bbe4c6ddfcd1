"""Requests about workflows, queues, schedules and versions that are refused before anyone is asked."""

from collections.abc import Callable
from typing import Any

import pytest
from support.api import Api

from conductor_lite.api.operation import AnyOperation
from conductor_lite.api.table import TABLE

APP = "/v2/orgs/local/apps/shop"
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
NAMES = {"orgName": "local", "appName": "shop", "workflowId": "w", "queueName": "q", "scheduleName": "s"}
RESOURCES = ("workflows", "steps", "queues", "schedules", "versions")
OURS = [
    row for row in TABLE if row.path.removeprefix("/v2/orgs/{orgName}/apps/{appName}/").startswith(RESOURCES)
]
WITH_BODY = [row for row in OURS if row.has_body]

Run = Callable[..., Any]


def path_of(row: AnyOperation, **names: str) -> str:
    return row.path.format(**{**NAMES, **names})


async def registered(api: Api) -> Api:
    assert (await api.client.put(APP)).status_code == 204
    return api


def test_the_rows_are_these(run: Run) -> None:
    assert (len(OURS), len(WITH_BODY)) == (31, 14)


def test_each_answers_404_for_an_application_or_organization_that_does_not_exist(run: Run) -> None:
    async def body(api: Api) -> None:
        await registered(api)
        for row in OURS:
            content = _smallest_body(row)
            for names in ({"appName": "nope"}, {"orgName": "elsewhere"}):
                answer = await api.client.request(row.method, path_of(row, **names), json=content)
                assert answer.status_code == 404, (row.operation_id, answer.text)

    run(body)


def _smallest_body(row: AnyOperation) -> Any:
    bodies = {
        "bulkCancelWorkflows": {"workflowIds": ["w"]},
        "bulkResumeWorkflows": {"workflowIds": ["w"]},
        "bulkDeleteWorkflows": {"workflowIds": ["w"]},
        "bulkForkWorkflowsFromFailure": {"workflowIds": ["w"], "fromStep": 1},
        "importWorkflow": {"serializedWorkflow": "x"},
        "backfillSchedule": {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"},
        "setLatestAppVersion": {"versionName": "1"},
        "getWorkflowAggregates": {"groupByStatus": True},
        "getStepAggregates": {"groupByStatus": True},
    }
    return bodies.get(row.operation_id)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b'{"a": \xff}', JSON, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        (b" " * 5_000, JSON, 413),
        (b"[]", JSON, 422),
        (b'{"noSuchProperty": 1}', JSON, 422),
    ],
)
def test_each_body_is_refused_with_the_fitting_status(
    run: Run, content: bytes, headers: dict[str, str], status: int
) -> None:
    async def body(api: Api) -> None:
        await registered(api)
        for row in WITH_BODY:
            headers_with_id = {**headers, "X-Request-Id": row.operation_id}
            answer = await api.client.request(
                row.method, path_of(row), content=content, headers=headers_with_id
            )
            assert answer.status_code == status, (row.operation_id, answer.text)
            assert answer.headers["content-type"] == PROBLEM
            assert answer.headers["x-request-id"] == row.operation_id
            assert (status == 422) == bool(answer.json().get("errors"))

    run(body)


def test_body_that_is_needed_is_422_when_it_is_missing(run: Run) -> None:
    async def body(api: Api) -> None:
        await registered(api)
        for row in WITH_BODY:
            if row.body_required:
                assert (await api.client.request(row.method, path_of(row))).status_code == 422

    run(body)


def test_every_fault_of_a_search_is_located(run: Run) -> None:
    async def body(api: Api) -> None:
        await registered(api)
        search = {
            "status": "PENDING",
            "workflowName": ["a", 5],
            "limit": -1,
            "offset": 2**63,
            "sortDesc": "yes",
            "startTime": "2026-01-01T00:00:00",
            "attributes": [],
            "nonsense": 1,
        }
        answer = await api.client.post(f"{APP}/workflows/search", json=search)
        assert answer.status_code == 422
        expected = {f"body.{name}" for name in search} - {"body.workflowName"} | {"body.workflowName[1]"}
        assert {error["location"] for error in answer.json()["errors"]} == expected

    run(body)


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "offset=-1", "limit=x", "limit=9223372036854775808", "limit=1&limit=2", "sortDesc=2"],
)
def test_query_of_a_listing_is_checked(run: Run, query: str) -> None:
    async def body(api: Api) -> None:
        await registered(api)
        answer = await api.client.get(f"{APP}/workflows?{query}")
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == [f"query.{query.split('=')[0]}"]

    run(body)


@pytest.mark.parametrize(
    ("operation", "body", "location"),
    [
        ("workflows/bulk-cancel", {"workflowIds": []}, "body.workflowIds"),
        ("workflows/bulk-delete", {"workflowIds": ["a", None]}, "body.workflowIds[1]"),
        ("workflows/bulk-resume", {"workflowIds": ["a"], "queueName": None}, "body.queueName"),
        ("workflows/w/fork", {"startStep": "1"}, "body.startStep"),
        ("workflows/w/fork", {"startStep": 2**31}, "body.startStep"),
        ("workflows/import", {"serializedWorkflow": ""}, "body.serializedWorkflow"),
        ("schedules/s/backfill", {"startTime": 5, "endTime": "2026-01-01T00:00:00Z"}, "body.startTime"),
    ],
)
def test_values_are_checked_and_located(run: Run, operation: str, body: Any, location: str) -> None:
    async def scenario(api: Api) -> None:
        await registered(api)
        answer = await api.client.post(f"{APP}/{operation}", json=body)
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == [location]

    run(scenario)


def test_wrong_method_tells_which_are_right(run: Run) -> None:
    async def body(api: Api) -> None:
        for path, allow in (
            ("workflows/w/cancel", "POST"),
            ("queues", "GET, HEAD"),
            ("versions/latest", "PATCH"),
            ("workflows/w", "DELETE, GET, HEAD"),
        ):
            answer = await api.client.put(f"{APP}/{path}")
            assert (answer.status_code, answer.headers["allow"]) == (405, allow)

    run(body)
