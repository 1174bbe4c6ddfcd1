"""Searching all workflows of a real DBOS application: over the API, and over a bare socket."""

import queue
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from benchmark import servers
from benchmark.control import BenchmarkError, Child
from conductor_lite.operations.workflows import PAGE_SIZE
from conductor_lite.protocol import ExecutorInfo, ListWorkflows, WorkflowFilters, encode

_CONNECT_SECS = 60.0
_MARK = b'"workflowId":'
_OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def search_secs(folder: Path, workflows: int, rounds: int) -> tuple[float, float]:
    """Seconds that a search of all takes through conductor-lite, and that its executor itself takes for it.

    Both ask a process of the same application for the same pages, in turns; the shortest of each counts.

    Raises:
        BenchmarkError: something was not as it should be.
    """
    with (
        servers.conductor(folder) as server,
        _application(folder, server.url.replace("http", "ws"), server.path.rpartition("/")[2], workflows),
        _bare_conductor() as (url, ask),
        _application(folder, url, "key", workflows),
    ):
        deadline = time.monotonic() + _CONNECT_SECS
        while servers.healthy_executors(server) != 1:
            if time.monotonic() > deadline:
                raise BenchmarkError("The application did not connect.")
            time.sleep(0.1)
        turns: tuple[list[float], list[float]] = ([], [])
        # The first of each warms what is cached.
        for _ in range(rounds + 1):
            for found, search in (
                (turns[0], lambda: _over_api(server.url)),
                (turns[1], lambda: _over_socket(ask)),
            ):
                began = time.perf_counter()
                count = search()
                found.append(time.perf_counter() - began)
                if count != workflows:
                    raise BenchmarkError(f"{count} of {workflows} workflows were found.")
    ours, bare = (min(found) for found in turns)
    return ours, bare


@contextmanager
def _application(folder: Path, url: str, key: str, workflows: int) -> Iterator[None]:
    arguments = (url, key, str(folder / "bench.sqlite"), str(workflows))
    with Child.module("application", folder / "application.log", *arguments) as child:
        # The SDK may print to standard output, too.
        while '"ready"' not in child.read_line(_CONNECT_SECS):
            pass
        yield


def _over_api(url: str) -> int:
    """Search all in one call; counts what comes without decoding it, as the other does."""
    request = urllib.request.Request(
        f"{url}/v2/orgs/local/apps/{servers.APPLICATION}/workflows/search",
        data=b"{}",
        headers={"Content-Type": "application/json"},
    )
    with _OPEN(request, timeout=120) as answer:
        content: bytes = answer.read()
    return content.count(_MARK)


def _over_socket(ask: Callable[[str], str]) -> int:
    """Ask the executor for page after page."""
    found = 0
    while True:
        filters = WorkflowFilters(limit=PAGE_SIZE, offset=found, load_input=False, load_output=False)
        page = ask(encode(ListWorkflows(body=filters), "1")).count('"WorkflowUUID":')
        found += page
        if page < PAGE_SIZE:
            return found


@contextmanager
def _bare_conductor() -> Iterator[tuple[str, Callable[[str], str]]]:
    """The least that an executor connects to: its URL, and a function that asks the executor."""
    questions: queue.Queue[str | None] = queue.Queue()
    answers: queue.Queue[str] = queue.Queue()

    def handle(socket: ServerConnection) -> None:
        try:
            socket.send(encode(ExecutorInfo(), "0"))
            socket.recv()
            while (question := questions.get()) is not None:
                socket.send(question)
                answers.put(str(socket.recv()))
        except ConnectionClosed:
            return

    def ask(question: str) -> str:
        questions.put(question)
        return answers.get(timeout=_CONNECT_SECS)

    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        try:
            yield f"ws://127.0.0.1:{port}", ask
        finally:
            questions.put(None)
            server.shutdown()
