"""An executor that has every answer ready before it is asked, so that a page's time is the server's own.

Says how long it took over them all the same. Goes on until it is killed.
"""

import asyncio
import sys
import time
from collections.abc import Mapping

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from benchmark.control import say, serve_commands
from conductor_lite import protocol
from conductor_lite.protocol import Reply, encode_reply, message_type

_FIRST_EPOCH_MS = 1_795_000_000_000
_REQUEST_ID = "request-id-goes-here"
_NONE = "none"


class _Filters(msgspec.Struct):
    offset: int | None = None
    parent_workflow_id: str | list[str] | None = None
    forked_from: str | list[str] | None = None


class _Question(msgspec.Struct):
    type: str
    request_id: str
    offset: int | None = None
    body: _Filters = msgspec.field(default_factory=_Filters)

    @property
    def answers_with(self) -> str:
        """Which of the answers is the right one: there is one page of everything, and no family."""
        filters = self.body
        goes_on = self.offset or filters.offset or filters.parent_workflow_id or filters.forked_from
        return f"{self.type} {_NONE}" if goes_on else self.type


_read_question = msgspec.json.Decoder(_Question).decode


def _workflow(number: int) -> protocol.WorkflowRecord:
    created = _FIRST_EPOCH_MS + number * 60_000
    return protocol.WorkflowRecord(
        workflow_id=f"3f0c8a52-95d1-4b7e-9a6e-{number:012d}",
        status=("SUCCESS", "SUCCESS", "ERROR", "CANCELLED")[number % 4],
        workflow_name=f"process_order_{number % 7}",
        created_at_epoch_ms=created,
        updated_at_epoch_ms=created + 5_000,
        completed_at_epoch_ms=created + 5_000,
        queue_name="orders",
        application_version="v1",
        executor_id="bench",
        input="{'args': (7, 'a book'), 'kwargs': {'express': True, 'customer': {'id': 4, 'name': 'Ada'}}}",
        output="{'shipped': True, 'parcels': [1, 2, 3]}",
    )


def _step(number: int) -> protocol.StepRecord:
    started = _FIRST_EPOCH_MS + number * 1_000
    return protocol.StepRecord(
        function_id=number,
        function_name=f"charge_card_{number % 9}",
        output=f"{{'receipt': {number}, 'lines': ['a', 'b', 'c'], 'paid': True}}",
        started_at_epoch_ms=started,
        completed_at_epoch_ms=started + 900,
    )


def _payload(count: int) -> str:
    """A long input, as Python's ``repr`` writes it."""
    return repr({"args": ([{"number": n, "name": f"item {n}", "tags": ["a", "b"]} for n in range(count)],)})


def answers(workflows: int, steps: int, payload_items: int) -> Mapping[str, list[str]]:
    """The frame that answers each type of message, cut where the request's id goes.

    Args:
        workflows: in one listing.
        steps: of one workflow.
        payload_items: in the input of the one that is looked at by itself.
    """
    versions = [protocol.ApplicationVersionRecord(version_id="v1", version_name="v1")]
    queues = [protocol.QueueRecord(name=f"queue-{number}", concurrency=10) for number in range(20)]
    schedules = [
        protocol.ScheduleRecord(
            schedule_id=str(number),
            schedule_name=f"every-{number}",
            workflow_name="sweep",
            cron=f"{number} * * * *",
            status="ACTIVE",
        )
        for number in range(20)
    ]
    groups = [
        protocol.WorkflowAggregateRecord(group={"status": status}, count=workflows)
        for status in ("SUCCESS", "ERROR", "CANCELLED")
    ]
    records = [_workflow(number) for number in range(workflows)]
    looked_at = msgspec.structs.replace(records[0], input=_payload(payload_items))
    plain = [msgspec.structs.replace(record, input=None, output=None) for record in records]
    replies: list[Reply] = [
        protocol.ExecutorInfoReply(executor_id="bench", application_version="v1", language="python"),
        protocol.ExistPendingWorkflowsReply(exist=False),
        protocol.RecoveryReply(success=True),
        protocol.ListWorkflowsReply(workflows=plain),
        protocol.ListQueuedWorkflowsReply(workflows=plain),
        protocol.GetWorkflowReply(workflow=looked_at),
        protocol.ListStepsReply(steps=[_step(number) for number in range(1, steps + 1)]),
        protocol.ListQueuesReply(queues=queues),
        protocol.ListSchedulesReply(schedules=schedules),
        protocol.ListApplicationVersionsReply(versions=versions),
        protocol.GetWorkflowAggregatesReply(aggregates=groups),
        protocol.GetStepAggregatesReply(aggregates=[]),
        protocol.GetMetricsReply(metrics=[]),
        protocol.GetWorkflowEventsReply(events=[]),
        protocol.GetWorkflowNotificationsReply(notifications=[]),
        protocol.GetWorkflowStreamsReply(streams=[]),
    ]
    empty: list[Reply] = [protocol.ListWorkflowsReply(), protocol.ListStepsReply(steps=[])]
    named = [(message_type(type(reply)), reply) for reply in replies]
    named += [(f"{message_type(type(reply))} {_NONE}", reply) for reply in empty]
    return {name: encode_reply(reply, _REQUEST_ID).split(_REQUEST_ID) for name, reply in named}


class _Executor:
    """Answers, and adds up the time that it took."""

    def __init__(self, frames: Mapping[str, list[str]]) -> None:
        self._frames = frames
        # Since the last time that it was asked for.
        self._took_secs = 0.0

    async def serve(self, socket: ClientConnection) -> None:
        """Answer whatever comes."""
        async for frame in socket:
            started = time.perf_counter()
            question = _read_question(frame)
            parts = self._frames.get(question.answers_with)
            if parts is not None:
                await socket.send(question.request_id.join(parts))
            self._took_secs += time.perf_counter() - started

    async def took(self) -> float:
        """Milliseconds that answers took since this was last asked."""
        took_secs, self._took_secs = self._took_secs, 0.0
        return took_secs * 1_000


async def _main(url: str, *counts: str) -> None:
    executor = _Executor(answers(*(int(count) for count in counts)))
    async with connect(url, proxy=None, max_size=None) as socket:
        say({"ready": True})
        serving = asyncio.create_task(executor.serve(socket))
        await serve_commands({"took": executor.took})
        serving.cancel()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
