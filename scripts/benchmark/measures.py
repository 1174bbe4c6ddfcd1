"""What is measured, and how: each function gives the figures of one server, or of one after the other."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark import servers
from benchmark.control import BenchmarkError, Child
from benchmark.limits import memory_bytes
from benchmark.servers import EXECUTOR_TIMEOUT_SECS, Server

_SETTLE_SECS = 1.5

Start = Callable[[Path], AbstractContextManager[Server]]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of everything."""

    #: Executors of each memory reading, in ascending order.
    idle_executors: tuple[int, ...]
    #: Executors that connect at once.
    storm: int
    #: Executors that die at once.
    deaths: int
    #: Executors that are asked, and callers that ask.
    asked_executors: int
    callers: int
    #: Seconds of asking per turn.
    asking_secs: float
    #: Workflows in one listing.
    workflows: int
    #: Workflows that a real application holds, and that are searched.
    searched_workflows: int
    #: Repetitions of what varies.
    rounds: int
    #: How often each page of the console is looked at.
    page_rounds: int


DEFAULT = Size(
    idle_executors=(500, 1_000, 2_000),
    storm=2_000,
    deaths=500,
    asked_executors=100,
    callers=64,
    asking_secs=2.5,
    workflows=5_000,
    searched_workflows=10_000,
    rounds=3,
    page_rounds=40,
)
QUICK = Size(
    idle_executors=(50, 100),
    storm=100,
    deaths=20,
    asked_executors=10,
    callers=8,
    asking_secs=0.3,
    workflows=200,
    searched_workflows=1_000,
    rounds=1,
    page_rounds=2,
)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of its own, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="conductor-lite-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(start: Start) -> Iterator[tuple[Server, Child]]:
    """One server, and a process for its executors."""
    with scratch() as folder, start(folder) as server, servers.executors(folder) as fleet:
        yield server, fleet


def connect(server: Server, fleet: Child, prefix: str, count: int) -> float:
    """Connect that many executors; returns the seconds until all were registered."""
    secs: float = fleet.call("connect", 120, url=server.url, path=server.path, prefix=prefix, count=count)
    return secs


def idle_memory(start: Start, size: Size) -> dict[int, float]:
    """KiB of memory per idle executor, by how many there are."""
    with running(start) as (server, fleet):
        # What the first connections bring into memory is not theirs.
        connect(server, fleet, "first", 10)
        time.sleep(_SETTLE_SECS)
        before = memory_bytes(server.child.pid)
        found: dict[int, float] = {}
        there = 0
        for count in size.idle_executors:
            connect(server, fleet, f"idle{count}", count - there)
            there = count
            time.sleep(_SETTLE_SECS)
            found[count] = (memory_bytes(server.child.pid) - before) / count / 1024
        _require_all_there(fleet, there + 10)
        return found


def storm_secs(start: Start, size: Size) -> float:
    """Seconds for many executors to connect and register at once."""
    with running(start) as (server, fleet):
        secs = connect(server, fleet, "storm", size.storm)
        _require_all_there(fleet, size.storm)
        if server.application_id and (healthy := servers.healthy_executors(server)) != size.storm:
            raise BenchmarkError(f"{healthy} of {size.storm} executors are registered.")
        return secs


def round_trips(size: Size) -> tuple[dict[str, float], dict[str, float]]:
    """The best turn of conductor-lite and of the bare server, which take turns under the same conditions."""
    turns: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    with running(servers.driven_conductor) as (ours, our_fleet), running(servers.bare) as (bare, bare_fleet):
        connect(ours, our_fleet, "asked", size.asked_executors)
        connect(bare, bare_fleet, "asked", size.asked_executors)
        for _ in range(size.rounds):
            for server, found in ((ours, turns[0]), (bare, turns[1])):
                server.child.call("collect")
                found.append(server.child.call("round_trips", callers=size.callers, secs=size.asking_secs))
    ours_best, bare_best = (max(found, key=lambda turn: turn["per_sec"]) for found in turns)
    return ours_best, bare_best


def recovery_ms(start: Start, size: Size) -> dict[str, float]:
    """Milliseconds from the timeout of many who died at once to the last recovery frame about them.

    Returns:
        ``ms``, the median of several rounds, and in how many ``messages`` it came at most.
    """
    rounds: list[float] = []
    messages = 0.0
    with running(start) as (server, fleet):
        connect(server, fleet, "survivor", 1)
        for number in range(size.rounds):
            prefix = f"mortal{number}"
            connect(server, fleet, prefix, size.deaths)
            time.sleep(0.5)
            cut_at = fleet.call("cut", prefix=prefix)
            asked = fleet.call("recoveries", count=size.deaths, timeout_secs=120.0)
            rounds.append((asked["at"] - cut_at - EXECUTOR_TIMEOUT_SECS) * 1000)
            messages = max(messages, asked["messages"])
            # Let it finish with this round's dead.
            time.sleep(1.0)
    return {"ms": statistics.median(rounds), "messages": messages}


def start_secs(size: Size) -> tuple[float, float, float]:
    """Seconds from start to the first answer: conductor-lite on a new folder, on a used one, bare.

    The shortest of several each: the work is always the same, and whatever else the machine does only adds.
    """
    new: list[float] = []
    used: list[float] = []
    bare: list[float] = []
    for _ in range(size.rounds):
        with scratch() as folder:
            for found in (new, used, used):
                with servers.conductor(folder, bare_start=True) as server:
                    found.append(server.start_secs)
            with servers.bare(folder) as server:
                bare.append(server.start_secs)
    return min(new), min(used), min(bare)


def lags_ms(start: Start, size: Size) -> dict[str, float]:
    """The largest lag of the server's event loop in milliseconds, by what went on meanwhile."""
    found: dict[str, float] = {}
    with running(start) as (server, fleet):
        fleet.call("hold_workflows", count=size.workflows)

        @contextmanager
        def during(what: str) -> Iterator[None]:
            server.child.call("collect")
            server.child.call("start_lag")
            yield
            time.sleep(0.5)
            found[what] = server.child.call("stop_lag")

        with during("nothing"):
            pass
        with during("storm"):
            # Its end includes writing the records of all of them.
            connect(server, fleet, "storm", size.storm)
        connect(server, fleet, "mortal", size.deaths)
        with during("deaths"):
            fleet.call("cut", prefix="mortal")
        with during("listing"):
            server.child.call("list_workflows", times=5)
    return found


def _require_all_there(fleet: Child, count: int) -> None:
    there = fleet.call("count")
    if there != count:
        raise BenchmarkError(f"Only {there} of {count} executors are still connected.")
