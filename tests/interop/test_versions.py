"""Recovery concerns one application version: work of a version that nobody runs waits, in plain sight."""

from pathlib import Path
from typing import Any

from support.scene import LedgerApp, Scene
from support.wait import wait_until


def _version(scene: Scene, version: str) -> dict[str, Any]:
    versions = scene.conductor.page("/apps/ledger/versions")["versions"]
    return next((item for item in versions if item["name"] == version), {})


def _strand(scene: Scene, doomed: LedgerApp, version: str) -> None:
    """Kill the only executor of a version, and wait until that is known to be so."""
    doomed.kill()
    scene.release()
    wait_until(
        lambda: _version(scene, version).get("stranded_since"), 30, f"version {version} to be stranded"
    )
    assert _version(scene, version)["dead"] == 1
    assert scene.conductor.statuses()[doomed.executor_id] == "DEAD"
    for page in ("/", "/apps/ledger"):
        (attention,) = scene.conductor.page(page)["attention"]
        assert attention["kind"] == "stranded_version"
        assert version in attention["title"]
    assert "SUCCESS" not in scene.workflows().values()
    # Executors of another version were asked what is pending, never to recover it.
    assert scene.conductor.audit() == []


def _return(scene: Scene, doomed: LedgerApp, version: str) -> None:
    """A process of the version comes: everything is recovered, and nothing is left to show."""
    successor = scene.app(version=version)
    scene.await_success(4, steps=3)
    scene.await_status(doomed, None)
    (recovery,) = scene.conductor.audit()
    assert (recovery["status"], recovery["recovered_by"]) == ("success", successor.executor_id)
    assert _version(scene, version)["stranded_since"] is None
    assert scene.conductor.page("/apps/ledger")["attention"] == []


def test_dead_executor_of_an_older_version_is_kept_until_its_version_returns(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        scene.hold()
        doomed = scene.spawn(version="1.0.0", start=4)
        newer = scene.spawn(version="2.0.0")
        scene.start(doomed, newer)
        scene.await_lines_of(doomed, 4)
        _strand(scene, doomed, "1.0.0")
        # What is stranded stays so over a restart of the conductor, killed or not.
        scene.conductor.kill()
        scene.conductor.start()
        scene.await_status(newer, "HEALTHY")
        wait_until(lambda: _version(scene, "1.0.0").get("stranded_since"), 30, "it to be stranded again")
        assert scene.conductor.statuses()[doomed.executor_id] == "DEAD"
        _return(scene, doomed, "1.0.0")


def test_dead_executor_of_a_newer_version_is_kept_while_only_the_older_one_runs(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        scene.hold()
        doomed = scene.spawn(version="2.0.0", start=4)
        older = scene.spawn(version="1.0.0")
        scene.start(doomed, older)
        scene.await_lines_of(doomed, 4)
        _strand(scene, doomed, "2.0.0")
        _return(scene, doomed, "2.0.0")
        assert not scene.lines_of(older)


def test_dead_executor_of_another_version_with_nothing_pending_is_forgotten(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        doomed = scene.spawn(version="1.0.0", start=2, steps=1, step_secs=0.01)
        newer = scene.spawn(version="2.0.0")
        scene.start(doomed, newer)
        scene.await_success(2, steps=1)
        doomed.kill()
        scene.await_status(doomed, None)
        assert scene.conductor.statuses() == {newer.executor_id: "HEALTHY"}
        assert scene.conductor.audit() == []
