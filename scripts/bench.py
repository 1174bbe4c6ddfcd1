"""Runs the benchmark: `scripts/bench [--quick] [--json]`.

It fails only when it could not measure: whether an aim is met is for people to judge, machines differ.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

from benchmark import measures, servers
from benchmark.control import BenchmarkError
from benchmark.limits import raise_open_files
from benchmark.measures import DEFAULT, QUICK, Size
from benchmark.pages import pages_ms
from benchmark.report import Row, as_json, as_table
from benchmark.searching import search_secs

_PAGE_MS = 30.0
_MEMORY_RATIO, _ROUND_TRIP_RATIO, _SEARCH_RATIO, _RECOVERY_MS, _START_SECS = 1.6, 0.5, 1.25, 200.0, 1.0


def main() -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measures conductor-lite beside a bare uvicorn and Starlette server.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds' run: looks right, proves nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    size = _fitting(QUICK if options.quick else DEFAULT)
    started = time.monotonic()
    details: dict[str, Any] = {"size": vars(size)}
    try:
        rows = measure(size, details)
    except BenchmarkError as error:
        print(f"Could not measure: {error}", file=sys.stderr)
        return 1
    details["took_secs"] = round(time.monotonic() - started, 1)
    if options.json:
        print(json.dumps(as_json(rows, details), indent=2))
        return 0
    print(as_table(rows))
    by_count = ", ".join(
        f"{count}: {kib:.1f} (bare {details['memory_kib_by_executors']['bare'][count]:.1f})"
        for count, kib in details["memory_kib_by_executors"]["ours"].items()
    )
    print(f"\nMemory in KiB per executor, by executors connected: {by_count}.")
    print(f"Recovery of the dead came in at most {details['recovery_messages']:.0f} message(s).")
    print(
        f"Best of {size.rounds} for start and round trips, median for recovery;"
        f" took {details['took_secs']:.0f} s."
    )
    return 0


def measure(size: Size, details: dict[str, Any]) -> list[Row]:
    """Measure everything; ``details`` takes what is no figure of its own.

    Raises:
        BenchmarkError: something could not be measured.
    """
    return [
        *_start(size),
        *_memory(size, details),
        *_storm(size),
        *_round_trips(size),
        *_recovery(size, details),
        *_lags(size),
        *_search(size),
        *_pages(size, details),
    ]


def _start(size: Size) -> list[Row]:
    _say("start to ready")
    new, used, bare = measures.start_secs(size)
    row = partial(Row, unit="s", bare=bare, aim=_START_SECS)
    return [
        row(name="start_used_folder", title="Start to ready", ours=used),
        row(name="start_new_folder", title="Start to ready, new data folder", ours=new),
    ]


def _memory(size: Size, details: dict[str, Any]) -> list[Row]:
    _say("memory")
    ours = measures.idle_memory(servers.conductor, size)
    bare = measures.idle_memory(servers.bare, size)
    details["memory_kib_by_executors"] = {"ours": ours, "bare": bare}
    most = size.idle_executors[-1]
    return [
        Row(
            name="memory_per_executor",
            title="Memory per idle executor",
            unit="KiB",
            ours=ours[most],
            bare=bare[most],
            aim_ratio=_MEMORY_RATIO,
        )
    ]


def _storm(size: Size) -> list[Row]:
    _say("connecting")
    bare = measures.storm_secs(servers.bare, size)
    row = partial(Row, unit="s", bare=bare)
    title = f"Connect and register {size.storm:,}"
    return [
        row(name="connect", title=title, ours=measures.storm_secs(servers.conductor, size)),
        row(
            name="connect_dev",
            title=f"{title}, --dev",
            ours=measures.storm_secs(partial(servers.conductor, dev=True), size),
        ),
    ]


def _round_trips(size: Size) -> list[Row]:
    _say("round trips")
    ours, bare = measures.round_trips(size)
    return [
        Row(
            name="round_trips",
            title="Command round trips",
            unit="per s",
            ours=ours["per_sec"],
            bare=bare["per_sec"],
            aim_ratio=_ROUND_TRIP_RATIO,
            at_least=True,
        ),
        Row(name="p50", title="  their median", unit="ms", ours=ours["p50_ms"], bare=bare["p50_ms"]),
        Row(name="p99", title="  their 99th percentile", unit="ms", ours=ours["p99_ms"], bare=bare["p99_ms"]),
    ]


def _recovery(size: Size, details: dict[str, Any]) -> list[Row]:
    _say("recovery")
    ours = measures.recovery_ms(servers.conductor, size)
    bare = measures.recovery_ms(servers.bare, size)
    details["recovery_messages"] = ours["messages"]
    return [
        Row(
            name="recovery",
            title=f"Timeout to recovery frame, {size.deaths} dead",
            unit="ms",
            ours=ours["ms"],
            bare=bare["ms"],
            aim=_RECOVERY_MS,
        )
    ]


def _lags(size: Size) -> list[Row]:
    _say("lag of the event loop")
    ours = measures.lags_ms(servers.driven_conductor, size)
    bare = measures.lags_ms(servers.bare, size)
    titles = {
        "nothing": "Largest lag, idle",
        "storm": f"Largest lag, {size.storm:,} connecting",
        "deaths": f"Largest lag, {size.deaths} sockets cut",
        "listing": f"Largest lag, listing {size.workflows:,} workflows",
    }
    return [
        Row(name=f"lag_{what}", title=title, unit="ms", ours=ours[what], bare=bare[what])
        for what, title in titles.items()
    ]


def _search(size: Size) -> list[Row]:
    _say("a search")
    with measures.scratch() as folder:
        ours, bare = search_secs(folder, size.searched_workflows, size.rounds)
    return [
        Row(
            name="search",
            title=f"Search {size.searched_workflows:,} workflows (bare: their executor alone)",
            unit="s",
            ours=ours,
            bare=bare,
            aim_ratio=_SEARCH_RATIO,
        )
    ]


def _pages(size: Size, details: dict[str, Any]) -> list[Row]:
    _say("the console's pages")
    with measures.scratch() as folder:
        details["pages_ms"] = found = pages_ms(folder, size.page_rounds)
    return [
        Row(
            name=f"page_{name}{suffix}",
            title=f"Page: {name.replace('_', ' ')}, p95{words}",
            unit="ms",
            ours=page[f"ours{suffix}"]["p95"],
            bare=page[f"bare{suffix}"]["p95"],
            aim=_PAGE_MS,
        )
        for name, page in found.items()
        for suffix, words in (("", " beyond its executor"), ("_cpu", " of processor time"))
    ]


def _fitting(size: Size) -> Size:
    """The size, made smaller where this machine does not allow enough open files."""
    most = raise_open_files()
    if most >= size.storm + size.deaths:
        return size
    print(
        f"This machine allows {most} sockets per process, so fewer executors than usual are measured; "
        "raise the limit of open files (ulimit -n).",
        file=sys.stderr,
    )
    fits = max(10, (most - size.deaths) // 2)
    idle = tuple(min(count, fits * (n + 1) // 3) for n, count in enumerate(size.idle_executors))
    return replace(size, storm=min(size.storm, fits), idle_executors=idle)


def _say(what: str) -> None:
    print(f"Measuring {what} …", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
