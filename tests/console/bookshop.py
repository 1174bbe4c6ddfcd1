"""An executor that holds workflows in memory, and a browser without scripts, for tests of a workflow page."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
from support.executor import ScriptedExecutor
from support.served import APPLICATION, Served, served

from conductor_lite.auth.actor import LOCAL_ORGANIZATION
from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.operations import sharing
from conductor_lite.policies.snapshot_sync import Sync
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.protocol import (
    GetStepAggregates,
    GetStepAggregatesReply,
    GetWorkflow,
    GetWorkflowAggregates,
    GetWorkflowAggregatesReply,
    GetWorkflowEvents,
    GetWorkflowEventsReply,
    GetWorkflowNotifications,
    GetWorkflowNotificationsReply,
    GetWorkflowReply,
    GetWorkflowStreams,
    GetWorkflowStreamsReply,
    ListApplicationVersions,
    ListApplicationVersionsReply,
    ListQueues,
    ListQueuesReply,
    ListSteps,
    ListStepsReply,
    ListWorkflows,
    ListWorkflowsReply,
    Reply,
    StepAggregateRecord,
    StepRecord,
    WorkflowRecord,
)
from conductor_lite.store.applications import Applications
from conductor_lite.store.snapshots import Snapshots as SnapshotStore

NOW_MS = 1_795_000_000_000


def workflow(workflow_id: str = "order-7", **fields: Any) -> WorkflowRecord:
    """One that has ended well, unless told otherwise."""
    given = {
        "status": "SUCCESS",
        "workflow_name": "fulfil_order",
        "created_at_epoch_ms": NOW_MS,
        "updated_at_epoch_ms": NOW_MS + 5_000,
        "completed_at_epoch_ms": NOW_MS + 5_000,
        "executor_id": "e-1",
        "application_version": "1",
        "input": "{'args': (7,), 'kwargs': {}}",
        "output": "shipped",
    }
    return WorkflowRecord(workflow_id=workflow_id, **{**given, **fields})


def step(number: int, name: str = "charge_card", **fields: Any) -> StepRecord:
    """One that took a second."""
    begun = NOW_MS + number * 1_000
    given = {
        "started_at_epoch_ms": begun,
        "completed_at_epoch_ms": begun + 1_000,
        "output": f"result {number}",
    }
    return StepRecord(function_id=number, function_name=name, **{**given, **fields})


class Bookshop:
    """What the application's database holds, and the executor that answers from it."""

    def __init__(self) -> None:
        self.workflows: dict[str, WorkflowRecord] = {}
        self.steps: dict[str, list[StepRecord]] = {}
        self.executor = ScriptedExecutor("e-1")
        on = self.executor.on
        on(GetWorkflow, self._get)
        on(ListSteps, self._steps)
        on(ListWorkflows, self._list)
        on(GetStepAggregates, self._step_aggregates)
        # Empty rather than silent: a page would wait for them in vain.
        self.executor.answers(GetWorkflowAggregates, GetWorkflowAggregatesReply(aggregates=[]))
        self.executor.answers(ListApplicationVersions, ListApplicationVersionsReply(versions=[]))
        self.executor.answers(ListQueues, ListQueuesReply(queues=[]))
        self.executor.answers(GetWorkflowEvents, GetWorkflowEventsReply(events=[]))
        self.executor.answers(GetWorkflowNotifications, GetWorkflowNotificationsReply(notifications=[]))
        self.executor.answers(GetWorkflowStreams, GetWorkflowStreamsReply(streams=[]))

    def holds(self, *records: WorkflowRecord) -> None:
        """Put workflows into the database, or change them."""
        self.workflows |= {record.workflow_id: record for record in records}

    async def _get(self, request: GetWorkflow) -> Reply:
        found = self.workflows.get(request.workflow_id)
        return GetWorkflowReply(workflow=found and _loaded(found, request.load_input, request.load_output))

    async def _steps(self, request: ListSteps) -> Reply:
        offset = request.offset or 0
        end = None if request.limit is None else offset + request.limit
        steps = self.steps.get(request.workflow_id, [])[offset:end]
        if not request.load_output:
            steps = [msgspec.structs.replace(step, output=None, error=None) for step in steps]
        return ListStepsReply(steps=steps)

    async def _list(self, request: ListWorkflows) -> Reply:
        body = request.body
        found = [
            record
            for record in self.workflows.values()
            if _matches(body.parent_workflow_id, record.parent_workflow_id)
            and _matches(body.forked_from, record.forked_from)
            and _matches(body.workflow_ids, record.workflow_id)
        ]
        return ListWorkflowsReply(workflows=found[body.offset or 0 :][: body.limit])

    async def _step_aggregates(self, request: GetStepAggregates) -> Reply:
        body = request.body
        after, before = (
            datetime.fromisoformat(text).timestamp() * 1_000
            for text in (
                body.completed_after or "1970-01-01T00:00Z",
                body.completed_before or "9000-01-01T00:00Z",
            )
        )
        counted = Counter(
            (item.function_name, "SUCCESS" if item.error is None else "ERROR", item.completed_at_epoch_ms)
            for id_, steps in self.steps.items()
            if id_.startswith(tuple(body.workflow_id_prefix or ("",)))
            for item in steps
            if item.completed_at_epoch_ms is not None and after <= item.completed_at_epoch_ms <= before
        )
        groups: Counter[tuple[tuple[str, str], ...]] = Counter()
        for (name, status, completed), number in counted.items():
            if not body.status or status in body.status:
                group = {"function_name": name, "status": status}
                if body.time_bucket_size_ms:
                    group["time_bucket"] = str(completed - completed % body.time_bucket_size_ms)
                groups[tuple(group.items())] += number
        rows = [StepAggregateRecord(group=dict(group), count=number) for group, number in groups.items()]
        return GetStepAggregatesReply(aggregates=rows)


