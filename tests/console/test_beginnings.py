"""How long a workflow waited before it began: the table, its file, the page and the timeline agree."""

import time
from datetime import datetime
from typing import Any

import httpx
import msgspec
from support.served import APPLICATION, LOCAL, Run, Served
from support.shelf import Shelf
from support.wait import wait_until_async

from conductor_lite.operations.applications import ApplicationChanges
from conductor_lite.protocol import ListSteps, ListStepsReply, StepRecord


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of one workflow's waiting, in milliseconds; None where it is not told."""

    in_table: int | None
    in_file: int | None
    on_page: int | None
    #: The bar of its queue: when it begins, since 1970, and how long it is, -1 while it grows.
    bar: tuple[int, int] | None


def test_nobody_is_told_how_long_it_waited_when_an_executor_of_its_version_was_recovered_meanwhile(
    run: Run,
) -> None:
    async def body(scene: Served) -> None:
        await scene.conductor.operations.applications.update(
            LOCAL, APPLICATION, ApplicationChanges(executor_timeout_secs=1)
        )
        executor, dying = await scene.executor("exec-1"), await scene.executor("exec-2")
        before = int(time.time() * 1_000)
        await dying.vanish()

        async def recovered() -> bool:
            return bool(await scene.audit("executor.recovery"))

        await wait_until_async(recovered, 30, "the recovery to be on record")
        now = int(time.time() * 1_000)
        shelf = Shelf()

        def add(id_: str, created: int, dequeued: int | None = now + 3_000, **fields: Any) -> None:
            made = {"created_at_epoch_ms": created, "updated_at_epoch_ms": now + 3_000, "queue_name": "mail"}
            taken = {} if dequeued is None else {"dequeued_at_epoch_ms": dequeued}
            shelf.add(id_, **{"application_version": "1", **made, **taken, **fields})

        add("recovered", before - 60_000)
        add("put-back", before - 60_000, None, status="ENQUEUED")
        add("dequeued-before", before - 60_000, before - 20_000)
        add("made-after", now + 2_900, now + 3_100)
        add("other-version", before - 60_000, application_version="2")
        add("worked-before", before - 60_000, before - 20_000)
        add("clocks-apart", before - 60_000, before - 20_000)
        shelf.serve(executor)
        first_steps = {"worked-before": before - 22_000, "clocks-apart": before - 20_400}

        async def steps(request: ListSteps) -> ListStepsReply:
            begun = first_steps.get(request.workflow_id, now + 5_000)
            step = StepRecord(
                function_id=1, function_name="a", started_at_epoch_ms=begun, completed_at_epoch_ms=begun + 5
            )
            return ListStepsReply(steps=[step] if request.workflow_id != "put-back" else [])

        executor.on(ListSteps, steps)
        nothing = Told(in_table=None, in_file=None, on_page=None, bar=None)
        assert await _told(scene, "recovered") == nothing
        assert await _told(scene, "put-back") == msgspec.structs.replace(nothing, bar=(now + 3_000, -1))
        for id_ in ("dequeued-before", "made-after", "other-version"):
            record = shelf.workflows[id_]
            created, dequeued = record.created_at_epoch_ms or 0, record.dequeued_at_epoch_ms or 0
            took = dequeued - created
            assert await _told(scene, id_) == Told(
                in_table=took, in_file=took, on_page=took, bar=(created, took)
            )
        # Only its steps give it away, and a list knows of none.
        told = await _told(scene, "worked-before")
        assert (told.on_page, told.bar) == (None, None)
        told = await _told(scene, "clocks-apart")
        assert (told.on_page, told.bar) == (40_000, (before - 60_000, 39_600))

    run(body)


async def _told(scene: Served, id_: str) -> Told:
    path = f"/apps/{APPLICATION}/workflows"
    async with httpx.AsyncClient(base_url=scene.url, trust_env=False, timeout=30) as client:
        client.headers["Accept"] = "application/json"
        only = {"id": id_, "range": "all"}
        (row,) = (await client.get(path, params=only)).json()["workflows"]
        (line,) = (await client.get(f"{path}.json", params=only)).json()
        page = (await client.get(f"{path}/{id_}")).json()
        timeline = (await client.get(f"{path}/{id_}", params={"view": "timeline"})).json()["content"][
            "timeline"
        ]
    facts = page["workflow"]
    waited = _ms(facts["created_at"], facts["dequeued_at"]) if page["content"]["tells_waiting"] else None
    kinds = [timeline["kinds"][kind] for kind in timeline["kind"]]
    bar = None
    if "queue" in kinds:
        place = kinds.index("queue")
        bar = timeline["start"] + timeline["begin"][place], timeline["duration"][place]
    in_table, in_file = (
        None if secs is None else round(secs * 1_000) for secs in (row["waited_secs"], line["waited_secs"])
    )
    return Told(in_table=in_table, in_file=in_file, on_page=waited, bar=bar)


def _ms(start: str, end: str) -> int:
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1_000)
