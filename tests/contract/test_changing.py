"""Changing over the API what a real executor holds, and the audit entry that each attempt leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.orders import Orders
from support.wait import wait_until


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """An application of this module's own, since its workflows change."""
    with Orders(tmp_path_factory.mktemp("changing")) as orders:
        orders.spawn()
        for number in range(1, 5):
            orders.await_workflow(f"failing-{number}", "ERROR")
        yield orders


def audited(orders: Orders, operation: str, target: str) -> list[tuple[str, Any]]:
    """Status and error of each entry of an operation on a target, oldest first."""
    entries = [entry for entry in orders.conductor.audit(operation) if entry["target"] == target]
    return [(entry["status"], entry.get("error")) for entry in entries]


def change(orders: Orders, method: str, path: str, body: object = None) -> int:
    return orders.call(method, path, body).status_code


def test_cancelled_workflow_is_cancelled_and_may_be_resumed(orders: Orders) -> None:
    assert change(orders, "POST", "/workflows/slow-1/cancel") == 204
    assert orders.get("/workflows/slow-1")["status"] == "CANCELLED"
    assert change(orders, "POST", "/workflows/slow-1/resume", {}) == 204
    assert orders.get("/workflows/slow-1")["status"] in ("ENQUEUED", "PENDING")
    assert audited(orders, "workflow.cancel", "slow-1") == [("success", None)]
    assert audited(orders, "workflow.resume", "slow-1") == [("success", None)]


def test_resumed_workflow_goes_to_the_queue_that_is_named(orders: Orders) -> None:
    assert change(orders, "POST", "/workflows/slow-2/cancel", {"cancelChildren": True}) == 204
    assert change(orders, "POST", "/workflows/slow-2/resume", {"queueName": "fulfilment"}) == 204
    assert orders.get("/workflows/slow-2")["queueName"] == "fulfilment"


def test_fork_runs_again_under_the_id_that_is_given_or_a_new_one(orders: Orders) -> None:
    body = {"startStep": 2, "newWorkflowId": "fork-of-1", "appVersion": "1.0.0"}
    assert orders.post("/workflows/failing-1/fork", body, 201) == {"workflowId": "fork-of-1"}
    fork = orders.await_workflow("fork-of-1", "ERROR")
    assert fork["forkedFrom"] == "failing-1"
    assert orders.get("/workflows/failing-1")["wasForkedFrom"] is True
    other = orders.post("/workflows/failing-1/fork", None, 201)["workflowId"]
    assert orders.await_workflow(other, "ERROR")["forkedFrom"] == "failing-1"
    found = orders.post("/workflows/search", {"forkedFrom": ["failing-1"]})
    assert {item["workflowId"] for item in found} == {"fork-of-1", other}
    assert audited(orders, "workflow.fork", "failing-1") == [("success", None)] * 2


def test_restart_runs_again_from_the_first_step(orders: Orders) -> None:
    assert orders.post("/workflows/failing-2/restart", None, 201) == {"workflowId": None}
    (again,) = orders.post("/workflows/search", {"forkedFrom": ["failing-2"]})
    assert again["workflowName"] == "failing"
    assert audited(orders, "workflow.restart", "failing-2") == [("success", None)]


def test_rewind_is_501_for_it_is_in_no_message_of_the_protocol(orders: Orders) -> None:
    answer = orders.call("POST", "/workflows/failing-3/rewind", {"startStep": 1})
    assert answer.status_code == 501
    assert "fork" in answer.json()["detail"]
    ((status, _),) = audited(orders, "workflow.rewind", "failing-3")
    assert status == "failure"


def test_deleted_workflow_is_gone(orders: Orders) -> None:
    orders.post("/workflows/failing-4/fork", {"newWorkflowId": "to-delete"}, 201)
    orders.await_workflow("to-delete", "ERROR")
    assert change(orders, "DELETE", "/workflows/to-delete?deleteChildren=true") == 204
    assert change(orders, "GET", "/workflows/to-delete") == 404
    assert change(orders, "DELETE", "/workflows/to-delete") == 404
    ((done, _), (refused, why)) = audited(orders, "workflow.delete", "to-delete")
    assert (done, refused) == ("success", "failure")
    assert "to-delete" in why


