"""The scrape endpoint: the published families, formats, filters, permissions, and what docs/ make of it."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import promql_parser
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.api import Api
from support.tools import require

from conductor_lite.auth.actor import local_actor
from conductor_lite.auth.permissions import ALL_PERMISSIONS
from conductor_lite.fleet.measurer import Open
from conductor_lite.fleet.measuring import LISTINGS, Measured, Window
from conductor_lite.fleet.views import ExecutorView
from conductor_lite.operations.scrape import PUBLISHED
from conductor_lite.store.metric_families import Group, Label

Run = Callable[..., Any]

DOCS = Path(__file__).parents[2] / "docs"
PREFIX = "dbos_conductor_v1_"
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}

#: Family, kind and further labels, as published.
FAMILIES = {
    "workflow_started_rate": "workflow_name queue_name",
    "workflow_dequeued_rate": "workflow_name queue_name",
    "workflow_success_rate": "workflow_name queue_name",
    "workflow_failed_rate": "workflow_name queue_name",
    "workflow_cancelled_rate": "workflow_name queue_name",
    "workflow_enqueued_count": "workflow_name queue_name",
    "workflow_pending_count": "workflow_name",
    "workflow_oldest_enqueued_timestamp_seconds": "workflow_name queue_name",
    "workflow_oldest_pending_timestamp_seconds": "workflow_name",
    "workflow_max_queue_wait_seconds": "workflow_name queue_name",
    "workflow_max_total_latency_seconds": "workflow_name queue_name",
    "step_success_rate": "step_name",
    "step_failed_rate": "step_name",
    "step_max_duration_seconds": "step_name",
    "executor_count": "status application_version",
}
#: Everything that a minute and the present may hold, each twice as much as the one before.
POINTS = {
    Label(family, first, second): 6.0 * 2**power
    for power, (family, first, second) in enumerate(
        [
            ("workflow_started", "pay", "q"),
            ("workflow_dequeued", "pay", "q"),
            ("workflow_succeeded", "pay", "q"),
            ("workflow_failed", "pay", "q"),
            ("workflow_cancelled", "pay", "q"),
            ("workflow_queue_wait_secs", "pay", "q"),
            ("workflow_latency_secs", "pay", "q"),
            ("step_succeeded", "reserve", ""),
            ("step_failed", "reserve", ""),
            ("step_duration_secs", "reserve", ""),
        ]
    )
}
WAITING = {
    Label("workflow_enqueued", "ship", "q"): 3.0,
    Label("workflow_enqueued_age_secs", "ship", "q"): 50.0,
    Label("workflow_pending", "pay"): 2.0,
    Label("workflow_pending_age_secs", "pay"): 100.0,
}


async def figures(api: Api, monkeypatch: pytest.MonkeyPatch, *names: str) -> Window:
    """Register applications that have all figures there are; gives the minute they are of."""
    measurer = api.operations.scrape._context.measurer
    end = int(time.time()) // 60 * 60
    window = Window(end - 60, end)
    now = api.operations.scrape._context.now()
    groups = {Group.STARTED, Group.FINISHED, Group.STEPS}
    ids = []
    for name in names:
        record = (await api.operations.applications.register(local_actor(None), name)).record
        ids.append(record.id)
        measurer.show(record.id, window, Measured(points=dict(POINTS), groups=set(groups)))
        board = measurer._board(record.id)
        board.open = Open(at=now, points=dict(WAITING), basis=LISTINGS)
        board.open_asked_at = float("inf")
    view = ExecutorView(
        application_id="",
        executor_id="e",
        application_version="v1",
        status="HEALTHY",
        created_at=now,
        updated_at=now,
        last_seen_at=now,
    )
    views = [
        view,
        msgspec.structs.replace(view, executor_id="f"),
        msgspec.structs.replace(view, status="DEAD"),
    ]
    monkeypatch.setattr(api.conductor.fleet, "executors", lambda id_: views if id_ in ids else [])
    return window


def gauges(families: Any) -> dict[str, dict[tuple[str, ...], tuple[float, float | None]]]:
    """Published families by name: samples by the values of their labels, in the published order."""
    found: dict[str, dict[tuple[str, ...], tuple[float, float | None]]] = {}
    for family in families:
        if family.name.startswith(PREFIX):
            name = family.name.removeprefix(PREFIX)
            assert family.type == "gauge", name
            samples = found.setdefault(name, {})
            for sample in family.samples:
                assert sample.name == family.name
                labels = ["application", *FAMILIES[name].split()]
                assert sorted(sample.labels) == sorted(labels), name
                stamp = None if sample.timestamp is None else float(sample.timestamp)
                samples[tuple(sample.labels[label] for label in labels)] = (sample.value, stamp)
    return found


def test_exactly_the_published_families_are_served_in_both_formats(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(api: Api) -> None:
        window = await figures(api, monkeypatch, "shop")
        stamp = float(window.end)
        text = await api.client.get("/v1/metrics")
        assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        found = gauges(parse_text(text.text))
        assert found.keys() == FAMILIES.keys()
        waiting = found.pop("workflow_oldest_enqueued_timestamp_seconds")
        running = found.pop("workflow_oldest_pending_timestamp_seconds")
        assert found == {
            "workflow_started_rate": {("shop", "pay", "q"): (0.1, stamp)},
            "workflow_dequeued_rate": {("shop", "pay", "q"): (0.2, stamp)},
            "workflow_success_rate": {("shop", "pay", "q"): (0.4, stamp)},
            "workflow_failed_rate": {("shop", "pay", "q"): (0.8, stamp)},
            "workflow_cancelled_rate": {("shop", "pay", "q"): (1.6, stamp)},
            "workflow_max_queue_wait_seconds": {("shop", "pay", "q"): (192, stamp)},
            "workflow_max_total_latency_seconds": {("shop", "pay", "q"): (384, stamp)},
            "step_success_rate": {("shop", "reserve"): (12.8, stamp)},
            "step_failed_rate": {("shop", "reserve"): (25.6, stamp)},
            "step_max_duration_seconds": {("shop", "reserve"): (3_072, stamp)},
            "workflow_enqueued_count": {("shop", "ship", "q"): (3, None)},
            "workflow_pending_count": {("shop", "pay"): (2, None)},
            "executor_count": {("shop", "HEALTHY", "v1"): (2, None), ("shop", "DEAD", "v1"): (1, None)},
        }
        ((oldest_waiting, _),) = waiting.values()
        ((oldest_running, _),) = running.values()
        assert oldest_waiting - oldest_running == pytest.approx(50)
        assert time.time() - oldest_waiting == pytest.approx(50, abs=20)
        openmetrics = await api.client.get("/v1/metrics", headers=OPENMETRICS)
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0;")
        assert openmetrics.text.endswith("# EOF\n")
        others = gauges(parse_openmetrics(openmetrics.text))
        for name in (
            "workflow_oldest_enqueued_timestamp_seconds",
            "workflow_oldest_pending_timestamp_seconds",
        ):
            others.pop(name)
        assert others == found

    run(body)


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=0.0.1", True),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.7", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
        (
            "application/vnd.google.protobuf;q=0.9, APPLICATION/OpenMetrics-Text ;q=0.8, text/plain;q=0.1",
            True,
        ),
    ],
)
def test_the_format_is_the_one_that_is_welcome(run: Run, accept: str, is_openmetrics: bool) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get("/v1/metrics", headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/openmetrics") == is_openmetrics

    run(body)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("applications=shop", {"shop"}),
        ("applications=shop&applications=bank", {"shop", "bank"}),
        ("applications=nobody", set()),
        ("workflow_names=nothing", set()),
        ("metrics=nothing", set()),
        ("metrics=dbos_conductor_v1_executor_count&applications=bank", {"bank"}),
        ("unheard=of", {"shop", "bank"}),
    ],
)
def test_filters_narrow_and_what_is_unknown_brings_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, query: str, expected: set[str]
) -> None:
    async def body(api: Api) -> None:
        await figures(api, monkeypatch, "shop", "bank")
        answer = await api.client.get(f"/v1/metrics?{query}")
        assert answer.status_code == 200
        found = gauges(parse_text(answer.text))
        assert {labels[0] for samples in found.values() for labels in samples} == expected

    run(body)


def test_filters_by_family_and_workflow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(api: Api) -> None:
        await figures(api, monkeypatch, "shop")
        two = "metrics=step_failed_rate&metrics=dbos_conductor_v1_executor_count&metrics=conductor_lite_info"
        answer = await api.client.get(f"/v1/metrics?{two}")
        assert {family.name for family in parse_text(answer.text)} == {
            PREFIX + "step_failed_rate",
            PREFIX + "executor_count",
            "conductor_lite_info",
        }
        answer = await api.client.get("/v1/metrics?workflow_names=ship")
        found = gauges(parse_text(answer.text))
        assert {name for name, samples in found.items() if samples} == {
            "workflow_enqueued_count",
            "workflow_oldest_enqueued_timestamp_seconds",
        }
        assert all("workflow_name" in FAMILIES[name] for name in found)

    run(body)


def test_a_key_sees_its_own_applications_and_nothing_else_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(api: Api) -> None:
        await figures(api, monkeypatch, "shop", "secret-bank")
        limited = await api.key("metric.read", app_names=["shop"])
        for query in ("", "?applications=secret-bank"):
            answer = await api.client.get(f"/v1/metrics{query}", headers=limited)
            assert answer.status_code == 200
            assert "secret-bank" not in answer.text
            assert "conductor_lite_" not in answer.text
        found = gauges(parse_text((await api.client.get("/v1/metrics", headers=limited)).text))
        assert {labels[0] for samples in found.values() for labels in samples} == {"shop"}
        without = await api.key(*(name for name in ALL_PERMISSIONS if name != "metric.read"))
        refused = await api.client.get("/v1/metrics", headers=without)
        assert refused.status_code == 403
        assert "metric.read" in refused.json()["detail"]
        wrong = await api.client.get("/v1/metrics", headers={"Authorization": "Bearer dbos_wrong"})
        assert wrong.status_code == 401
        assert wrong.headers["content-type"] == "application/problem+json"
        assert (await api.client.post("/v1/metrics")).status_code == 405

    run(body)


def test_figures_that_are_not_of_now_are_not_served_as_such(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(api: Api) -> None:
        window = await figures(api, monkeypatch, "shop")
        measurer = api.operations.scrape._context.measurer
        (id_,) = measurer._boards
        old = Window(window.start - 180, window.end - 180)
        measurer.show(id_, old, Measured(points=dict(POINTS), groups={Group.STARTED}))
        assert gauges(parse_text((await api.client.get("/v1/metrics")).text))["workflow_started_rate"] == {}
        # What was not asked for is unknown, and not zero.
        measurer.show(id_, window, Measured(points=dict(POINTS), groups={Group.STARTED}))
        found = gauges(parse_text((await api.client.get("/v1/metrics")).text))
        assert found["workflow_started_rate"]
        assert found["workflow_failed_rate"] == found["step_failed_rate"] == {}

    run(body)


def test_labels_of_any_kind_survive(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(api: Api) -> None:
        window = await figures(api, monkeypatch, "shop")
        measurer = api.operations.scrape._context.measurer
        (id_,) = measurer._boards
        odd = 'a "b"\\c\nd } é{x="y"} 😀'
        points = {Label("workflow_started", odd, "q,"): 60.0}
        measurer.show(id_, window, Measured(points=points, groups={Group.STARTED}))
        for headers, parse in (({}, parse_text), (OPENMETRICS, parse_openmetrics)):
            answer = await api.client.get("/v1/metrics", headers=headers)
            found = gauges(parse(answer.text))["workflow_started_rate"]
            assert ("shop", odd, "q,") in found

    run(body)


def test_the_conductors_own_health_is_told_to_those_who_see_everything(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(api: Api) -> None:
        await figures(api, monkeypatch, "shop")
        await api.client.get("/healthz")
        for headers, parse in (({}, parse_text), (OPENMETRICS, parse_openmetrics)):
            text = (await api.client.get("/v1/metrics", headers=headers)).text
            families = {family.name: family for family in parse(text)}
            own = {name for name in families if name.startswith("conductor_lite_")}
            assert own == set(re.findall(r"`(conductor_lite_\w+)` \|", (DOCS / "metrics.md").read_text()))
            requests = families["conductor_lite_http_request_duration_seconds"]
            counts = [s.value for s in requests.samples if s.name.endswith("_bucket")]
            assert counts == sorted(counts)
            assert counts[-1] >= 1
            (size,) = families["conductor_lite_database_size_bytes"].samples
            assert size.value > 0
            lag = families["conductor_lite_policy_lag_seconds"]
            assert {"metrics", "orphan sweep"} <= {sample.labels["policy"] for sample in lag.samples}
            bases = {
                s.labels["metrics_from"]: s.value for s in families["conductor_lite_applications"].samples
            }
            assert bases == {"aggregates": 1, "listings": 0, "none": 0}

    run(body)


def _served_names() -> set[str]:
    own = set(re.findall(r"`(conductor_lite_\w+)` \|", (DOCS / "metrics.md").read_text()))
    histograms = {name for name in own if name.endswith("_duration_seconds")}
    buckets = {f"{name}_{suffix}" for name in histograms for suffix in ("bucket", "count", "sum")}
    return {PREFIX + family.name for family in PUBLISHED} | (own - histograms) | buckets


def _names_in(queries: str) -> set[str]:
    return set(re.findall(r"\b(?:dbos_conductor|conductor_lite)_\w+", queries))


def test_the_dashboard_and_the_alert_rules_ask_only_for_what_is_served() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    queries += [v["definition"] for v in dashboard["templating"]["list"] if "definition" in v]
    alerts = (DOCS / "prometheus-alerts.yml").read_text()
    in_dashboard, in_alerts = _names_in("\n".join(queries)), _names_in(alerts)
    assert in_dashboard <= _served_names()
    assert in_alerts <= _served_names()
    # Nothing that is served is left off the dashboard.
    assert {PREFIX + family.name for family in PUBLISHED} <= in_dashboard
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def _dashboard_queries() -> list[str]:
    """What Grafana asks, with what it puts in before."""
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [query.replace("$__rate_interval", "5m").replace("$application", "shop|bank") for query in queries]


def test_every_query_is_understood_by_prometheus_own_grammar() -> None:
    queries = _dashboard_queries()
    groups = yaml.safe_load((DOCS / "prometheus-alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    assert queries
    for query in [*queries, *(rule["expr"] for rule in rules)]:
        promql_parser.parse(query)
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        promql_parser.parse_duration(rule.get("for", "1s"))
    with pytest.raises(ValueError, match="parenthesis"):
        promql_parser.parse("sum(rate(x[5m])")


def test_the_docs_name_every_published_family_with_its_labels() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (rate|now|window) \| ([^|]+) \|", (DOCS / "metrics.md").read_text(), re.MULTILINE
    )
    assert {name: labels.replace(",", "") for name, _, labels in rows} == FAMILIES
    kinds = {"rate": "rate", "window": "window", "count": "now", "since": "now", "executors": "now"}
    assert {name: kind for name, kind, _ in rows} == {family.name: kinds[family.kind] for family in PUBLISHED}


def _promtool(*arguments: str | Path, given: str | None = None) -> str:
    """What Prometheus' own judge says."""
    command = [require("promtool"), *arguments]
    judged = subprocess.run(command, input=given, capture_output=True, text=True)
    # Of metrics it would name some families otherwise than they are published, and what it cannot parse it
    # calls an error.
    is_well = judged.returncode == 0 or arguments[1] == "metrics"
    assert is_well, judged.stdout + judged.stderr
    assert "error" not in judged.stderr.lower(), judged.stderr
    return judged.stdout


