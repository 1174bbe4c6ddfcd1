"""How long the console's pages take the server beyond their executor's answers, by clock and by processor."""

import http.client
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmark import servers
from benchmark.control import BenchmarkError, Child
from benchmark.limits import processor_ms
from benchmark.servers import APPLICATION, Server

#: Rows of a listing, and steps of a workflow.
ROWS = 100
_APPLICATIONS = 50
#: Entries of the input that is looked at by itself; about 600 kB.
_PAYLOAD_ITEMS = 10_000
#: Longer than answers are shared, so that each round asks anew.
_ROUND_SECS = 1.2
_CONNECT_SECS = 30.0
_ANSWER_SECS = 30.0
_APP = f"/apps/{APPLICATION}"
_WORKFLOW = f"{_APP}/workflows/3f0c8a52-95d1-4b7e-9a6e-000000000000"
_HEADERS = {"Accept": "text/html", "Accept-Encoding": "gzip"}

#: Name of each page, and where it is.
PAGES = {
    "home": "/",
    "overview": _APP,
    "workflows": f"{_APP}/workflows",
    "workflow": _WORKFLOW,
    "timeline": f"{_WORKFLOW}?view=timeline",
    "graph": f"{_WORKFLOW}?view=graph",
    "payload": f"{_WORKFLOW}/payload?of=input",
    "queues": f"{_APP}/queues",
    "schedules": f"{_APP}/schedules",
    "executors": f"{_APP}/executors",
    "versions": f"{_APP}/versions",
    "alerts": f"{_APP}/alerts",
    "retention": f"{_APP}/retention",
    "autoscaling": f"{_APP}/autoscaling",
    "app_settings": f"{_APP}/settings",
    "audit": "/audit",
    "keys": "/keys",
    "users": "/users",
    "settings": "/settings",
    "preferences": "/preferences",
}


def pages_ms(folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Milliseconds of each page by its name.

    Returns:
        Percentiles for ``ours``, less what the executor took; for ``bare``, a route that answers with as many
        bytes; and for the processor time of both, ``ours_cpu`` and ``bare_cpu``. And the ``bytes``.

    Raises:
        BenchmarkError: a page was not as it should be.
    """
    with servers.conductor(folder) as server, servers.bare(folder) as bare:
        for number in range(_APPLICATIONS - 1):
            servers.register(server, f"other-{number:02d}")
        # What is done on a clock is not a page's time.
        servers.register(server, APPLICATION, snapshotsEnabled=False)
        url = server.url.replace("http", "ws") + server.path
        counts = (str(count) for count in (ROWS, ROWS, _PAYLOAD_ITEMS))
        with (
            Child.module("answering", folder / "answering.log", url, *counts) as executor,
            closing(_Browser(server)) as ours,
            closing(_Browser(bare)) as theirs,
        ):
            executor.read_line(_CONNECT_SECS)
            _await(server)
            return _measure(ours, theirs, executor, rounds)


class _Browser:
    """Fetches pages over one connection."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=_ANSWER_SECS)
        self._pid = server.child.pid

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def fetch(self, path: str) -> tuple[float, float, int]:
        """Milliseconds by the clock and of the server's processor time, and the bytes that came."""
        cpu_before, started = processor_ms(self._pid), time.perf_counter()
        self._connection.request("GET", path, headers=_HEADERS)
        answer = self._connection.getresponse()
        content = answer.read()
        took_ms = (time.perf_counter() - started) * 1_000
        if answer.status != 200:
            raise BenchmarkError(f"{path} answers with status {answer.status}.")
        return took_ms, processor_ms(self._pid) - cpu_before, len(content)


def _measure(ours: _Browser, bare: _Browser, executor: Child, rounds: int) -> dict[str, dict[str, Any]]:
    kinds = ("ours", "bare", "ours_cpu", "bare_cpu")
    found: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in kinds} for name in PAGES}
    sizes = {}
    # The first of each warms what is cached.
    for number in range(rounds + 1):
        ends_at = time.monotonic() + _ROUND_SECS
        for name, path in PAGES.items():
            executor.call("took")
            took_ms, cpu_ms, sizes[name] = ours.fetch(path)
            took_ms = max(0.0, took_ms - executor.call("took"))
            bare_ms, bare_cpu_ms, _ = bare.fetch(f"/page/{sizes[name]}")
            if number:
                for kind, value in zip(kinds, (took_ms, bare_ms, cpu_ms, bare_cpu_ms), strict=True):
                    found[name][kind].append(value)
        time.sleep(max(0.0, ends_at - time.monotonic()))
    return {
        name: {**{kind: _percentiles(values) for kind, values in figures.items()}, "bytes": sizes[name]}
        for name, figures in found.items()
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles([*values, *values], n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def _await(server: Server) -> None:
    deadline = time.monotonic() + _CONNECT_SECS
    while servers.healthy_executors(server) != 1:
        if time.monotonic() > deadline:
            raise BenchmarkError("The executor did not connect.")
        time.sleep(0.05)
