"""Reading over the API what a real executor holds: workflows and what belongs to them, queues, schedules."""

import re
from typing import Any

import pytest
from support.orders import Orders

#: Properties that the workflow below has no value for.
NULL = [
    "workflowClass",
    "workflowConfig",
    "user",
    "assumedRole",
    "roles",
    "error",
    "queueName",
    "timeoutMs",
    "deadline",
    "deduplicationId",
    "queuePartitionKey",
    "forkedFrom",
    "parentWorkflowId",
    "dequeuedAt",
    "delayUntil",
    "attributes",
    "scheduleName",
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def ids(workflows: list[dict[str, Any]]) -> list[str]:
    return [workflow["workflowId"] for workflow in workflows]


def test_workflow_has_every_property_typed(orders: Orders) -> None:
    workflow = orders.get("/workflows/order-1")
    times = {name: workflow.pop(name) for name in ("createdAt", "updatedAt", "completedAt")}
    assert all(TIME.fullmatch(time) for time in times.values()), times
    assert workflow.pop("executorId") in orders.conductor.executors("orders")
    assert workflow == {
        "workflowId": "order-1",
        "status": "SUCCESS",
        "workflowName": "order",
        "input": "{'args': ('item 1',), 'kwargs': {}}",
        "output": "paid in cash: shipped item 1",
        "appVersion": "1.0.0",
        "applicationName": "orders",
        "priority": 0,
        "wasForkedFrom": False,
        **dict.fromkeys(NULL),
    }


def test_child_names_its_parent(orders: Orders) -> None:
    assert orders.get("/workflows/order-1-ship")["parentWorkflowId"] == "order-1"


def test_failed_workflow_tells_its_error(orders: Orders) -> None:
    workflow = orders.get("/workflows/failing-1")
    assert (workflow["status"], workflow["error"], workflow["output"]) == ("ERROR", "refused: reason 1", None)


def test_steps_come_in_order_with_outputs_errors_children_and_times(orders: Orders) -> None:
    steps = orders.get("/workflows/order-1/steps")
    assert [step["stepId"] for step in steps] == list(range(1, len(steps) + 1))
    assert (steps[0]["stepName"], steps[0]["output"]) == ("reserve", "reserved item 1")
    assert TIME.fullmatch(steps[0]["startedAt"])
    assert TIME.fullmatch(steps[0]["completedAt"])
    assert {step["childWorkflowId"] for step in steps} == {None, "order-1-ship"}
    failed = orders.get("/workflows/failing-1/steps")[-1]
    assert (failed["stepName"], failed["error"]) == ("refuse", "refused: reason 1")


def test_steps_obey_limit_and_offset(orders: Orders) -> None:
    every = orders.get("/workflows/order-1/steps")
    assert orders.get("/workflows/order-1/steps?limit=2&offset=1") == every[1:3]
    assert orders.get("/workflows/order-1/steps?offset=1000") == []
    assert orders.get("/workflows/order-1/steps?limit=0") == []


def test_events_notifications_and_streams_are_shown(orders: Orders) -> None:
    assert orders.get("/workflows/order-1/events") == [{"key": "progress", "value": "{'percent': 50}"}]
    (notification,) = orders.get("/workflows/order-1/notifications")
    assert TIME.fullmatch(notification.pop("createdAt"))
    assert notification == {"topic": "payment", "message": "paid in cash", "consumed": True}
    assert orders.get("/workflows/order-1/streams") == [{"key": "log", "values": ["reserved", "paid"]}]


@pytest.mark.parametrize("of_it", ["steps", "events", "notifications", "streams"])
def test_workflow_without_any_has_an_empty_list(orders: Orders, of_it: str) -> None:
    assert orders.get(f"/workflows/order-1-ship/{of_it}") == []


@pytest.mark.parametrize(
    "path",
    [
        "/workflows/nope",
        "/workflows/nope/steps",
        "/workflows/nope/events",
        "/workflows/nope/notifications",
        "/workflows/nope/streams",
        "/workflows/nope/export",
        "/queues/nope",
        "/schedules/nope",
    ],
)
def test_unknown_id_is_404(orders: Orders, path: str) -> None:
    answer = orders.call("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "nope" in answer.json()["detail"]


def test_list_shows_payloads_only_when_asked(orders: Orders) -> None:
    listed = {item["workflowId"]: item for item in orders.get("/workflows?workflowName=order")}
    assert listed.keys() == {"order-1", "order-2"}
    assert (listed["order-1"]["input"], listed["order-1"]["output"]) == (None, None)
    loaded = orders.get("/workflows?workflowName=order&loadInput=true&loadOutput=true")
    assert {item["output"] for item in loaded} == {
        "paid in cash: shipped item 1",
        "paid in cash: shipped item 2",
    }
    assert all("item" in item["input"] for item in loaded)


def test_list_obeys_limit_offset_status_and_order(orders: Orders) -> None:
    path = "/workflows?status=ERROR&workflowName=failing"
    ascending = ids(orders.get(path))
    assert {"failing-1", "failing-2"} <= set(ascending)
    assert ids(orders.get(f"{path}&limit=2&offset=1")) == ascending[1:3]
    assert ids(orders.get(f"{path}&limit=0")) == []
    assert ids(orders.get(f"{path}&offset=100000")) == []
    newest_first = orders.get("/workflows?sortDesc=true")
    times = [workflow["createdAt"] for workflow in newest_first]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"workflowIds": ["order-2", "order-1", "nope"]}, {"order-1", "order-2"}),
        (
            {"workflowIdPrefix": ["order-1", "queued-"]},
            {"order-1", "order-1-ship", *(["queued-1", "queued-2", "queued-3"])},
        ),
        ({"workflowName": ["order"], "status": ["SUCCESS", "ERROR"]}, {"order-1", "order-2"}),
        ({"workflowName": ["order"], "status": ["ERROR"]}, set()),
        ({"queueName": ["fulfilment"], "workflowIdPrefix": ["queued-1"]}, {"queued-1"}),
        ({"parentWorkflowId": ["order-1"]}, {"order-1-ship"}),
        ({"hasParent": True, "workflowIdPrefix": ["order-"]}, {"order-1-ship", "order-2-ship"}),
        ({"hasParent": False, "workflowIdPrefix": ["order-"]}, {"order-1", "order-2"}),
        ({"workflowName": ["order"], "appVersion": ["1.0.0"]}, {"order-1", "order-2"}),
        ({"workflowName": ["order"], "appVersion": ["other"]}, set()),
        ({"workflowName": ["order"], "user": ["someone"]}, set()),
        ({"workflowName": ["order"], "startTime": "2999-01-01T00:00:00Z"}, set()),
        ({"workflowName": ["order"], "endTime": "2999-01-01T00:00:00+02:00"}, {"order-1", "order-2"}),
        ({"workflowName": ["order"], "completedAfter": "2999-01-01T00:00:00Z"}, set()),
        ({"workflowName": ["order"], "completedBefore": "2999-01-01T00:00:00Z"}, {"order-1", "order-2"}),
        ({"workflowName": ["order"], "dequeuedAfter": "2000-01-01T00:00:00Z"}, set()),
        ({"workflowName": ["order"], "forkedFrom": ["nope"]}, set()),
        ({"workflowName": ["order"], "scheduleName": ["nope"]}, set()),
        ({"workflowName": ["order"], "executorId": ["nope"]}, set()),
        ({"workflowName": ["order"], "status": [], "user": None}, {"order-1", "order-2"}),
    ],
    # Sets come in another order in each process.
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_search_obeys_each_filter(orders: Orders, body: dict[str, Any], expected: set[str]) -> None:
    assert set(ids(orders.post("/workflows/search", body))) == expected


