"""Alerting rules and retention with a real executor: what it counts, what it is told, what it clears."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.orders import Orders
from support.process import Process
from support.wait import wait_until

#: Rules are judged every 15 seconds.
JUDGED_SECS = 120.0


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    """An application of this module's own, since its workflows go."""
    with Orders(tmp_path_factory.mktemp("alerts")) as orders:
        yield orders


@pytest.fixture(scope="module")
def executor(orders: Orders) -> Process:
    """Its one process, whose workflows have failed that are to fail."""
    executor = orders.spawn()
    for number in range(1, 5):
        orders.await_workflow(f"failing-{number}", "ERROR")
    return executor


def test_rules_fire_by_what_a_real_executor_counts_and_its_handler_is_told(
    orders: Orders, executor: Process
) -> None:
    def rule(rule_type: str, **metadata: object) -> None:
        orders.post("/alerting-rules", {"ruleType": rule_type, "ruleMetadata": metadata}, 201)

    rule("WorkflowFailure", workflow_name="failing", threshold=4, period_secs=3_600)
    rule("WorkflowFailure", workflow_name="order", threshold=1, period_secs=3_600)
    rule("SlowWorkflow", workflow_name="slow", threshold_secs=1)
    rule("SlowWorkflow", threshold_secs=3_600)
    rule("SlowQueue", threshold_secs=3_600)
    rule("ScheduleMissed", schedule_name="nightly")
    rule("StrandedVersion")

    def delivered() -> dict[str, Any] | None:
        found = {item["ruleType"]: item for item in orders.get("/alerts")}
        states = {delivery["state"] for item in found.values() for delivery in item["deliveries"]}
        return found if len(found) == 2 and states == {"delivered"} else None

    found = wait_until(delivered, JUDGED_SECS, "both alerts to be delivered")
    assert found is not None
    assert int(found["WorkflowFailure"]["metadata"]["failed_workflow_count"]) >= 4
    assert int(found["SlowWorkflow"]["metadata"]["slow_workflow_count"]) >= 1
    assert {item["metadata"]["workflow_name"] for item in found.values()} == {"failing", "slow"}
    told = [json.loads(line) for line in executor.output.splitlines() if line.startswith('{"alert"')]
    fired = [
        {"alert": name, "message": item["message"], "metadata": item["metadata"]}
        for name, item in found.items()
    ]
    assert sorted(told, key=str) == sorted(fired, key=str)


@pytest.mark.usefixtures("executor")
def test_retention_clears_what_its_preview_counts(orders: Orders) -> None:
    assert orders.call("PATCH", "", {"gcTimeThresholdMs": 0, "gcRowsThreshold": 1}).status_code == 204
    before = orders.get("/retention/preview")
    assert before["tooOldCount"] >= 4
    assert before["timedOutCount"] is None
    run = orders.post("/retention")
    assert (run["status"], run["error"]) == ("succeeded", None)
    after = orders.get("/retention/preview")
    assert after["tooOldCount"] <= 1
    assert after["totalCount"] <= before["totalCount"] - before["tooOldCount"] + 1
    assert orders.get("/retention")[0] == run
    assert orders.call("GET", "/workflows/failing-1").status_code == 404
    # What has not ended stays.
    assert orders.get("/workflows/slow-1")["status"] in ("PENDING", "ENQUEUED")