def test_promtool_finds_no_fault_with_rules_dashboard_and_exposition(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    require("promtool")
    rules = DOCS / "prometheus-alerts.yml"
    groups = yaml.safe_load(rules.read_text())["groups"]
    count = sum(len(group["rules"]) for group in groups)
    assert f"{count} rules found" in _promtool("check", "rules", rules)
    # Queries of the dashboard, as rules that record.
    queries = _dashboard_queries()
    recorded = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    dashboard = tmp_path / "dashboard.yml"
    dashboard.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    assert f"{len(queries)} rules found" in _promtool("check", "rules", dashboard)

    async def body(api: Api) -> str:
        await figures(api, monkeypatch, "shop")
        return (await api.client.get("/v1/metrics")).text

    _promtool("check", "metrics", given=run(body))


SHOP = 'application="shop"'
FAILED = f'workflow_failed_rate{{{SHOP}, workflow_name="pay"}}'
SUCCEEDED = f'workflow_success_rate{{{SHOP}, workflow_name="pay"}}'
#: Series as Prometheus is to have scraped them once a minute, and what then fires after a quarter of an hour.
ALERTED: list[tuple[dict[str, str], set[str]]] = [
    ({f'executor_count{{{SHOP}, status="DEAD"}}': "1x20"}, {"DbosNoExecutor", "DbosDeadExecutor"}),
    ({f'executor_count{{{SHOP}, status="HEALTHY"}}': "1x20"}, set()),
    ({FAILED: "0.1x20", SUCCEEDED: "0.5x20"}, {"DbosWorkflowsFailing", "DbosFailureRatioHigh"}),
    ({FAILED: "0.001x20"}, {"DbosFailureRatioHigh"}),
    ({FAILED: "0.001x20", SUCCEEDED: "0.1x20"}, set()),
    ({FAILED: "0x20"}, set()),
    ({f'workflow_oldest_enqueued_timestamp_seconds{{{SHOP}, queue_name="q"}}': "0x20"}, {"DbosQueueStuck"}),
    (
        {f'workflow_oldest_pending_timestamp_seconds{{{SHOP}, workflow_name="pay"}}': "-90000x20"},
        {"DbosWorkflowRunsLong"},
    ),
    ({f'step_failed_rate{{{SHOP}, step_name="charge"}}': "0.1x20"}, {"DbosStepsFailing"}),
    ({"conductor_lite_policy_failures{policy='alerts'}": "3x20"}, {"ConductorPolicyFailing"}),
    ({"conductor_lite_policy_lag_seconds{policy='alerts'}": "61x20"}, {"ConductorPolicyLate"}),
    ({"conductor_lite_policy_lag_seconds{policy='alerts'}": "59x20"}, set()),
    ({"conductor_lite_writes_waiting": "51x20"}, {"ConductorWritesQueueUp"}),
    (
        {
            'conductor_lite_executor_request_duration_seconds_bucket{le="5.0"}': "0x20",
            'conductor_lite_executor_request_duration_seconds_bucket{le="10.0"}': "0+9x20",
            'conductor_lite_executor_request_duration_seconds_bucket{le="+Inf"}': "0+9x20",
        },
        {"ConductorExecutorsAnswerSlowly"},
    ),
]


def test_rules_fire_in_prometheus_itself(tmp_path: Path) -> None:
    require("promtool")
    rules = DOCS / "prometheus-alerts.yml"
    groups = yaml.safe_load(rules.read_text())["groups"]
    names = [rule["alert"] for group in groups for rule in group["rules"]]
    assert set().union(*(fires for _, fires in ALERTED)) == set(names)
    tests = [
        {
            "interval": "1m",
            "input_series": [
                {"series": name if name.startswith("conductor_lite_") else PREFIX + name, "values": values}
                for name, values in series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f'count by (alertname) (ALERTS{{alertstate="firing", alertname="{name}"}})',
                    "eval_time": "15m",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}]
                    if name in fires
                    else [],
                }
                for name in names
            ],
        }
        for series, fires in ALERTED
    ]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(rules)], "tests": tests}))
    assert "SUCCESS" in _promtool("test", "rules", file)
