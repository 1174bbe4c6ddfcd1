"""A real application's workflows are there to read while it is away, over a restart of the conductor too."""

from pathlib import Path
from typing import Any

from support.scene import Scene
from support.wait import wait_until

WORKFLOWS = "/apps/ledger/workflows"


def test_workflows_are_read_from_snapshots_while_the_application_is_away(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        app = scene.app(start=5)
        scene.await_success(5, steps=3)
        told = scene.conductor.call("GET", f"{WORKFLOWS}?source=executor")
        assert told.headers["served-from"] == "executor"
        assert len(told.json()) == 5

        def taken() -> list[dict[str, Any]]:
            answer = scene.conductor.call("GET", f"{WORKFLOWS}?source=snapshot")
            found = answer.json() if "snapshot-at" in answer.headers else []
            return found if [item["status"] for item in found] == ["SUCCESS"] * 5 else []

        wait_until(taken, 60, "the snapshots")
        app.kill()
        scene.await_status(app, "DEAD")
        scene.conductor.kill()
        scene.conductor.start()
        remembered = scene.conductor.call("GET", WORKFLOWS)
        assert remembered.headers["served-from"] == "snapshot"
        assert remembered.headers["snapshot-at"]
        assert remembered.json() == told.json()
        assert scene.conductor.call("GET", f"{WORKFLOWS}/wf-0003").json()["status"] == "SUCCESS"
        assert scene.conductor.call("GET", f"{WORKFLOWS}?source=executor").status_code == 503
