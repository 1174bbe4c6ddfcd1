"""Fetching a workflow with its children and their steps: what is asked, how often, what is left out."""

from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from console.bookshop import NOW_MS, Scene, play, step, workflow
from starlette.requests import Request
from support.served import APPLICATION, LOCAL

from conductor_lite.console import kept
from conductor_lite.console.formatting import moment
from conductor_lite.console.kept import Kept
from conductor_lite.console.workflow import family as workflow_family
from conductor_lite.console.workflow import outcomes as workflow_outcomes
from conductor_lite.console.workflow.family import Family, family
from conductor_lite.console.workflow.subject import Subject
from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.operations.snapshots import Served
from conductor_lite.protocol import (
    GetStepAggregates,
    GetStepAggregatesReply,
    ListSteps,
    ListWorkflows,
    ListWorkflowsReply,
    Reply,
)


async def _family(scene: Scene, workflow_id: str = "order-7") -> Family:
    operations = scene.served.conductor.operations
    return await family(
        Subject(
            operations=operations,
            actor=LOCAL,
            request=Request({"type": "http", "headers": [], "query_string": b""}),
            now=moment(NOW_MS) + timedelta(hours=1),
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
        with patch.multiple(workflow_family, MAX_ALL_STEPS=8, AT_ONCE=1, _KEPT=Kept(most=0, secs=1)):
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


def test_failures_are_told_without_loading_what_steps_return(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        shop.holds(workflow(status="PENDING", completed_at_epoch_ms=None), workflow("a"))
        shop.steps["order-7"] = [
            *(step(number) for number in range(1, 5)),
            step(5, error="declined"),
            # Ends in the same millisecond as the one that failed, and did not; so does the second.
            step(6, started_at_epoch_ms=NOW_MS + 5_000, completed_at_epoch_ms=NOW_MS + 6_000),
            step(7, "ship", child_workflow_id="a"),
            # Still sleeps: that it was completed at once is no answer.
            step(
                8, "DBOS.sleep", started_at_epoch_ms=NOW_MS, completed_at_epoch_ms=NOW_MS, output="1795000900"
            ),
        ]
        shop.steps["a"] = [step(1), step(2, error="torn")]
        found = await _family(scene)
        assert [s.error for s in found.steps] == [None] * 4 + ["declined"] + [None] * 3
        assert [s.error for s in found.children["a"].steps] == [None, "torn"]
        assert [s.output for s in found.steps] == [None] * 7 + ["1795000900"]
        assert found.left_out == ()
        loaded = [request for request in shop.executor.requests if getattr(request, "load_output", False)]
        assert {
            (request.workflow_id, request.offset) for request in loaded if isinstance(request, ListSteps)
        } == {
            ("order-7", 1),
            ("order-7", 4),
            ("order-7", 5),
            ("order-7", 7),
            ("a", 1),
        }
        # What was seen once is not asked for again.
        before = shop.executor.count(ListSteps)
        again = await _family(scene)
        assert again == found
        # The child has ended long ago, so that its steps are known; what goes on is asked for.
        assert shop.executor.count(ListSteps) == before + 1

    play(tmp_path, body)


def test_where_failures_cannot_be_counted_results_are_loaded_from_the_end_of_what_failed(
    tmp_path: Path,
) -> None:
    async def body(scene: Scene) -> None:
        shop = scene.shop
        shop.holds(workflow(), workflow("a", status="ERROR"))
        shop.steps["order-7"] = [step(1, child_workflow_id="a"), step(2, error="caught")]
        shop.steps["a"] = [step(number, error="torn" if number == 250 else None) for number in range(300)]
        # As older SDKs answer.
        shop.executor.answers(GetStepAggregates, GetStepAggregatesReply(error_message="unknown message type"))
        with patch.object(workflow_outcomes, "MAX_WINDOWS", 1):
            found = await _family(scene)
            assert [s.function_id for s in found.children["a"].steps if s.error] == [250]
            assert found.left_out == (
                "Whether 201 steps failed is not known: the SDK cannot tell without sending all results.",
            )
            for _ in range(3):
                found = await _family(scene)
        # Look by look all becomes known.
        assert found.steps[1].error == "caught"
        assert found.left_out == ()

    play(tmp_path, body)


def test_private_mode_tells_that_steps_failed_but_not_with_what(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        operations = scene.served.conductor.operations
        await operations.applications.update(LOCAL, APPLICATION, ApplicationChanges(private_mode=True))
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(1), step(2, error="secret")]
        found = await _family(scene)
        assert [s.error for s in found.steps] == [None, ""]
        scene.shop.executor.answers(GetStepAggregates, GetStepAggregatesReply(error_message="unknown"))
        with patch.object(workflow_family, "_KEPT", Kept(most=0, secs=1)):
            found = await _family(scene)
        assert [s.error for s in found.steps] == [None, None]
        assert "which private mode forbids" in found.left_out[0]
        assert not any(getattr(request, "load_output", False) for request in scene.shop.executor.requests)

    play(tmp_path, body)


def test_more_failures_than_can_be_looked_at_are_failures_all_the_same(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow())
        scene.shop.steps["order-7"] = [step(number, error="torn") for number in range(5)]
        with patch.object(workflow_outcomes, "MAX_LOOKS", 2):
            found = await _family(scene)
        assert [s.error for s in found.steps] == ["torn", "torn", "", "", ""]

    play(tmp_path, body)


def test_what_is_kept_goes_when_its_time_or_room_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(kept.time, "monotonic", lambda: clock[0])
    values: Kept[str, int] = Kept(most=5, secs=10)
    values.put("a", 1, weight=2)
    values.put("b", 2, weight=2)
    assert values.get("a") == 1
    values.put("c", 3, weight=2)
    assert (values.get("a"), values.get("b"), values.get("c"), values.weight) == (1, None, 3, 4)
    values.put("too large", 4, weight=6)
    assert values.get("too large") is None
    clock[0] += 10
    assert (values.get("a"), values.get("c"), values.weight) == (None, None, 0)
