"""What pages cost application and server: shared questions, silent executors, a free event loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

from console.bookshop import PAGE, Scene, play, step, workflow
from support.served import APPLICATION
from support.wait import wait_until_async

from conductor_lite.console import rendering, site
from conductor_lite.console.workflow import page as workflow_page
from conductor_lite.console.workflow import payloads as payload_page
from conductor_lite.protocol import GetWorkflow, ListSteps, ListWorkflows
from conductor_lite.turns import PIECE_SIZE

HTML = {"Accept": "text/html"}
OF_THE_APPLICATION = (
    "",
    "/workflows",
    "/workflows/order-7",
    "/workflows/order-7?view=graph",
    "/workflows/order-7?view=events",
    "/queues",
    "/schedules",
    "/executors",
    "/versions",
    "/alerts",
    "/retention",
    "/autoscaling",
    "/settings",
)
#: Seconds that answers are shared for, five times as long as pages wait between two looks.
KEPT_SECS = 0.5
VIEWS = ("", "?view=graph", "?view=events", "?view=notifications", "?view=streams")


@asynccontextmanager
async def reading(scene: Scene, *pages: str) -> AsyncIterator[None]:
    """Hold one event stream open for each page."""
    ready = 0

    async def read(page: str) -> None:
        nonlocal ready
        async with scene.reader.client.stream("GET", f"/events?page={quote(page)}", timeout=60) as stream:
            async for line in stream.aiter_lines():
                ready += line == "event: ready"

    tasks = [asyncio.create_task(read(page)) for page in pages]
    try:
        await wait_until_async(lambda: ready == len(pages), 20, "every stream to be open")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def tasks_of_ours() -> int:
    """Tasks that watch pages or carry a question."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum(name.startswith(("PageWatch", "EventStreams", "SharedAnswers")) for name in names)


def test_thirty_readers_cost_the_application_no_more_than_one(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(status="PENDING", completed_at_epoch_ms=None))
        scene.shop.steps["order-7"] = [step(number) for number in range(1, 4)]
        executor = scene.shop.executor
        pages = [PAGE] * 20 + [PAGE + view for view in VIEWS] * 2
        async with reading(scene, *pages):
            # From the first answer on that all share.
            await wait_until_async(lambda: executor.count(GetWorkflow) > 4, 20, "some looks")
            before, began = executor.counts(), time.monotonic()
            await wait_until_async(
                lambda: (executor.counts() - before)["get_workflow"] >= 6,
                20,
                "some more looks",
            )
            asked, rounds = executor.counts() - before, (time.monotonic() - began) / KEPT_SECS + 1
            # Questions with payloads and without are two.
            assert asked["get_workflow"] <= 2 * rounds, asked
            assert asked["list_steps"] <= 2 * rounds, asked
        shared = scene.served.conductor.operations.workflows._context._shared
        # When nobody watches, and no answer is kept that might be asked for again, nobody is left to ask.
        await wait_until_async(lambda: tasks_of_ours() == 0, 5, "every watch to end")
        await wait_until_async(lambda: shared.kept == 0, 5, "the last answers to be dropped")
        assert len(executor.unanswered) == 0
        operations = scene.served.conductor.operations
        await wait_until_async(lambda: operations.changes.listeners == 0, 5, "nobody to listen")

    with (
        patch.object(workflow_page, "LIVE_SECS", KEPT_SECS / 5),
        patch.object(workflow_page, "ENDED_SECS", KEPT_SECS / 5),
    ):
        play(tmp_path, body, kept_secs=KEPT_SECS)