def test_exported_workflow_can_be_imported_after_it_was_deleted(orders: Orders) -> None:
    orders.await_workflow("order-1", "SUCCESS")
    exported = orders.get("/workflows/order-1/export?exportChildren=true")
    before = orders.get("/workflows/order-1/steps")
    assert change(orders, "DELETE", "/workflows/order-1?deleteChildren=true") == 204
    assert change(orders, "GET", "/workflows/order-1-ship") == 404
    assert change(orders, "POST", "/workflows/import", exported) == 201
    assert orders.get("/workflows/order-1/steps") == before
    assert orders.get("/workflows/order-1-ship")["parentWorkflowId"] == "order-1"
    assert audited(orders, "workflow.import", "orders") == [("success", None)]


def test_import_of_rubbish_is_the_executors_error(orders: Orders) -> None:
    count = len(audited(orders, "workflow.import", "orders"))
    answer = orders.call("POST", "/workflows/import", {"serializedWorkflow": "cnViYmlzaA=="})
    assert answer.status_code == 502
    problem = answer.json()
    assert problem["report"].strip().splitlines()[-1] == problem["detail"]
    assert "Traceback" in problem["report"]
    assert audited(orders, "workflow.import", "orders")[count:] == [("failure", problem["detail"])]


def test_bulk_changes_reach_every_workflow_named_and_pass_over_unknown_ones(orders: Orders) -> None:
    ids = ["slow-3", "slow-4", "nope", "slow-3"]
    assert change(orders, "POST", "/workflows/bulk-cancel", {"workflowIds": ids}) == 204
    assert {orders.get(f"/workflows/{id_}")["status"] for id_ in ids[:2]} == {"CANCELLED"}
    assert change(orders, "POST", "/workflows/bulk-resume", {"workflowIds": ids[:2]}) == 204
    assert {orders.get(f"/workflows/{id_}")["status"] for id_ in ids[:2]} <= {"ENQUEUED", "PENDING"}
    change(orders, "POST", "/workflows/bulk-cancel", {"workflowIds": ids})
    body = {"workflowIds": ids, "deleteChildren": False}
    assert change(orders, "POST", "/workflows/bulk-delete", body) == 204
    assert orders.post("/workflows/search", {"workflowIds": ids}) == []
    (deletion,) = orders.conductor.audit("workflow.bulk_delete")
    assert (deletion["workflow_count"], deletion["done"]) == (3, 3)
    assert deletion["workflow_ids"] == ["slow-3", "slow-4", "nope"]
    assert len(orders.conductor.audit("workflow.bulk_cancel")) == 2
    assert len(orders.conductor.audit("workflow.bulk_resume")) == 1


@pytest.mark.parametrize(
    "start",
    [{"fromLastFailure": True}, {"fromLastStep": True}, {"fromStep": 2}, {"fromStepName": "refuse"}],
    ids=str,
)
def test_bulk_fork_gives_an_id_for_each_in_order(orders: Orders, start: dict[str, Any]) -> None:
    ids = ["failing-4", "failing-3"]
    body = {"workflowIds": ids, "appVersion": "1.0.0", **start}
    forks = orders.post("/workflows/bulk-fork-from-failure", body)["workflowIds"]
    assert [orders.await_workflow(fork, "ERROR")["forkedFrom"] for fork in forks] == ids


def test_bulk_fork_of_an_unknown_workflow_is_404_and_forks_none(orders: Orders) -> None:
    before = orders.post("/workflows/search", {"forkedFrom": ["order-2"]})
    orders.await_workflow("order-2", "SUCCESS")
    body = {"workflowIds": ["order-2", "nope"], "fromStep": 1}
    answer = orders.call("POST", "/workflows/bulk-fork-from-failure", body)
    assert answer.status_code == 404
    assert "'nope'" in answer.json()["detail"]
    assert orders.post("/workflows/search", {"forkedFrom": ["order-2"]}) == before


@pytest.mark.parametrize(
    "body",
    [
        {"workflowIds": ["failing-3"]},
        {"workflowIds": ["failing-3"], "fromStep": 1, "fromLastStep": True},
        {"workflowIds": ["failing-3"], "fromLastStep": False},
    ],
    ids=str,
)
def test_bulk_fork_from_no_step_or_several_is_422(orders: Orders, body: dict[str, Any]) -> None:
    answer = orders.call("POST", "/workflows/bulk-fork-from-failure", body)
    assert answer.status_code == 422
    assert [error["location"] for error in answer.json()["errors"]] == ["body"]