def test_filter_that_the_database_cannot_do_is_a_problem_with_the_executors_words(orders: Orders) -> None:
    answer = orders.call("POST", "/workflows/search", {"attributes": {"a": 1}})
    assert answer.status_code == 502
    assert "not supported on SQLite" in answer.json()["detail"]
    assert "\n" not in answer.json()["detail"]
    assert answer.json()["report"].count("\n") > 3
    assert "Traceback" in answer.json()["report"]


def test_search_without_a_body_finds_every_workflow_once(orders: Orders) -> None:
    found = ids(orders.post("/workflows/search"))
    assert len(found) == len(set(found))
    assert {"order-1", "failing-1", "queued-1"} <= set(found)


def test_aggregates_count_by_group_and_leave_out_what_was_not_asked(orders: Orders) -> None:
    body = {"workflowName": ["order"], "groupByStatus": True, "groupByWorkflowName": True}
    assert orders.post("/workflows/aggregates", {**body, "selectCount": True}) == [
        {"group": {"status": "SUCCESS", "name": "order"}, "count": 2}
    ]
    (row,) = orders.post("/workflows/aggregates", {**body, "selectMinCreatedAt": True})
    assert row.keys() == {"group", "minCreatedAt"}
    assert TIME.fullmatch(row["minCreatedAt"])
    (row,) = orders.post(
        "/workflows/aggregates", {**body, "selectMaxTotalLatencyMs": True, "timeBucketSizeMs": 10**12}
    )
    # SQLite keeps whole seconds of when a workflow was created.
    assert row["maxTotalLatencyMs"] >= 0
    assert row["group"]["time_bucket"].isdigit()


