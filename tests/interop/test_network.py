"""The network between executors and the conductor breaks: for a moment, for good, or without a sound."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.proxy import Mode
from support.scene import Scene
from support.wait import wait_for, wait_until

_ESTABLISHED = "01"
PINGS = {"ping_interval_secs": 0.5, "ping_timeout_secs": 1.0}


def test_an_executor_that_returns_within_its_timeout_is_not_recovered(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(executor_timeout_secs=6)
        proxy = scene.proxy()
        scene.hold()
        app, other = scene.spawn(start=3, via=proxy), scene.spawn()
        scene.start(app, other)
        seen: list[str] = []

        def status(wanted: str) -> bool:
            seen.append(conductor.statuses()[app.executor_id])
            return seen[-1] == wanted

        for _ in range(2):
            proxy.set(Mode.REFUSE)
            proxy.cut()
            wait_until(lambda: status("DISCONNECTED"), 10, "the cut to be noticed")
            wait_until(lambda: proxy.refused, 10, "it to be turned away once")
            proxy.set(Mode.PASS)
            wait_until(lambda: status("HEALTHY"), 10, "it to return")
        scene.release()
        scene.await_success(3, steps=3)
        assert "DEAD" not in seen
        assert set(scene.steps_done().values()) == {1}
        assert not scene.lines_of(other)
        assert conductor.audit() == []


def test_an_executor_frozen_for_less_than_its_timeout_is_not_recovered(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(executor_timeout_secs=8, **PINGS)
        scene.hold()
        app, other = scene.spawn(start=2), scene.spawn()
        scene.start(app, other)
        scene.await_lines_of(app, 2)
        app.send_signal(signal.SIGSTOP)
        scene.await_status(app, "DISCONNECTED")
        app.send_signal(signal.SIGCONT)
        scene.await_status(app, "HEALTHY")
        scene.release()
        scene.await_success(2, steps=3)
        assert set(scene.steps_done().values()) == {1}
        assert conductor.audit() == []


def test_a_half_open_connection_is_noticed_and_its_executor_recovered(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(**PINGS)
        proxy = scene.proxy()
        scene.hold()
        app, other = scene.spawn(start=4, via=proxy), scene.spawn()
        scene.start(app, other)
        scene.await_lines_of(app, 4)
        # The machine is gone with its network: no socket ever hears of it.
        proxy.set(Mode.SWALLOW)
        scene.freeze(app)
        scene.release()
        gone_at = time.monotonic()
        scene.await_status(app, None)
        # No socket's own patience is that short.
        assert time.monotonic() - gone_at < 60
        scene.await_success(4, steps=3)
        assert [entry["recovered_by"] for entry in conductor.audit()] == [other.executor_id]


def test_one_thought_dead_that_worked_on_in_silence_returns_and_no_step_is_missing(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(**PINGS)
        proxy = scene.proxy()
        scene.hold()
        app, other = scene.spawn(start=4, via=proxy), scene.spawn()
        scene.start(app, other)
        scene.await_lines_of(app, 4)
        proxy.set(Mode.SWALLOW)
        scene.await_status(app, None)
        # Its workflows are queued again, for the other one or for itself, while it is still at them.
        scene.release()
        proxy.set(Mode.PASS)
        proxy.cut()
        healthy = dict.fromkeys((app.executor_id, other.executor_id), "HEALTHY")
        wait_for(conductor.statuses, healthy, 60, "it to return")
        scene.await_success(4, steps=3)


def test_a_connection_that_stops_reading_amid_a_large_request_is_noticed(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene, ThreadPoolExecutor(1) as pool:
        # Time enough to see what is stuck.
        patience = {"ping_interval_secs": 0.5, "ping_timeout_secs": 5}
        conductor = scene.serve(request_timeout_secs=600, **patience)
        proxy = scene.proxy(small_buffers=True)
        scene.hold()
        app = scene.app(start=3, via=proxy)
        scene.await_lines_of(app, 3)
        proxy.set(Mode.STALL)
        ids = [f"{number:04d}" * 64 for number in range(16_000)]
        path = "/apps/ledger/workflows/search?source=executor"
        asked = pool.submit(conductor.call, "POST", path, {"workflowIds": ids})
        wait_until(lambda: _queued_bytes(conductor.port), 30, "the message to be stuck")
        assert _queued_bytes(conductor.port) < sum(map(len, ids)) / 2, (
            "the kernel took it all; nothing waits in the server"
        )
        assert asked.result(60).status_code == 502
        # It does not wait for its buffer to drain either, which would be for ever.
        wait_until(lambda: not _queued_bytes(conductor.port), 30, "the server to let go of the socket")
        app.kill()
        scene.release()
        successor = scene.app()
        scene.await_success(3, steps=3)
        wait_for(conductor.statuses, {successor.executor_id: "HEALTHY"}, 60, "the dead one to be forgotten")


def _queued_bytes(port: int) -> int:
    """What the kernel holds of that which a server of this port has sent on a socket that it still has."""
    return max(_send_queues(port), default=0)


def _send_queues(port: int) -> Iterator[int]:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        if state == _ESTABLISHED and int(local.partition(":")[2], 16) == port:
            yield int(queues.partition(":")[0], 16)
