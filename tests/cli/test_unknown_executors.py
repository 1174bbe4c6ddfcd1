"""Executors that are not on record: the API and the command line list them, and recover what they left."""

import asyncio
from pathlib import Path
from typing import Any

from support.command import Finished
from support.executor import ScriptedExecutor
from support.served import APPLICATION, Served, served
from support.terminal import Terminal

from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.fleet.changes import Changes
from conductor_lite.policies.orphans import OrphanSweep
from conductor_lite.protocol import (
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    Recovery,
    Reply,
    WorkflowAggregateRecord,
)
from conductor_lite.store.applications import Applications

UNKNOWN = f"/v2/orgs/local/apps/{APPLICATION}/unknown-executors"


async def sweep(scene: Served) -> ScriptedExecutor:
    """Let the sweep find who owns work; gives the executor that was asked."""
    executor = ScriptedExecutor("asked", "1", scene.workload)

    async def aggregates(request: GetWorkflowAggregates) -> Reply:
        groups = [
            WorkflowAggregateRecord(group={"executor_id": id_, "application_version": version}, count=2)
            for id_, version in sorted(scene.workload.pending)
        ]
        return GetWorkflowAggregatesReply(aggregates=groups)

    executor.on(GetWorkflowAggregates, aggregates)
    await scene.connected(executor)
    conductor = scene.conductor
    applications = Applications(conductor.db)
    application = await applications.get("local", APPLICATION)
    assert application is not None
    await OrphanSweep(conductor.fleet, applications, Changes(), Clock()).look(application)
    return executor


def test_unknown_executors_are_listed_and_recovered_from_the_terminal(tmp_path: Path) -> None:
    async def body() -> None:
        async with served(Settings(data_dir=tmp_path / "data", port=0, dev=True)) as scene:
            await scene.application_id()
            scene.workload.pending |= {("lost", "1"), ("twice", "1"), ("twice", "2")}
            asked = await sweep(scene)
            terminal = Terminal(tmp_path / "home", URL=scene.url)

            async def run(*arguments: str) -> Finished:
                return await asyncio.to_thread(terminal.run, "app", *arguments)

            def recovered() -> list[Any]:
                return [request.executor_ids for request in asked.requests if isinstance(request, Recovery)]

            listed = (await scene.http("GET", UNKNOWN)).json()
            assert [(row["executorId"], row["appVersion"]) for row in listed] == [
                ("lost", "1"),
                ("twice", "1"),
                ("twice", "2"),
            ]
            assert {row["pendingCount"] for row in listed} == {2}
            table = (await run("unknown-executors", APPLICATION)).out.splitlines()
            assert [row.split()[:3] for row in table] == [
                ["ID", "VERSION", "PENDING"],
                ["lost", "1", "2"],
                ["twice", "1", "2"],
                ["twice", "2", "2"],
            ]

            nobody = await run("recover-unknown", APPLICATION, "nobody")
            assert (nobody.status, "'nobody'" in nobody.err) == (4, True)
            undecided = await run("recover-unknown", APPLICATION, "twice")
            assert (undecided.status, "--app-version: 1, 2." in undecided.err) == (2, True)
            assert recovered() == []

            done = await run("recover-unknown", APPLICATION, "lost", "--yes")
            assert (done.status, "are being recovered" in done.out) == (0, True)
            await scene.await_status("lost", None)
            assert recovered() == [["lost"]]
            body = {"executorId": "lost", "appVersion": "1"}
            assert (await scene.http("POST", f"{UNKNOWN}/recover", json=body)).status_code == 404
            left = (await scene.http("GET", UNKNOWN)).json()
            assert [row["executorId"] for row in left] == ["twice", "twice"]
            statuses = [entry.status for entry in await scene.audit("executor.recover_unknown")]
            assert statuses == ["success", "failure"]

            # The same application's snapshots, which nobody has taken here yet, and are asked for.
            none = await run("snapshots", APPLICATION)
            assert (none.status, "No snapshots" in none.err) == (4, True)
            assert "will be compared" in (await run("full-pass", APPLICATION)).out
            state = (await run("snapshots", APPLICATION)).out.splitlines()
            assert ["fullPassPending", "yes"] in [line.split() for line in state]

    asyncio.run(body())
