"""Real executors connect and appear, or are told why not; they go when their key or application does."""

import asyncio
import json
import os
import socket
from pathlib import Path

from support.executor import ScriptedExecutor
from support.scene import Scene
from support.wait import wait_until, wait_until_async

from conductor_lite.protocol import ExistPendingWorkflows


def test_in_development_mode_any_key_connects_and_the_executor_appears(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve(executor_timeout_secs=10)
        app = scene.app(version="3.1.4")
        shown = scene.conductor.executors()[app.executor_id]
        assert shown["status"] == "HEALTHY"
        assert shown["appVersion"] == "3.1.4"
        assert shown["hostname"] == socket.gethostname()
        assert shown["language"] == "python"
        assert shown["dbosVersion"] == "2.31.1"
        assert shown["executorMetadata"] == {"pid": app.pid}
        application = scene.conductor.get("/apps/ledger")
        assert application["status"] == "AVAILABLE"
        assert application["executorTimeoutSecs"] == 10
        (executor,) = scene.conductor.page("/apps/ledger/executors")["executors"]
        assert executor["executor_id"] == app.executor_id
        assert executor["remote_address"] == "127.0.0.1"
        assert "any-key" not in scene.conductor.log


def test_keys_made_on_the_command_line_connect_or_are_refused_in_words_that_the_sdk_prints(
    tmp_path: Path,
) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(dev=False)
        conductor.cli("app", "register", "ledger")
        conductor.register("other-app")
        key = conductor.cli("key", "create", "for-ledger", "--app", "ledger")
        elsewhere = conductor.make_key("for-the-other", app_names=["other-app"])
        reader = conductor.make_key("reader", "application.read")
        anywhere = conductor.make_key("for-all")
        forged = key[:-1] + ("A" if key[-1] != "A" else "B")
        refused = {
            (401, "unauthenticated"): scene.spawn(key=forged),
            (403, "forbidden"): scene.spawn(key=reader),
            (403, "forbidden "): scene.spawn(key=elsewhere),
            (404, "application_not_registered"): scene.spawn(key=anywhere, name="unheard-of"),
        }
        app = scene.app(key=key)
        for (status, error), other in refused.items():
            line = other.wait_for_line("Details: ", 60)
            assert f"HTTP {status}" in line
            details = json.loads(line.partition("Details: ")[2])
            assert (details["status"], details["error"]) == (status, error.strip())
            assert details["message"].endswith(".")
        # Registering it is enough: the SDK goes on trying.
        conductor.register("unheard-of")
        wait_until(lambda: conductor.statuses("unheard-of").values(), 30, "the application to be let in")
        assert conductor.statuses() == {app.executor_id: "HEALTHY"}
        assert conductor.get("/apps/unheard-of")["language"] == "python"
        for secret in (key, elsewhere, reader, anywhere, forged):
            assert secret[17:-6] not in conductor.log
            assert os.fsencode(secret[17:-6]) not in (conductor.data_dir / "conductor.db").read_bytes()


def test_an_executor_whose_key_is_revoked_is_disconnected_and_not_let_in_again(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(dev=False, executor_timeout_secs=600)
        conductor.register("ledger")
        app = scene.app(key=conductor.make_key("short-lived"))
        conductor.delete("/tokens/short-lived")
        scene.await_status(app, "DISCONNECTED")
        assert "HTTP 401" in app.wait_for_line("Details: ", 30)
        scene.app(key=conductor.make_key("next"))
        assert sorted(conductor.statuses().values()) == ["DISCONNECTED", "HEALTHY"]


def test_deleting_an_application_closes_its_executors_and_it_may_return(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve(dev=False)
        conductor.register("ledger")
        app = scene.app(key=conductor.make_key("k"), start=1, steps=200, step_secs=0.1)
        conductor.delete("/apps/ledger")
        assert conductor.call("GET", "/apps/ledger").status_code == 404
        assert "HTTP 404" in app.wait_for_line("Details: ", 30)
        conductor.register("ledger")
        scene.await_status(app, "HEALTHY")
        assert conductor.audit() == []
        assert "Traceback" not in conductor.log


def test_in_development_mode_a_deleted_application_registers_itself_again(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve()
        app = scene.app()
        first = conductor.get("/apps/ledger")["id"]
        conductor.delete("/apps/ledger")
        wait_until(lambda: conductor.call("GET", "/apps/ledger").status_code == 200, 30, "it to register")
        scene.await_status(app, "HEALTHY")
        assert conductor.get("/apps/ledger")["id"] != first
        assert "Traceback" not in conductor.log


def test_a_second_socket_of_an_executor_id_replaces_the_first_whose_end_changes_nothing(
    tmp_path: Path,
) -> None:
    async def scenario(scene: Scene) -> None:
        ws_url = scene.conductor.ws_url
        first, second, third = (ScriptedExecutor("twin", version) for version in ("1.0.0", "1.0.0", "2.0.0"))
        await first.connect(ws_url, "ledger")
        await wait_until_async(lambda: scene.conductor.statuses(), 10, "the first to be on record")
        await second.connect(ws_url, "ledger")
        code, reason = await first.closing()
        assert (code, "replaced" in reason) == (4000, True)
        # Unanswered, so that the dead one is kept.
        third.ignores(ExistPendingWorkflows)
        await third.connect(ws_url, "ledger")
        code, _ = await second.closing()
        assert code == 4000
        # Its old version is another executor, dead after the timeout.
        await wait_until_async(
            lambda: (
                {e["appVersion"]: e["status"] for e in _listed(scene)}
                == {"1.0.0": "DEAD", "2.0.0": "HEALTHY"}
            ),
            10,
            "the id to be dead as 1.0.0 and healthy as 2.0.0",
        )
        await third.vanish()

    with Scene(tmp_path) as scene:
        scene.serve()
        asyncio.run(scenario(scene))
        assert "Traceback" not in scene.conductor.log


def _listed(scene: Scene) -> list[dict[str, object]]:
    executors: list[dict[str, object]] = scene.conductor.get("/apps/ledger/executors")
    return executors


def test_whoever_does_not_introduce_itself_is_shown_out(tmp_path: Path) -> None:
    from websockets.sync.client import connect

    with Scene(tmp_path) as scene:
        scene.serve(handshake_timeout_secs=1)
        for frame in ('{"type": "executor_info"}', "[]", "no JSON"):
            with connect(f"{scene.conductor.ws_url}/websocket/ledger/k", proxy=None) as connection:
                connection.recv(timeout=60)
                connection.send(frame)
                wait_until(lambda: connection.close_code is not None, 10, "it to be shown out")
                assert connection.close_code == 1008, frame
        assert scene.conductor.executors() == {}