def test_schedule_is_paused_resumed_triggered_and_backfilled(orders: Orders) -> None:
    assert change(orders, "POST", "/schedules/nightly/pause") == 204
    assert [s["scheduleName"] for s in orders.get("/schedules?status=PAUSED")] == ["nightly"]
    assert change(orders, "POST", "/schedules/nightly/resume") == 204
    assert orders.get("/schedules/nightly")["status"] == "ACTIVE"
    started = orders.post("/schedules/nightly/trigger", None, 201)["workflowId"]
    assert "{'region': 'eu'}" in orders.await_workflow(started, "SUCCESS")["output"]
    period = {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-04T00:00:00+01:00"}
    filled = orders.post("/schedules/nightly/backfill", period)["workflowIds"]
    assert len(filled) == 3
    assert orders.await_workflow(filled[0].replace("+", "%2B"), "SUCCESS")["workflowId"] == filled[0]
    for operation in ("pause", "resume", "trigger", "backfill"):
        assert audited(orders, f"schedule.{operation}", "nightly") == [("success", None)]


@pytest.mark.parametrize("end", ["2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "2027-01-06T00:00:00Z"])
def test_backfill_of_no_period_or_too_long_a_one_is_422_and_audited(orders: Orders, end: str) -> None:
    count = len(audited(orders, "schedule.backfill", "nightly"))
    period = {"startTime": "2026-01-04T00:00:00Z", "endTime": end}
    answer = orders.call("POST", "/schedules/nightly/backfill", period)
    assert [error["location"] for error in answer.json()["errors"]] == ["body.endTime"]
    (entry,) = audited(orders, "schedule.backfill", "nightly")[count:]
    assert entry[0] == "failure"


@pytest.mark.parametrize("action", ["pause", "resume", "trigger"])
def test_unknown_schedule_is_404_and_audited(orders: Orders, action: str) -> None:
    assert change(orders, "POST", f"/schedules/nope/{action}") == 404
    ((status, why),) = audited(orders, f"schedule.{action}", "nope")
    assert status == "failure"
    assert "nope" in why


@pytest.mark.parametrize("action", ["cancel", "resume", "restart", "rewind", "fork"])
def test_action_on_an_unknown_workflow_is_404_and_audited(orders: Orders, action: str) -> None:
    assert change(orders, "POST", f"/workflows/nope/{action}") == 404
    ((status, why),) = audited(orders, f"workflow.{action}", "nope")
    assert status == "failure"
    assert "nope" in why


MUTATIONS = [
    ("POST", "/workflows/slow-5/cancel", None, "workflow.cancel", "slow-5"),
    ("POST", "/workflows/slow-5/resume", None, "workflow.resume", "slow-5"),
    ("POST", "/workflows/slow-5/restart", None, "workflow.restart", "slow-5"),
    ("POST", "/workflows/slow-5/rewind", None, "workflow.rewind", "slow-5"),
    ("POST", "/workflows/slow-5/fork", None, "workflow.fork", "slow-5"),
    ("DELETE", "/workflows/slow-5", None, "workflow.delete", "slow-5"),
    ("POST", "/workflows/import", {"serializedWorkflow": "x"}, "workflow.import", "orders"),
    ("POST", "/workflows/bulk-cancel", {"workflowIds": ["slow-5"]}, "workflow.bulk_cancel", "orders"),
    ("POST", "/workflows/bulk-resume", {"workflowIds": ["slow-5"]}, "workflow.bulk_resume", "orders"),
    ("POST", "/workflows/bulk-delete", {"workflowIds": ["slow-5"]}, "workflow.bulk_delete", "orders"),
    (
        "POST",
        "/workflows/bulk-fork-from-failure",
        {"workflowIds": ["slow-5"], "fromStep": 1},
        "workflow.fork_from_failure",
        "orders",
    ),
    ("POST", "/schedules/nightly/pause", None, "schedule.pause", "nightly"),
    ("POST", "/schedules/nightly/resume", None, "schedule.resume", "nightly"),
    ("POST", "/schedules/nightly/trigger", None, "schedule.trigger", "nightly"),
    (
        "POST",
        "/schedules/nightly/backfill",
        {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"},
        "schedule.backfill",
        "nightly",
    ),
    (
        "PATCH",
        "/versions/latest",
        {"versionName": "1.0.0"},
        "application.set_latest_version",
        "orders",
    ),
]


@pytest.fixture(scope="module")
def keys(orders: Orders) -> dict[str, dict[str, str]]:
    """Headers of a key that only reads, and of one that may do all in another application."""
    orders.conductor.register("elsewhere")
    reader = orders.conductor.make_key("reader", "application.read")
    outsider = orders.conductor.make_key(
        "outsider", "application.read", "application.write", app_names=["elsewhere"]
    )
    return {
        name: {"Authorization": f"Bearer {key}"} for name, key in (("reader", reader), ("outsider", outsider))
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "operation", "target"), MUTATIONS, ids=[row[3] for row in MUTATIONS]
)
@pytest.mark.parametrize(("who", "status"), [("reader", 403), ("outsider", 404)])
def test_refused_change_does_nothing_and_is_audited_once(
    orders: Orders,
    keys: dict[str, dict[str, str]],
    method: str,
    path: str,
    body: object,
    operation: str,
    target: str,
    who: str,
    status: int,
) -> None:
    count = len(audited(orders, operation, target))
    before = orders.get("/workflows/slow-5")
    answer = orders.call(method, path, body, headers=keys[who])
    assert answer.status_code == status, answer.text
    assert orders.get("/workflows/slow-5") == before
    ((outcome, why),) = audited(orders, operation, target)[count:]
    assert (outcome, why) == ("failure", answer.json()["detail"])


def test_key_for_some_applications_sees_only_those(orders: Orders, keys: dict[str, dict[str, str]]) -> None:
    outsider = keys["outsider"]
    names = [app["name"] for app in orders.client.get("/apps", headers=outsider).json()]
    assert names == ["elsewhere"]
    for path in ("", "/workflows", "/workflows/slow-5", "/queues", "/schedules", "/versions"):
        assert orders.call("GET", path, headers=outsider).status_code == 404
        assert orders.call("GET", path, headers=keys["reader"]).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/workflows", "/workflows/slow-5", "/workflows/slow-5/steps", "/queues", "/schedules", "/versions"],
)
def test_reading_without_the_permission_is_403(orders: Orders, path: str) -> None:
    key = orders.conductor.make_key(f"writer-{path.replace('/', '-')}", "application.write")
    answer = orders.call("GET", path, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403
    assert "application.read" in answer.json()["detail"]


def test_versions_are_listed_latest_first_and_resume_needs_an_executor_of_the_latest(
    tmp_path: Path,
) -> None:
    with Orders(tmp_path) as orders:
        older = orders.spawn(version="1.0.0")
        newer = orders.spawn(version="2.0.0", populate=False)
        assert [row["versionName"] for row in orders.get("/versions")] == ["2.0.0", "1.0.0"]
        assert change(orders, "POST", "/workflows/slow-1/cancel") == 204
        newer.kill()
        wait_until(
            lambda: list(orders.conductor.statuses("orders").values()).count("HEALTHY") == 1,
            30,
            "the newer executor to be missed",
        )
        refused = orders.call("POST", "/workflows/slow-1/resume")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert "2.0.0" in refused.json()["detail"]
        assert orders.get("/workflows/slow-1")["status"] == "CANCELLED"
        body = {"workflowIds": ["slow-1"]}
        assert change(orders, "POST", "/workflows/bulk-resume", body) == 503
        assert change(orders, "PATCH", "/versions/latest", {"versionName": "3.0.0"}) == 404
        assert change(orders, "PATCH", "/versions/latest", {"versionName": "1.0.0"}) == 204
        wait_until(
            lambda: [row["versionName"] for row in orders.get("/versions")] == ["1.0.0", "2.0.0"],
            5,
            "the older version to be the latest",
        )
        assert change(orders, "POST", "/workflows/slow-1/resume") == 204
        older.kill()
        wait_until(lambda: orders.get("")["status"] == "UNAVAILABLE", 30, "the older executor to be missed")
        for path in ("/queues", "/schedules/nightly", "/versions"):
            answer = orders.call("GET", path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert change(orders, "POST", "/workflows/slow-1/cancel") == 503
        assert audited(orders, "workflow.cancel", "slow-1")[-1][0] == "failure"
