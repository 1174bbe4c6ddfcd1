"""The graph as a view of a workflow's page: what it shows of a scripted application, and leaves out."""

from typing import Any

import httpx
from support.executor import ScriptedExecutor
from support.served import Run, Served

from conductor_lite.protocol import (
    GetWorkflow,
    GetWorkflowReply,
    ListSteps,
    ListStepsReply,
    ListWorkflows,
    ListWorkflowsReply,
    StepRecord,
    WorkflowRecord,
)

HOSTILE = "<script>alert(1)</script>"
START = 1_767_225_600_000


def workflow(id_: str, status: str = "SUCCESS", parent: str | None = None) -> WorkflowRecord:
    return WorkflowRecord(
        workflow_id=id_,
        status=status,
        workflow_name=HOSTILE if parent else "parent",
        created_at_epoch_ms=START,
        parent_workflow_id=parent,
    )


def steps(workflow_id: str, children: int) -> list[StepRecord]:
    plain = [
        StepRecord(function_id=number, function_name="charge", started_at_epoch_ms=START + number)
        for number in range(3)
    ]
    calls = [
        StepRecord(function_id=10 + n, function_name="start", child_workflow_id=f"{workflow_id}/{n}")
        for n in range(children)
    ]
    return plain + calls


async def scripted(scene: Served, children: int) -> ScriptedExecutor:
    executor = await scene.executor("exec-1")
    known = {"root": workflow("root")}
    known |= {
        f"root/{n}": workflow(f"root/{n}", "ERROR" if n else "PENDING", "root") for n in range(children)
    }

    async def get(request: GetWorkflow) -> Any:
        return GetWorkflowReply(workflow=known.get(request.workflow_id))

    async def list_(request: ListWorkflows) -> Any:
        wanted = request.body.workflow_ids or []
        return ListWorkflowsReply(workflows=[known[id_] for id_ in wanted if id_ in known])

    async def list_steps(request: ListSteps) -> Any:
        return ListStepsReply(
            steps=steps(request.workflow_id, children if request.workflow_id == "root" else 0)
        )

    executor.on(GetWorkflow, get)
    executor.on(ListWorkflows, list_)
    executor.on(ListSteps, list_steps)
    return executor


async def looked_at(scene: Served, path: str, accept: str) -> httpx.Response:
    return await scene.http("GET", path, headers={"Accept": accept})


def test_boxes_steps_and_curves_stand_in_the_picture_and_in_the_table(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene, 2)
        path = "/apps/shop/workflows/root?view=graph"
        page = (await looked_at(scene, path, "text/html")).text
        assert page.count("node node-workflow") == 3
        assert page.count("edge edge-child") == 2
        assert "/apps/shop/workflows/~?id=root%2F0" in page
        assert "<script>alert" not in page
        content = (await looked_at(scene, path, "application/json")).json()["content"]
        assert content["statuses"] == ["running", "succeeded", "failed"]
        children = [row for row in content["rows"] if row["what"] == "child workflow"]
        assert {row["status"] for row in children} == {"running", "failed"}
        assert {row["started_by"] for row in children} == {"start"}
        # Three steps of one name are one node.
        (charge,) = [row for row in content["rows"] if row["part_of"] == "parent" and row["count"] == 3]
        assert charge["title"] == "charge"

    run(body)


def test_many_children_are_one_node_and_the_picture_stays_small(run: Run) -> None:
    async def body(scene: Served) -> None:
        await scripted(scene, 400)
        content = (await looked_at(scene, "/apps/shop/workflows/root?view=graph", "application/json")).json()[
            "content"
        ]
        assert len(content["graph"]["nodes"]) < 60
        assert max(row["count"] for row in content["rows"]) >= 400
        page = (await looked_at(scene, "/apps/shop/workflows/root?view=graph", "text/html")).text
        # In the picture and in the table.
        assert page.count('href="/apps/shop/workflows?parent=root&amp;range=all"') == 2

    run(body)
