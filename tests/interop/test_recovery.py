"""A process dies amid its workflows: another one of its version finishes them, whatever happens meanwhile."""

from pathlib import Path

from support.scene import Scene
from support.wait import wait_for, wait_until


def test_amid_fifty_workflows_one_of_two_executors_is_killed_and_the_other_finishes_all(
    tmp_path: Path,
) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        doomed = scene.app(start=25, steps=8, step_secs=0.25, prefix="doomed")
        survivor = scene.app(start=25, steps=8, step_secs=0.25, prefix="survivor")
        scene.await_lines_of(doomed, 40)
        doomed.kill()
        assert list(scene.workflows().values()).count("SUCCESS") < 50
        scene.await_success(50, steps=8)
        scene.await_status(doomed, None)
        assert scene.lines_of(survivor)
        done = scene.steps_done()
        # Only a step in progress at the kill may have run twice: one of each workflow at most.
        repeated = [workflow for (workflow, _), times in done.items() if times > 1]
        assert len(repeated) == len(set(repeated))
        assert all(workflow.startswith("doomed") for workflow in repeated)
        assert max(done.values()) <= 2
        (recovery,) = scene.conductor.audit()
        assert recovery["status"] == "success"
        assert recovery["executor_ids"] == recovery["confirmed"] == [doomed.executor_id]
        assert recovery["recovered_by"] == survivor.executor_id
        assert recovery["application_version"] == "1.0.0"
        assert 2 <= recovery["detection_secs"] < 30
        assert 0 <= recovery["recovery_secs"] < 30


