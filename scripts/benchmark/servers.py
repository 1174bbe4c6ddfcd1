"""Starts the servers under test: conductor-lite as users run it, with a driver inside, and the bare one."""

import json
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.control import BenchmarkError, Child

APPLICATION = "bench"
EXECUTOR_TIMEOUT_SECS = 2
_START_SECS = 30.0
_ANSWER_SECS = 30.0
_OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


@dataclass(frozen=True, kw_only=True)
class Server:
    """One running server."""

    child: Child
    url: str
    #: Where its executors connect; holds an API key.
    path: str
    #: Seconds from starting the process until it answered a request.
    start_secs: float
    #: Id of the application; empty for the bare server.
    application_id: str = ""


@contextmanager
def bare(folder: Path) -> Iterator[Server]:
    """The yardstick."""
    with Child.module("bare", folder / "bare.log", str(EXECUTOR_TIMEOUT_SECS)) as child:
        url = json.loads(child.read_line(_START_SECS))["url"]
        start_secs = _answered(url) - child.started_at
        yield Server(child=child, url=url, path=f"/websocket/{APPLICATION}/key", start_secs=start_secs)


@contextmanager
def conductor(folder: Path, *, dev: bool = False, bare_start: bool = False) -> Iterator[Server]:
    """``conductor-lite serve`` on a data folder.

    Args:
        folder: where the data folder is, or is made.
        dev: with ``--dev``: no key is checked.
        bare_start: only start it, with neither application nor key.
    """
    command = [
        sys.executable,
        "-m",
        "conductor_lite",
        "serve",
        "--port",
        "0",
        "--data-dir",
        str(folder / "data"),
    ]
    # The benchmark's own settings, whatever this shell or folder has.
    environment = {"CONDUCTOR_LITE_EXECUTOR_TIMEOUT_SECS": str(EXECUTOR_TIMEOUT_SECS)}
    with Child([*command, "--dev"] if dev else command, folder / "conductor.log", environment) as child:
        ready = child.read_line(_START_SECS)
        url = next((word for word in ready.split() if word.startswith("http")), None)
        if url is None:
            raise BenchmarkError(f"conductor-lite is not ready but says: {ready}")
        start_secs = _answered(url) - child.started_at
        if bare_start:
            yield Server(child=child, url=url, path="", start_secs=start_secs)
        else:
            yield _prepared(child, url, start_secs)


@contextmanager
def driven_conductor(folder: Path) -> Iterator[Server]:
    """conductor-lite with a driver inside."""
    with Child.module("instrumented", folder / "driven.log", str(folder / "driven")) as child:
        url = json.loads(child.read_line(_START_SECS))["url"]
        server = _prepared(child, url, _answered(url) - child.started_at)
        child.call("drive", application_id=server.application_id)
        yield server


@contextmanager
def executors(folder: Path) -> Iterator[Child]:
    """The process that all executors live in."""
    with Child.module("executors", folder / "executors.log") as child:
        yield child


def register(server: Server, name: str, **settings: object) -> None:
    """Register one more application, or change the settings of one that is there."""
    _call(server.url, "PUT", f"/v2/orgs/local/apps/{name}", {})
    if settings:
        _call(server.url, "PATCH", f"/v2/orgs/local/apps/{name}", settings)


def healthy_executors(server: Server) -> int:
    """How many executors conductor-lite shows as healthy."""
    rows = _call(server.url, "GET", f"/v2/orgs/local/apps/{APPLICATION}/executors")
    return sum(1 for row in rows if row["status"] == "HEALTHY")


def _prepared(child: Child, url: str, start_secs: float) -> Server:
    _call(url, "PUT", f"/v2/orgs/local/apps/{APPLICATION}", {})
    application = _call(url, "GET", f"/v2/orgs/local/apps/{APPLICATION}")
    key = _call(url, "POST", "/v2/orgs/local/tokens/bench", {})["token"]
    return Server(
        child=child,
        url=url,
        path=f"/websocket/{APPLICATION}/{key}",
        start_secs=start_secs,
        application_id=application["id"],
    )


def _answered(url: str) -> float:
    try:
        with _OPEN(f"{url}/healthz", timeout=_ANSWER_SECS) as answer:
            answer.read()
    except OSError as error:
        raise BenchmarkError(f"The server at {url} does not answer: {error}.") from error
    return time.monotonic()


def _call(url: str, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
    request = urllib.request.Request(
        url + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with _OPEN(request, timeout=_ANSWER_SECS) as answer:
            content = answer.read()
    except OSError as error:
        raise BenchmarkError(f"{method} {path} failed: {error}.") from error
    return json.loads(content) if content else None
