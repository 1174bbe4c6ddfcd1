"""Fetching a workflow with its children and their steps: what is asked, how often, what is left out."""

from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from console.bookshop import Scene, play, step, workflow
from starlette.requests import Request
from support.served import APPLICATION, LOCAL

from conductor_lite.console import workflow_family
from conductor_lite.console.workflow_family import Family, family
from conductor_lite.console.workflow_subject import Subject
from conductor_lite.operations.snapshots import Served
from conductor_lite.protocol import ListSteps, ListWorkflows, ListWorkflowsReply, Reply


async def _family(scene: Scene, workflow_id: str = "order-7") -> Family:
    operations = scene.served.conductor.operations
    return await family(
        Subject(
            operations=operations,
            actor=LOCAL,
            request=Request({"type": "http", "headers": [], "query_string": b""}),
            now=datetime.now(UTC),
            application=await operations.applications.get(LOCAL, APPLICATION),
            workflow=await operations.workflows.get(LOCAL, APPLICATION, workflow_id),
            served=Served(source="executor"),
            language=None,
        )
    )


def test_children_of_children_come_with_their_steps_one_question_for_each_level(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        shop.holds(*(workflow(id_) for id_ in ("order-7", "a", "b", "deep", "elsewhere")))
        shop.steps["order-7"] = [
            step(1, child_workflow_id="a"),
            step(2, child_workflow_id="b"),
            step(3, child_workflow_id="gone"),
            # Who waits for a workflow has not started it.
            step(4, "DBOS.getResult", child_workflow_id="elsewhere"),
        ]
        # The last one is a ring.
        shop.steps["a"] = [step(1), step(2, child_workflow_id="deep"), step(3, child_workflow_id="order-7")]
        shop.steps["deep"] = [step(1)]
        found = await _family(scene)
        assert [s.function_id for s in found.steps] == [1, 2, 3, 4]
        told = {id_: branch.workflow and len(branch.steps) for id_, branch in found.children.items()}
        assert told == {"a": 3, "b": 0, "gone": None, "deep": 1}
        assert found.left_out == ()
        assert shop.executor.count(ListWorkflows) == 2
        assert all(
            not request.load_output for request in shop.executor.requests if isinstance(request, ListSteps)
        )

    play(tmp_path, body)


def test_limits_leave_out_the_rest_and_say_so(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        ids = [f"child-{number}" for number in range(6)]
        shop.holds(workflow(), *map(workflow, ids))
        shop.steps["order-7"] = [step(number, child_workflow_id=id_) for number, id_ in enumerate(ids)]
        for id_ in ids:
            shop.steps[id_] = [step(1), step(2)]
        with patch.multiple(workflow_family, MAX_STEPS=4, MAX_CHILDREN=3):
            found = await _family(scene)
        assert [s.function_id for s in found.steps] == [0, 1, 2, 3]
        assert list(found.children) == ids[:3]
        assert found.left_out == (
            "Of each workflow only the first 4 steps are shown.",
            "Only 3 children are shown.",
        )
        with patch.multiple(workflow_family, MAX_ALL_STEPS=8, AT_ONCE=1):
            found = await _family(scene)
        assert [len(branch.steps) for branch in found.children.values()] == [2, 0, 0, 0, 0, 0]
        assert found.left_out == ("Only about 8 steps are shown in all.",)

    play(tmp_path, body)


def test_levels_end_somewhere(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(*(workflow(f"w{level}") for level in range(9)))
        for level in range(8):
            scene.shop.steps[f"w{level}"] = [step(1, child_workflow_id=f"w{level + 1}")]
        found = await _family(scene, "w0")
        assert list(found.children) == [f"w{level}" for level in range(1, 7)]
        assert found.left_out == ("Children are shown down to 6 levels.",)

    play(tmp_path, body)


def test_what_an_executor_told_is_kept_when_it_tells_no_more(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(), workflow("a"))
        scene.shop.steps["order-7"] = [step(1, child_workflow_id="a")]
        scene.shop.executor.ignores(ListWorkflows)
        with patch.object(workflow_family, "CHILDREN_SECS", 0.2):
            found = await _family(scene)
        assert len(found.steps) == 1
        assert found.children == {}
        assert "Some children could not be fetched" in found.left_out[0]

    play(tmp_path, body)


def test_executors_that_list_everything_add_nobody(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(1, child_workflow_id="a")]

        async def all_there_is(request: ListWorkflows) -> Reply:
            return ListWorkflowsReply(workflows=[workflow("stranger"), workflow("a")])

        scene.shop.executor.on(ListWorkflows, all_there_is)
        assert list((await _family(scene)).children) == ["a"]

    play(tmp_path, body)