def _loaded(record: WorkflowRecord, load_input: bool, load_output: bool) -> WorkflowRecord:
    gone: dict[str, Any] = {}
    if not load_input:
        gone["input"] = None
    if not load_output:
        gone |= {"output": None, "error": None}
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return WorkflowRecord(**{**fields, **gone})


def _matches(wanted: Any, value: str | None) -> bool:
    return not wanted or value in ([wanted] if isinstance(wanted, str) else wanted)


class Reader:
    """Looks at pages and sends their forms, as a browser without scripts does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def page(self, url: str, status: int = 200, **headers: str) -> str:
        """The page at an address."""
        answer = await self.client.get(url, headers={"Accept": "text/html", **headers})
        assert answer.status_code == status, answer.text
        return answer.text

    async def data(self, url: str) -> Any:
        """The same as JSON."""
        answer = await self.client.get(url, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def send(self, url: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """Send the form that the page at this address shows, to this address."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', await self.page(url))
        assert token, "the page has no form"
        return await self.client.post(
            url, data={"csrf_token": unescape(token[1]), **fields}, headers={"Accept": "text/html", **headers}
        )


class Scene:
    """What a test works with."""

    def __init__(self, served_: Served, shop: Bookshop, reader: Reader) -> None:
        self.served = served_
        self.shop = shop
        self.reader = reader

    async def connect(self) -> ScriptedExecutor:
        """Let the executor connect."""
        return await self.served.connected(self.shop.executor)

    async def take_snapshots(self) -> None:
        """Let snapshots learn all that the executor lists, once."""
        db = self.served.conductor.db
        application = await Applications(db).get(LOCAL_ORGANIZATION, APPLICATION)
        assert application is not None
        store = SnapshotStore(db)
        fleet = self.served.conductor.fleet
        policy = Snapshots(fleet, Applications(db), store, Clock(), random.Random(1))
        source = await store.ensure_source(application.id)
        await policy.sync(application, Sync(store, source.number, source.progress))


def play(
    folder: Path,
    body: Callable[[Scene], Awaitable[None]],
    *,
    kept_secs: float = 0,
    request_timeout_secs: float = 15,
) -> None:
    """Run a test on a conductor with the bookshop connected to it.

    Args:
        folder: gets the conductor's data.
        body: the test.
        kept_secs: how long answers are shared; tests that change things between two looks must not wait.
        request_timeout_secs: how long an executor may take to answer; short where it never does.
    """
    settings = Settings(data_dir=folder / "data", port=0, dev=True, request_timeout_secs=request_timeout_secs)

    async def whole() -> None:
        async with (
            served(settings) as running,
            httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=60) as client,
        ):
            await running.application_id()
            scene = Scene(running, Bookshop(), Reader(client))
            await scene.connect()
            await body(scene)

    with patch.object(sharing, "KEPT_SECS", kept_secs):
        asyncio.run(whole())


def text_of(html: str) -> str:
    """What a page says, without its marks and with single blanks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


PAGE = f"/apps/{APPLICATION}/workflows/order-7"