def test_step_aggregates_count_by_group(orders: Orders) -> None:
    body = {"workflowIdPrefix": ["failing-1"], "groupByFunctionName": True, "groupByStatus": True}
    counts = orders.post("/steps/aggregates", {**body, "stepName": ["refuse"], "selectCount": True})
    assert counts == [{"group": {"function_name": "refuse", "status": "ERROR"}, "count": 1}]
    (slowest,) = orders.post("/steps/aggregates", {**body, "status": ["ERROR"], "selectMaxDurationMs": True})
    assert slowest["maxDurationMs"] >= 0


@pytest.mark.parametrize("path", ["/workflows/aggregates", "/steps/aggregates"])
@pytest.mark.parametrize(
    ("body", "location"), [({}, "body"), ({"timeBucketSizeMs": 0}, "body.timeBucketSizeMs")], ids=str
)
def test_aggregates_without_groups_are_422(orders: Orders, path: str, body: Any, location: str) -> None:
    answer = orders.call("POST", path, body)
    assert answer.status_code == 422
    assert [error["location"] for error in answer.json()["errors"]] == [location]


def test_queue_tells_its_limits(orders: Orders) -> None:
    queue = orders.get("/queues/fulfilment")
    assert queue == {
        "name": "fulfilment",
        "concurrency": 4,
        "workerConcurrency": 2,
        "rateLimitMax": 100,
        "rateLimitPeriodSecs": 1.5,
        "priorityEnabled": False,
        "partitionQueue": False,
        "pollingIntervalSecs": 0.1,
        "applicationName": "orders",
        "partitionConcurrency": None,
        "partitionWorkerConcurrency": None,
        "partitionRateLimitMax": None,
        "partitionRateLimitPeriodSecs": None,
    }
    assert orders.get("/queues") == [queue]


def test_schedule_tells_its_cron_expression_and_context(orders: Orders) -> None:
    schedule = orders.get("/schedules/nightly")
    assert schedule.pop("scheduleId")
    assert schedule.pop("status") in ("ACTIVE", "PAUSED")
    assert schedule == {
        "scheduleName": "nightly",
        "workflowName": "report",
        "workflowClass": None,
        "cronExpression": "0 3 * * *",
        "context": "{'region': 'eu'}",
        "lastFiredAt": None,
        "automaticBackfill": False,
        "cronTimezone": "Europe/Berlin",
        "applicationName": "orders",
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["nightly"]),
        ("?workflowName=report", ["nightly"]),
        ("?workflowName=other", []),
        ("?scheduleNamePrefix=night", ["nightly"]),
        ("?scheduleNamePrefix=day", []),
        ("?status=ACTIVE", ["nightly"]),
        ("?status=PAUSED", []),
    ],
)
def test_schedules_are_listed_by_filter_without_contexts(
    orders: Orders, query: str, names: list[str]
) -> None:
    listed = orders.get(f"/schedules{query}")
    assert [schedule["scheduleName"] for schedule in listed] == names
    assert all(schedule["context"] is None for schedule in listed)


def test_schedules_are_listed_with_contexts_when_asked(orders: Orders) -> None:
    (schedule,) = orders.get("/schedules?loadContext=true")
    assert schedule["context"] == "{'region': 'eu'}"


def test_private_mode_hides_payloads_everywhere_and_shows_the_rest(orders: Orders) -> None:
    trigger = orders.post("/schedules/nightly/trigger", status=201)["workflowId"]
    orders.await_workflow(trigger, "SUCCESS")
    assert orders.call("PATCH", "", {"privateMode": True}).status_code == 204
    try:
        workflow = orders.get("/workflows/order-1")
        assert (workflow["status"], workflow["input"], workflow["output"]) == ("SUCCESS", None, None)
        assert orders.get("/workflows/failing-1")["error"] is None
        query = "?loadInput=true&loadOutput=true"
        body = {"loadInput": True, "loadOutput": True}
        for listed in (orders.get(f"/workflows{query}"), orders.post("/workflows/search", body)):
            assert {(item["input"], item["output"], item["error"]) for item in listed} == {(None, None, None)}
        for workflow_id in ("order-1", "failing-1"):
            steps = orders.get(f"/workflows/{workflow_id}/steps")
            assert {(step["output"], step["error"]) for step in steps} == {(None, None)}
        for of_it in ("events", "notifications", "streams", "export"):
            assert orders.call("GET", f"/workflows/order-1/{of_it}").status_code == 403
        assert orders.get("/schedules/nightly")["context"] is None
        assert orders.get("/schedules?loadContext=true")[0]["context"] is None
        refused = orders.call("POST", "/workflows/import", {"serializedWorkflow": "bm90IGd6aXA="})
        assert refused.status_code == 502
        assert "BadGzipFile" not in refused.text
        assert "Traceback" not in refused.text
    finally:
        assert orders.call("PATCH", "", {"privateMode": False}).status_code == 204