def test_many_that_die_together_are_recovered_with_one_message(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        conductor = scene.serve()
        scene.hold()
        doomed = [scene.spawn(start=3, prefix=f"d{n}") for n in range(3)]
        survivor = scene.spawn()
        scene.start(*doomed, survivor)
        for app in doomed:
            scene.await_lines_of(app, 3)
        ids = {app.executor_id for app in doomed}
        scene.await_recorded(*doomed)
        # Whoever is missing after a restart is missed from the same moment on.
        conductor.kill()
        for app in doomed:
            app.kill()
        scene.release()
        conductor.start()
        scene.await_success(9, steps=3)
        wait_for(conductor.statuses, {survivor.executor_id: "HEALTHY"}, 60, "the dead to be forgotten")
        (recovery,) = conductor.audit()
        assert sorted(recovery["executor_ids"]) == sorted(ids)
        assert sorted(recovery["confirmed"]) == sorted(ids)
        assert recovery["recovered_by"] == survivor.executor_id


def test_without_anyone_left_the_dead_one_waits_for_the_next_to_come(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        scene.hold()
        doomed = scene.app(start=5)
        scene.await_lines_of(doomed, 5)
        doomed.kill()
        scene.release()
        scene.await_status(doomed, "DEAD")
        kinds = {item["kind"] for item in scene.conductor.page("/apps/ledger")["attention"]}
        assert kinds == {"application_unavailable"}
        scene.app()
        scene.await_success(5, steps=3)
        scene.await_status(doomed, None)


def test_a_dead_executor_is_kept_and_tried_again_while_its_successors_database_fails(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        fault = tmp_path / "fault"
        fault.touch()
        scene.hold()
        # Reading pending workflows raises: recovery and exist_pending_workflows answer with an error.
        doomed, successor = scene.spawn(start=5), scene.spawn(options={"--fail-recovery-file": fault})
        scene.start(doomed, successor)
        scene.await_lines_of(doomed, 5)
        doomed.kill()
        scene.release()
        wait_until(lambda: len(scene.conductor.audit()) >= 2, 30, "a second attempt")
        assert {entry["status"] for entry in scene.conductor.audit()} == {"failure"}
        assert "imitated failure" in scene.conductor.audit()[0]["error"]
        assert scene.conductor.statuses()[doomed.executor_id] == "DEAD"
        (recovery,) = (
            executor["recovery"]
            for executor in scene.conductor.page("/apps/ledger/executors")["executors"]
            if executor["executor_id"] == doomed.executor_id
        )
        assert recovery["attempts"] >= 2
        assert "imitated failure" in recovery["error"]
        fault.unlink()
        scene.await_success(5, steps=3)
        scene.await_status(doomed, None)


def test_a_success_that_took_nothing_over_is_not_believed(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        fault = tmp_path / "fault"
        fault.touch()
        scene.hold()
        # Taking over raises: the SDK answers success all the same.
        doomed, successor = scene.spawn(start=5), scene.spawn(options={"--fail-takeover-file": fault})
        scene.start(doomed, successor)
        scene.await_lines_of(doomed, 5)
        doomed.kill()
        scene.release()
        wait_until(lambda: len(scene.conductor.audit()) >= 2, 30, "a second attempt")
        first = scene.conductor.audit()[0]
        assert (first["status"], first["confirmed"]) == ("failure", [])
        assert first["recovered_by"] == successor.executor_id
        assert scene.conductor.statuses()[doomed.executor_id] == "DEAD"
        assert "SUCCESS" not in scene.workflows().values()
        fault.unlink()
        scene.await_success(5, steps=3)
        scene.await_status(doomed, None)


def _recovered_by_the_other(tmp_path: Path, option: str) -> None:
    """One of two that could recover fails at it for ever: the retry goes to the other one."""
    with Scene(tmp_path) as scene:
        scene.serve()
        fault = tmp_path / "fault"
        fault.touch()
        scene.hold()
        # Of two that are equally idle the one that came first is asked first.
        faulty = scene.app(options={option: fault})
        doomed, sound = scene.spawn(start=5), scene.spawn()
        scene.start(doomed, sound)
        scene.await_lines_of(doomed, 5)
        doomed.kill()
        scene.release()
        scene.await_status(doomed, None)
        scene.await_success(5, steps=3)
        last = scene.conductor.audit()[-1]
        assert (last["status"], last["recovered_by"]) == ("success", sound.executor_id)
        assert last["attempts"] <= 3
        assert scene.conductor.statuses()[faulty.executor_id] == "HEALTHY"


def test_when_one_cannot_read_its_database_the_other_recovers(tmp_path: Path) -> None:
    _recovered_by_the_other(tmp_path, "--fail-recovery-file")


def test_when_one_only_says_that_it_succeeded_the_other_recovers(tmp_path: Path) -> None:
    _recovered_by_the_other(tmp_path, "--fail-takeover-file")


def test_when_the_one_that_recovers_is_killed_in_the_middle_a_third_does_it_all(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve()
        scene.hold()
        doomed, successor = scene.spawn(start=10, prefix="first"), scene.spawn(start=2, prefix="second")
        scene.start(doomed, successor)
        scene.await_lines_of(doomed, 10)
        doomed.kill()
        # Taken over, some of them perhaps begun, and none finished.
        scene.await_status(doomed, None)
        successor.kill()
        third = scene.app()
        scene.release()
        scene.await_success(12, steps=3)
        scene.await_status(successor, None)
        assert scene.lines_of(third)
        assert scene.conductor.statuses() == {third.executor_id: "HEALTHY"}


def test_when_the_one_that_recovers_vanishes_before_its_answer_a_third_does_it(tmp_path: Path) -> None:
    with Scene(tmp_path) as scene:
        scene.serve(request_timeout_secs=60)
        scene.hold()
        doomed, successor = scene.spawn(start=6), scene.spawn()
        scene.start(doomed, successor)
        scene.await_lines_of(doomed, 6)
        scene.freeze(successor)
        doomed.kill()
        # Asked for the recovery, it will never answer.
        scene.await_status(doomed, "DEAD")
        wait_until(lambda: _in_flight(scene, successor.executor_id), 10, "the recovery to be under way")
        third = scene.app()
        successor.kill()
        scene.release()
        scene.await_success(6, steps=3)
        wait_for(scene.conductor.statuses, {third.executor_id: "HEALTHY"}, 60, "both to be forgotten")


def _in_flight(scene: Scene, executor_id: str) -> int:
    executors = scene.conductor.page("/apps/ledger/executors")["executors"]
    return sum(e["in_flight"] for e in executors if e["executor_id"] == executor_id)
