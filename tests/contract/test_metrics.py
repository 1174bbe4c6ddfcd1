"""Metrics of a real application: what really happened, minute by minute, in charts and in a scrape."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse
from support.orders import Orders
from support.wait import wait_until

#: A minute must end, be over for some seconds, and a round must come.
DEADLINE_SECS = 240.0


def _sums(orders: Orders, *families: str) -> dict[tuple[str, str], float]:
    """What was counted in the last hours, by family and the first label."""
    now = datetime.now(UTC)
    query = {
        "families": ",".join(families),
        "startTime": (now - timedelta(hours=2)).isoformat(),
        "endTime": (now + timedelta(minutes=1)).isoformat(),
    }
    answer = orders.call("GET", "/metrics/series", params=query)
    assert answer.status_code == 200, answer.text
    sums: dict[tuple[str, str], float] = {}
    for series in answer.json()["series"]:
        key = (series["family"], next(iter(series["labels"].values())))
        sums[key] = sums.get(key, 0) + sum(value or 0 for value in series["values"])
    return sums


def test_what_really_happened_is_counted_and_scraped(orders: Orders) -> None:
    # Other tests of this package may have run some again since; of `ship`, those that were enqueued.
    least = {
        ("workflow_started", "failing"): 4,
        ("workflow_failed", "failing"): 4,
        ("step_failed", "refuse"): 4,
        ("workflow_started", "slow"): 6,
        ("workflow_dequeued", "ship"): 3,
    }

    def counted() -> bool:
        sums = _sums(orders, *{family for family, _ in least})
        return all(sums.get(key, 0) >= count for key, count in least.items())

    wait_until(counted, DEADLINE_SECS, f"the minutes of {least}")
    answer = orders.client.get(f"{orders.conductor.url}/v1/metrics")
    families: dict[str, Any] = {
        family.name.removeprefix("dbos_conductor_v1_"): family for family in parse(answer.text)
    }
    executors = {tuple(sorted(s.labels.items())): s.value for s in families["executor_count"].samples}
    labels = {"application": "orders", "status": "HEALTHY", "application_version": "1.0.0"}
    assert executors[tuple(sorted(labels.items()))] >= 1
    started = [s for s in families["workflow_started_rate"].samples if s.labels["workflow_name"] == "failing"]
    (sample,) = {s.labels["queue_name"]: s for s in started if s.labels["queue_name"] == ""}.values()
    assert sample.timestamp % 60 == 0
    pending = {s.labels["workflow_name"]: s.value for s in families["workflow_pending_count"].samples}
    running = orders.post("/workflows/search", {"status": ["PENDING"], "workflowName": ["slow"]})
    assert pending.get("slow", 0) == len(running)
    bases = {s.labels["metrics_from"]: s.value for s in families["conductor_lite_applications"].samples}
    assert bases["aggregates"] >= 1


def test_what_was_recommended_is_kept_beside_the_executors_that_there_were(orders: Orders) -> None:
    def charted() -> dict[str, Any] | None:
        now = datetime.now(UTC)
        period = {
            "startTime": (now - timedelta(hours=1)).isoformat(),
            "endTime": now.isoformat(),
            "resolutionSecs": 60,
        }
        answer = orders.call("GET", "/autoscale/history", params=period)
        assert answer.status_code == 200, answer.text
        chart: dict[str, Any] = answer.json()
        families = {series["family"] for series in chart["series"]}
        return chart if {"desired_executors", "healthy_executors"} <= families else None

    chart = wait_until(charted, DEADLINE_SECS, "a minute in which executors were recommended")
    assert chart is not None
    assert chart["stepSecs"] == 60
    (wanted,) = [series for series in chart["series"] if series["family"] == "desired_executors"]
    assert wanted["labels"] == {"application_version": "1.0.0", "queue_name": "fulfilment"}
    assert len(wanted["values"]) == chart["steps"]
    # Nothing waits there for long, and one executor of the latest version is always wanted.
    assert {value for value in wanted["values"] if value is not None} == {1}
    (healthy,) = [series for series in chart["series"] if series["family"] == "healthy_executors"]
    assert healthy["labels"] == {"application_version": "1.0.0"}
    assert max(value for value in healthy["values"] if value is not None) >= 1
