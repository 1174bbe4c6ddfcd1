"""`scripts/bench --quick`: that it measures all it promises. How fast anything is, is no test's business."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCH = [sys.executable, ROOT / "scripts" / "bench.py"]

FIGURES = {
    "start_used_folder",
    "start_new_folder",
    "memory_per_executor",
    "connect",
    "connect_dev",
    "round_trips",
    "p50",
    "p99",
    "recovery",
    "lag_nothing",
    "lag_storm",
    "lag_deaths",
    "lag_listing",
    "search",
}
PAGES = {
    "home",
    "overview",
    "workflows",
    "workflow",
    "timeline",
    "graph",
    "payload",
    "queues",
    "schedules",
    "executors",
    "versions",
    "alerts",
    "retention",
    "autoscaling",
    "app_settings",
    "audit",
    "keys",
    "users",
    "settings",
    "preferences",
}
PAGE_FIGURES = {f"page_{name}{suffix}" for name in PAGES for suffix in ("", "_cpu")}
#: Those for which issue and design name an aim.
JUDGED = {"start_used_folder", "start_new_folder", "memory_per_executor", "round_trips", "recovery", "search"}


@pytest.fixture(scope="module")
def report() -> Mapping[str, Any]:
    """One quick run."""
    ended = subprocess.run(
        [*BENCH, "--quick", "--json"], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert ended.returncode == 0, ended.stderr
    answer: Mapping[str, Any] = json.loads(ended.stdout)
    return answer


def test_every_figure_is_measured_on_both_servers(report: Mapping[str, Any]) -> None:
    assert set(report["figures"]) == FIGURES | PAGE_FIGURES
    for name, figure in report["figures"].items():
        assert figure["ours"] > 0, name
        assert figure["bare"] > 0, name
        assert figure["ratio"] == pytest.approx(figure["ours"] / figure["bare"]), name


def test_aims_are_judged_and_nothing_else_is(report: Mapping[str, Any]) -> None:
    judged = {name for name, figure in report["figures"].items() if figure["met"] is not None}
    assert judged == JUDGED | PAGE_FIGURES


def test_memory_is_read_at_several_counts_of_executors(report: Mapping[str, Any]) -> None:
    memory = report["details"]["memory_kib_by_executors"]
    assert memory["ours"].keys() == memory["bare"].keys()
    assert len(memory["ours"]) > 1


def test_pages_come_with_their_percentiles_and_their_rows(report: Mapping[str, Any]) -> None:
    pages = report["details"]["pages_ms"]
    assert pages.keys() == PAGES
    for name, page in pages.items():
        for kind in ("ours", "bare", "ours_cpu", "bare_cpu"):
            assert page[kind]["p50"] <= page[kind]["p95"] <= page[kind]["p99"], (name, kind)
    # A hundred rows are many bytes even when they are compressed; without an answer there are few.
    assert pages["workflows"]["bytes"] > pages["executors"]["bytes"] * 2
    assert pages["workflow"]["bytes"] > pages["executors"]["bytes"] * 2


def test_the_dead_are_all_recovered(report: Mapping[str, Any]) -> None:
    assert report["details"]["recovery_messages"] >= 1


def test_an_unknown_option_is_refused() -> None:
    ended = subprocess.run(
        [*BENCH, "--fast"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "--fast" in ended.stderr
