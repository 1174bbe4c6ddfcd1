"""Commands about workflows, queues, schedules and versions, answered by a real DBOS application."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.orders import Orders
from support.terminal import Terminal
from support.wait import wait_until

#: Workflows that the application starts besides the bulk.
BULK = 620


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    with Orders(tmp_path_factory.mktemp("orders")) as orders:
        orders.spawn("--bulk", str(BULK))
        orders.await_workflow(f"bulk-{BULK:05d}", "SUCCESS")
        for number in range(1, 5):
            orders.await_workflow(f"failing-{number}", "ERROR")
        yield orders


@pytest.fixture
def terminal(orders: Orders, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, URL=orders.conductor.url)


def test_list_without_a_limit_lists_all(terminal: Terminal) -> None:
    ids = terminal.ok("workflow", "list", "-o", "ids").splitlines()
    assert len(ids) == len(set(ids))
    assert {f"bulk-{number:05d}" for number in range(1, BULK + 1)} < set(ids)


def test_list_as_json_is_one_array_however_many_parts_it_comes_in(terminal: Terminal) -> None:
    workflows = json.loads(terminal.ok("workflow", "list", "--workflow-id-prefix", "bulk-", "-o", "json"))
    assert [workflow["workflowId"] for workflow in workflows] == [
        f"bulk-{number:05d}" for number in range(1, BULK + 1)
    ]
    assert json.loads(terminal.ok("workflow", "list", "--status", "NONE", "-o", "json")) == []


def test_list_as_a_table_aligns_columns_under_their_headings(terminal: Terminal) -> None:
    listing = ("workflow", "list", "--status", "ERROR", "--workflow-id-prefix", "failing-", "--limit", "2")
    heading, *rows = terminal.ok(*listing).splitlines()
    assert heading.split()[:3] == ["ID", "STATUS", "NAME"]
    assert [row.split()[:3] for row in rows] == [
        ["failing-1", "ERROR", "failing"],
        ["failing-2", "ERROR", "failing"],
    ]
    assert {row.index("ERROR") for row in rows} == {heading.index("STATUS")}


def test_list_takes_the_filters_of_the_api(terminal: Terminal) -> None:
    def ids(*filters: str) -> list[str]:
        return terminal.ok("workflow", "list", "-o", "ids", *filters).splitlines()

    assert ids("--workflow-name", "failing", "--sort-desc", "--limit", "1") == ["failing-4"]
    named = ("--workflow-ids", "failing-2", "--workflow-ids", "order-1")
    assert set(ids(*named)) == {"failing-2", "order-1"}
    assert ids(*named, "--offset", "1") == ids(*named)[1:]
    assert set(ids("--queue-name", "fulfilment")) == {"queued-1", "queued-2", "queued-3"}
    assert ids("--status", "SUCCESS", "--status", "ERROR", "--workflow-id-prefix", "failing", "--limit", "1")
    assert ids("--start-time", "now") == []
    assert len(ids("--start-time", "1h", "--end-time", "now", "--workflow-name", "failing")) == 4
    assert ids("--start-time", "2001-01-01T00:00:00Z", "--end-time", "2001-01-01T00:00:00+02:00") == []


def test_get_shows_every_property(terminal: Terminal, orders: Orders) -> None:
    shown = json.loads(terminal.ok("workflow", "get", "failing-1", "-o", "json"))
    assert shown == orders.get("/workflows/failing-1")
    lines = dict(line.split(maxsplit=1) for line in terminal.ok("workflow", "get", "failing-1").splitlines())
    assert (lines["workflowId"], lines["status"], lines["wasForkedFrom"]) == ("failing-1", "ERROR", "no")
    assert "refused: reason 1" in lines["error"]


def test_steps_and_events_are_listed(terminal: Terminal) -> None:
    steps = json.loads(terminal.ok("workflow", "steps", "failing-1", "-o", "json"))
    assert [step["stepName"] for step in steps] == ["reserve", "refuse"]
    assert terminal.ok("workflow", "steps", "failing-1", "--offset", "1", "-o", "ids") == "2\n"
    table = terminal.ok("workflow", "events", "order-1")
    assert "progress" in table
    assert "50" in table


def test_what_does_not_exist_is_exit_status_4(terminal: Terminal) -> None:
    for command in ("get", "steps", "events", "export", "cancel", "restart", "watch"):
        finished = terminal.run("workflow", command, "no-such-workflow")
        assert finished.status == 4, (command, finished)
        assert finished.out == "" or command == "restart"
        assert "no-such-workflow" in finished.err
    assert terminal.run("queue", "get", "no-such-queue").status == 4
    assert terminal.run("schedule", "get", "no-such-schedule").status == 4
    assert terminal.run("workflow", "list", "--app", "no-such-app").status == 4


def test_cancel_and_resume_one_and_many(terminal: Terminal, orders: Orders) -> None:
    assert terminal.ok("workflow", "cancel", "slow-1") == "Cancelled slow-1.\n"
    orders.await_workflow("slow-1", "CANCELLED")
    ids = "slow-2\n\n  \nslow-3\r\nslow-2\n"
    assert terminal.ok("workflow", "cancel", "-", stdin=ids) == "Cancelled 2 workflows.\n"
    orders.await_workflow("slow-2", "CANCELLED")
    orders.await_workflow("slow-3", "CANCELLED")
    assert terminal.ok("workflow", "resume", "slow-2", "-", "-o", "ids", stdin="slow-3") == "slow-2\nslow-3\n"
    orders.await_workflow("slow-2", "PENDING", "ENQUEUED")
    orders.await_workflow("slow-3", "PENDING", "ENQUEUED")


def test_no_ids_on_standard_input_are_nothing_to_do(terminal: Terminal) -> None:
    finished = terminal.run("workflow", "delete", "-", stdin="\n")
    assert (finished.status, finished.out) == (0, "")
    assert "nothing to do" in finished.err
    assert terminal.run("workflow", "delete").status == 2


def test_ids_of_one_command_feed_the_next(terminal: Terminal) -> None:
    ids = terminal.ok("workflow", "list", "--workflow-id-prefix", "bulk-0000", "-o", "ids")
    deleted = json.loads(terminal.ok("workflow", "delete", "-", "-o", "json", stdin=ids))
    assert deleted["workflowIds"] == ids.splitlines()
    assert len(ids.splitlines()) == 9
    assert terminal.ok("workflow", "list", "--workflow-id-prefix", "bulk-0000", "-o", "ids") == ""


def test_more_than_a_chunk_is_done_to_the_last_one(terminal: Terminal) -> None:
    ids = terminal.ok("workflow", "list", "--workflow-id-prefix", "bulk-001", "-o", "ids") + terminal.ok(
        "workflow", "list", "--workflow-id-prefix", "bulk-002", "-o", "ids"
    )
    assert len(ids.splitlines()) == 200
    assert terminal.ok("workflow", "delete", "-", stdin=ids + "bulk-00300\n") == "Deleted 201 workflows.\n"
    assert terminal.ok("workflow", "list", "--workflow-id-prefix", "bulk-002", "-o", "ids") == ""
    assert terminal.run("workflow", "get", "bulk-00300").status == 4


def test_fork_begins_where_it_is_told_to(terminal: Terminal, orders: Orders) -> None:
    forked = json.loads(
        terminal.ok("workflow", "fork", "order-1", "--new-workflow-id", "order-1b", "-o", "json")
    )
    assert forked == [{"workflowId": "order-1", "newWorkflowId": "order-1b"}]
    assert orders.get("/workflows/order-1b")["forkedFrom"] == "order-1"
    ids = terminal.ok(
        "workflow", "fork", "failing-1", "failing-2", "--from-last-failure", "-o", "ids"
    ).splitlines()
    assert [orders.get(f"/workflows/{id_}")["forkedFrom"] for id_ in ids] == ["failing-1", "failing-2"]
    ids = terminal.ok("workflow", "fork", "failing-3", "--start-step", "2", "-o", "ids").splitlines()
    assert orders.get(f"/workflows/{ids[0]}")["forkedFrom"] == "failing-3"


def test_fork_refuses_what_contradicts_itself(terminal: Terminal) -> None:
    both = terminal.run("workflow", "fork", "failing-1", "--from-last-step", "--start-step", "1")
    assert (both.status, "--start-step" in both.err) == (1, True)
    two = terminal.run("workflow", "fork", "failing-1", "failing-2", "--new-workflow-id", "x")
    assert (two.status, "--new-workflow-id" in two.err) == (1, True)


def test_one_that_cannot_be_forked_does_not_keep_the_others(terminal: Terminal) -> None:
    finished = terminal.run("workflow", "fork", "order-1", "nobody", "order-2", "-o", "json")
    assert finished.status == 4
    assert [copy["workflowId"] for copy in json.loads(finished.out)] == ["order-1", "order-2"]
    assert "nobody: There is no workflow" in finished.err


def test_restart_starts_anew(terminal: Terminal, orders: Orders) -> None:
    finished = terminal.run("workflow", "restart", "failing-4", "-o", "json")
    assert finished.status in (0, 1), finished
    if finished.status == 0:
        (copy,) = json.loads(finished.out)
        assert copy["workflowId"] == "failing-4"
    else:
        assert "SDK" in finished.err


def test_export_and_import_carry_a_workflow_over(terminal: Terminal, orders: Orders, tmp_path: Path) -> None:
    file = tmp_path / "exported"
    terminal.ok("workflow", "export", "bulk-00500", "--file", str(file))
    # The SDK stamps each export with its time.
    assert len(terminal.ok("workflow", "export", "bulk-00500")) == len(file.read_text())
    terminal.ok("workflow", "delete", "bulk-00500", "--yes")
    terminal.ok("workflow", "import", str(file))
    assert orders.get("/workflows/bulk-00500")["status"] == "SUCCESS"
    terminal.ok("workflow", "delete", "bulk-00500", "--yes")
    terminal.ok("workflow", "import", "-", stdin=file.read_text())
    assert orders.get("/workflows/bulk-00500")["output"]
    missing = terminal.run("workflow", "import", str(tmp_path / "missing"))
    assert (missing.status, "missing" in missing.err) == (1, True)


def test_watch_says_how_a_workflow_ended(terminal: Terminal) -> None:
    won = terminal.run("workflow", "watch", "order-1")
    assert won.status == 0, won
    assert won.out.splitlines()[-1].endswith("SUCCESS")
    assert any("step 1 reserve done" in line for line in won.out.splitlines())
    lost = terminal.run("workflow", "watch", "failing-1", "-o", "json")
    assert lost.status == 1
    sights = [json.loads(line) for line in lost.out.splitlines()]
    assert [sight.get("stepName") for sight in sights] == ["reserve", "refuse", None]
    assert [sight.get("failed", False) for sight in sights] == [False, True, False]
    assert sights[-1]["status"] == "ERROR"


def test_watch_follows_a_workflow_until_it_ends(terminal: Terminal, orders: Orders) -> None:
    late = terminal.run("workflow", "watch", "slow-6", "--timeout-secs", "1.5")
    assert (late.status, late.out.splitlines()[-1].split()[-1]) == (1, "PENDING")
    assert "not ended in time" in late.err
    orders.release()
    assert terminal.ok("workflow", "watch", "slow-6").splitlines()[-1].endswith("SUCCESS")
    assert terminal.ok("workflow", "watch", "slow-6", "-o", "ids") == "slow-6\n"


def test_queues_are_listed_and_shown(terminal: Terminal) -> None:
    assert "fulfilment" in terminal.ok("queue", "list", "-o", "ids").splitlines()
    table = terminal.ok("queue", "list")
    assert "100 in 1.5 s" in table
    assert json.loads(terminal.ok("queue", "get", "fulfilment", "-o", "json"))["workerConcurrency"] == 2


def test_schedules_are_listed_paused_resumed_triggered_and_backfilled(
    terminal: Terminal, orders: Orders
) -> None:
    assert terminal.ok("schedule", "list", "-o", "ids") == "nightly\n"
    assert terminal.ok("schedule", "list", "--schedule-name-prefix", "x", "-o", "ids") == ""
    terminal.ok("schedule", "pause", "nightly")
    assert json.loads(terminal.ok("schedule", "get", "nightly", "-o", "json"))["status"] == "PAUSED"
    terminal.ok("schedule", "resume", "nightly")
    assert "ACTIVE" in terminal.ok("schedule", "get", "nightly")
    triggered = terminal.ok("schedule", "trigger", "nightly").strip()
    orders.await_workflow(triggered, "SUCCESS", "PENDING", "ENQUEUED")
    missed = terminal.ok(
        "schedule", "backfill", "nightly", "--start-time", "2026-01-01T00:00:00Z", "--end-time",
        "2026-01-03T12:00:00Z",
    ).splitlines()  # fmt: skip
    assert len(missed) == 3
    assert terminal.run("schedule", "backfill", "nightly", "--start-time", "2h").status == 2


def test_versions_are_listed_and_the_latest_set(terminal: Terminal, orders: Orders) -> None:
    assert terminal.ok("version", "list", "-o", "ids") == "1.0.0\n"
    assert terminal.ok("version", "set-latest", "1.0.0") == "The latest version is 1.0.0.\n"
    assert terminal.run("version", "set-latest", "9.9.9").status == 4


def test_metrics_count_the_last_hour_unless_told_otherwise(terminal: Terminal) -> None:
    metrics = json.loads(terminal.ok("metrics", "-o", "json"))
    assert sum(metric["value"] for metric in metrics if metric["metricName"] == "ship") > BULK / 2
    heading, *rows = terminal.ok("metrics").splitlines()
    assert heading.split() == ["FROM", "SECONDS", "TYPE", "NAME", "VALUE"]
    assert rows
    long_ago = ("--start-time", "2001-01-01T00:00:00Z", "--end-time", "2001-01-01T01:00:00Z")
    assert "ship" not in terminal.ok("metrics", *long_ago)


def test_audit_log_names_what_commands_did(terminal: Terminal) -> None:
    terminal.ok("schedule", "pause", "nightly")
    terminal.ok("schedule", "resume", "nightly")
    entries = json.loads(terminal.ok("audit", "list", "--limit", "2", "-o", "json"))
    assert [entry["operation"] for entry in entries] == ["schedule.resume", "schedule.pause"]
    assert terminal.ok("audit", "list", "--operation", "schedule.pause").count("schedule.pause") >= 1
    assert len(terminal.ok("audit", "list", "--limit", "1", "-o", "ids").splitlines()) == 1


def test_application_and_its_executors_are_shown(terminal: Terminal, orders: Orders) -> None:
    executors = terminal.ok("app", "executors", "orders", "-o", "ids").splitlines()
    assert executors == list(orders.conductor.executors("orders"))
    terminal.ok("app", "update", "orders", "--executor-timeout-secs", "77", "--gc-rows-threshold", "5000")
    application = json.loads(terminal.ok("app", "get", "orders", "-o", "json"))
    assert (application["executorTimeoutSecs"], application["gcRowsThreshold"]) == (77, 5000)
    refused = terminal.run("app", "update", "orders", "--executor-timeout-secs", "0")
    assert (refused.status, "body.executorTimeoutSecs" in refused.err) == (1, True)
    assert terminal.run("app", "update", "orders").status == 2


def test_application_without_executors_is_exit_status_5(terminal: Terminal) -> None:
    terminal.ok("app", "register", "lonely")
    finished = terminal.run("workflow", "list", "--app", "lonely")
    assert (finished.status, finished.out) == (5, ""), finished
    choice = terminal.run("workflow", "list")
    assert (choice.status, "lonely, orders" in choice.err) == (2, True)
    terminal.ok("app", "delete", "lonely", "--yes")
    wait_until(lambda: terminal.run("queue", "list").status == 0, 10, "one application to be the only one")