def test_a_silent_executor_holds_up_no_other_page_and_nothing_piles_up(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        scene.shop.holds(workflow())
        await scene.take_snapshots()
        silent = asyncio.Event()

        async def never(request: Any) -> None:
            silent.set()

        for kind in tuple(executor._script):
            if kind.__name__ not in ("ExecutorInfo", "Recovery", "ExistPendingWorkflows"):
                executor.on(kind, never)
        client = scene.reader.client
        paths = [f"/apps/{APPLICATION}{path}" for path in OF_THE_APPLICATION]
        began = time.monotonic()
        slow = [asyncio.create_task(client.get(path, headers=HTML)) for path in paths]
        await asyncio.wait_for(silent.wait(), 60)
        overtaken = []
        for path in ("/", "/audit", "/keys", "/settings"):
            answer = await client.get(path, headers=HTML)
            assert answer.status_code == 200, path
            overtaken.append(not all(task.done() for task in slow))
        # On a slow machine the last ones may take longer than the patience with the silent one.
        assert overtaken[0]
        for path, answer in zip(paths, await asyncio.gather(*slow), strict=True):
            assert answer.status_code in (200, 503), path
            assert "<h1" in answer.text, path
        assert time.monotonic() - began < site.VIEW_SECS
        # What is on record is shown although the executor is silent.
        shown = await client.get(f"{PAGE}", headers=HTML)
        assert "fulfil_order" in shown.text
        await wait_until_async(lambda: tasks_of_ours() == 0, 5, "every question to be given up")
        assert scene.served.conductor.operations.workflows._context._shared.kept == 0

    with patch.object(site, "VIEW_SECS", 60.0):
        play(tmp_path, body, request_timeout_secs=4)


def test_an_executor_that_vanishes_while_it_is_asked_leaves_what_is_on_record(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        executor = scene.shop.executor
        scene.shop.holds(workflow())
        await scene.take_snapshots()
        asked = asyncio.Event()

        async def never(request: Any) -> None:
            asked.set()

        for kind in (GetWorkflow, ListSteps, ListWorkflows):
            executor.on(kind, never)
        looks = [
            asyncio.create_task(scene.reader.client.get(path, headers=HTML))
            for path in (PAGE, f"/apps/{APPLICATION}/workflows")
        ]
        await asyncio.wait_for(asked.wait(), 60)
        began = time.monotonic()
        await executor.vanish()
        for answer in await asyncio.gather(*looks):
            assert answer.status_code == 200
            assert "fulfil_order" in answer.text
        # Nobody waits for an answer that cannot come any more.
        assert time.monotonic() - began < site.VIEW_SECS

    play(tmp_path, body)


def test_pages_are_written_beside_the_loop(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        scene.shop.holds(workflow(input=repr({"items": list(range(50_000))})))
        loops_own = threading.get_ident()
        seen: dict[str, list[bool]] = {}
        respond, large_tree = rendering.Renderer.respond, payload_page.large_tree

        def noted(self: Any, request: Any, page: Any, actor: Any) -> Any:
            seen.setdefault(page.template, []).append(threading.get_ident() == loops_own)
            return respond(self, request, page, actor)

        def read(*arguments: Any) -> Any:
            seen.setdefault("tree", []).append(threading.get_ident() == loops_own)
            return large_tree(*arguments)

        with (
            patch.object(rendering.Renderer, "respond", noted),
            patch.object(payload_page, "large_tree", read),
        ):
            for path in (PAGE, f"{PAGE}/payload?of=input", f"/apps/{APPLICATION}/workflows", "/keys"):
                for _ in range(2):
                    answer = await scene.reader.client.get(path, headers=HTML)
                    assert answer.status_code == 200, path
        assert seen == {
            "workflow.html": [False, False],
            "tree": [False, False],
            "workflow_payload.html": [False, False],
            "workflows.html": [False, False],
            "keys.html": [False, False],
        }

    play(tmp_path, body)


def test_long_answers_of_the_api_arrive_whole(tmp_path: Path) -> None:
    async def body(scene: Scene) -> None:
        record = workflow(output="ü" * 2 * PIECE_SIZE)
        scene.shop.holds(record)
        scene.shop.steps["order-7"] = [step(number, output="x" * 2_000) for number in range(1, 601)]
        here = f"/v2/orgs/local/apps/{APPLICATION}/workflows/order-7"
        answer = await scene.reader.client.get(here)
        assert answer.json()["output"] == record.output
        assert answer.headers["content-length"] == str(len(answer.content))
        answer = await scene.reader.client.get(f"{here}/steps?loadOutput=true")
        assert [found["stepId"] for found in answer.json()] == list(range(1, 601))
        assert answer.headers["content-length"] == str(len(answer.content))
        assert len(answer.content) > 2 * PIECE_SIZE

    play(tmp_path, body)
