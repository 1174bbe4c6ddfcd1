"""The conductor goes, returns or stands still while applications run: that is nobody's death."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from support.executor import ScriptedExecutor
from support.ports import accepts_connections
from support.proxy import Mode
from support.scene import CHAOS_VARIABLE, Scene
from support.wait import wait_for, wait_until, wait_until_async

from conductor_lite.protocol import Recovery, RecoveryReply


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_applications_return_to_a_conductor_that_was_away_and_nothing_is_recovered(
    tmp_path: Path, how: str
) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(executor_timeout_secs=5)
        scene.hold()
        apps = [scene.spawn(start=4, prefix="a"), scene.spawn(start=4, prefix="b")]
        scene.start(*apps)
        for app in apps:
            scene.await_lines_of(app, 4)
        healthy = dict.fromkeys((app.executor_id for app in apps), "HEALTHY")
        if how == "killed":
            conductor.kill()
        else:
            assert conductor.stop() == 0
        away_since = time.monotonic()
        wait_until(lambda: time.monotonic() - away_since > 5, 30, "more than the timeout to pass")
        conductor.start()
        seen: set[str] = set()

        def returned() -> bool:
            statuses = conductor.statuses()
            seen.update(statuses.values())
            return statuses == healthy

        wait_until(returned, 30, "both to return")
        scene.release()
        scene.await_success(8, steps=3)
        assert set(scene.steps_done().values()) == {1}
        assert "DEAD" not in seen
        assert conductor.statuses() == healthy
        assert conductor.audit() == []


def test_one_that_died_while_the_conductor_was_away_is_recovered_after_a_full_timeout(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(executor_timeout_secs=3)
        scene.hold()
        doomed = scene.spawn(start=4)
        survivor = scene.spawn()
        scene.start(doomed, survivor)
        scene.await_lines_of(doomed, 4)
        scene.await_recorded(doomed)
        conductor.kill()
        doomed.kill()
        scene.release()
        started_at = time.monotonic()
        conductor.start()
        scene.await_status(doomed, None)
        assert time.monotonic() - started_at > 3
        scene.await_success(4, steps=3)
        assert [entry["recovered_by"] for entry in conductor.audit()] == [survivor.executor_id]


def _frozen_secs() -> list[float]:
    """A little longer than the timeout; where time is given, longer than SDKs wait for a pong, too."""
    return [4, 8, 45] if os.environ.get(CHAOS_VARIABLE) else [4]


@pytest.mark.parametrize("frozen_secs", _frozen_secs())
def test_nobody_is_declared_dead_because_the_conductor_stood_still(
    tmp_path: Path, frozen_secs: float
) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(executor_timeout_secs=3, ping_interval_secs=1, ping_timeout_secs=1.5)
        proxy = scene.proxy()
        away = scene.spawn(start=2, steps=1, prefix="away", via=proxy)
        app = scene.spawn(start=2, steps=1, prefix="app")
        scene.start(app, away)
        # One of them is away when the conductor freezes, and cannot return before it thaws.
        proxy.set(Mode.REFUSE)
        proxy.cut()
        scene.await_status(away, "DISCONNECTED")
        conductor.freeze()
        proxy.set(Mode.PASS)
        frozen_since = time.monotonic()
        wait_until(lambda: time.monotonic() - frozen_since > frozen_secs, 60, "the time to pass")
        conductor.thaw()
        healthy = dict.fromkeys((app.executor_id, away.executor_id), "HEALTHY")
        wait_for(conductor.statuses, healthy, 60, "both to be healthy")
        assert "are dead" not in conductor.log
        assert conductor.audit() == []


async def _stop_amid_a_recovery(scene: Scene, *, answers: bool) -> float:
    """Stop the conductor while an executor has a request to answer; returns how long it took to stop."""
    ws_url = scene.conductor.ws_url
    doomed, asked = ScriptedExecutor("doomed", "1.0.0"), ScriptedExecutor("asked", "1.0.0")
    asked.ignores(Recovery)
    await doomed.connect(ws_url, "ledger")
    await wait_until_async(lambda: scene.conductor.statuses(), 10, "it to be listed")
    await doomed.leave()
    await asked.connect(ws_url, "ledger")
    await wait_until_async(lambda: asked.count(Recovery), 10, "the recovery")
    started_at = time.monotonic()
    stopping = asyncio.create_task(asyncio.to_thread(scene.conductor.stop))
    await wait_until_async(lambda: not accepts_connections(scene.conductor.port), 10, "it to stop")
    if answers:
        ((_, request_id),) = asked.unanswered
        await asked.reply(RecoveryReply(success=True), request_id)
    assert await asked.closing() == (1001, "the conductor is stopping")
    assert await stopping == 0
    await asked.vanish()
    return time.monotonic() - started_at


def test_stopping_tells_executors_that_it_goes_away_once_they_have_answered(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve(executor_timeout_secs=1)
        asyncio.run(_stop_amid_a_recovery(scene, answers=True))
        (recovery,) = scene.conductor.audit()
        assert (recovery["recovered_by"], recovery["executor_ids"]) == ("asked", ["doomed"])
        assert "were still under way" not in scene.conductor.log
        assert "Traceback" not in scene.conductor.log


def test_stopping_does_not_wait_for_an_executor_that_never_answers(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve(executor_timeout_secs=1, request_timeout_secs=600)
        assert asyncio.run(_stop_amid_a_recovery(scene, answers=False)) < 60
        assert "were still under way" in scene.conductor.log
        assert "Traceback" not in scene.conductor.log
        # What it could not learn is asked again after the restart.
        scene.conductor.start()
        statuses = scene.conductor.statuses()
        assert statuses["doomed"] == "DEAD"
        # Its timeout of a second may be over by now.
        assert statuses.keys() == {"doomed", "asked"}
