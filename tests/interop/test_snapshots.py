"""A real application's workflows while it is away; and what it did without us, once it returns."""

from pathlib import Path

from support.scene import Scene
from support.wait import wait_until

WORKFLOWS = "/apps/ledger/workflows"


def test_workflows_are_read_while_the_application_is_away_and_the_gap_is_filled_when_it_returns(
    tmp_path: Path,
) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        scene.conductor.register("ledger")
        scene.conductor.patch("/apps/ledger", {"snapshotIntervalSecs": 5})
        app = scene.app(start=5)
        scene.await_success(5, steps=3)
        told = scene.conductor.call("GET", f"{WORKFLOWS}?source=executor")
        assert told.headers["served-from"] == "executor"
        assert len(told.json()) == 5

        def taken(count: int) -> bool:
            answer = scene.conductor.call("GET", f"{WORKFLOWS}?source=snapshot")
            found = answer.json() if "snapshot-at" in answer.headers else []
            return [item["status"] for item in found] == ["SUCCESS"] * count

        wait_until(lambda: taken(5), 120, "the snapshots")
        app.kill()
        scene.await_status(app, "DEAD")
        scene.conductor.kill()
        # It works without a conductor, and is away again when that is back.
        alone = scene.spawn(start=3, prefix="alone").await_launch()
        scene.await_success(8, steps=3)
        alone.kill()
        scene.conductor.start()
        remembered = scene.conductor.call("GET", WORKFLOWS)
        assert remembered.headers["served-from"] == "snapshot"
        assert remembered.headers["snapshot-at"]
        assert remembered.json() == told.json()
        assert scene.conductor.call("GET", f"{WORKFLOWS}/wf-0003").json()["status"] == "SUCCESS"
        assert scene.conductor.call("GET", f"{WORKFLOWS}?source=executor").status_code == 503
        scene.app()
        wait_until(lambda: taken(8), 120, "what it did without us")
