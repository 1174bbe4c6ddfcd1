"""What may come over an executor's socket besides answers, and that it harms nobody else."""

import asyncio
import logging

import pytest
from support.executor import ScriptedExecutor
from support.served import Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import NoExecutorAnsweredError
from conductor_lite.fleet import sockets
from conductor_lite.protocol import (
    ImportWorkflow,
    ImportWorkflowReply,
    ListQueues,
    ListQueuesReply,
    encode_reply,
)

SECRET = "payload-of-a-user"
BAD_FRAMES: list[str | bytes] = [
    SECRET,
    f'["{SECRET}"]',
    f'{{"type": 7, "request_id": "1", "x": "{SECRET}"',
    b"\x00\x01" + SECRET.encode(),
    "[" * 5_000,
    "",
]


async def answering(scene: Served, executor_id: str = "a") -> ScriptedExecutor:
    executor = await scene.executor(executor_id)
    executor.answers(ListQueues, ListQueuesReply())
    return executor


@pytest.mark.parametrize("frame", BAD_FRAMES, ids=lambda frame: repr(frame[:12]))
def test_bad_frame_is_dropped_and_the_connection_kept(
    run: Run, frame: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "conductor_lite")

    async def body(scene: Served) -> None:
        executor = await answering(scene)
        await executor.send(frame)
        await scene.ask(ListQueues())
        assert scene.statuses() == {"a": "HEALTHY"}

    run(body)
    assert "was dropped" in caplog.text
    assert SECRET not in caplog.text


def test_sixteen_bad_frames_in_a_row_end_the_connection(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor, other = await answering(scene), await answering(scene, "other")
        for _ in range(15):
            await executor.send(b"\x00")
        # A good frame in between, and the count begins anew.
        await scene.ask(ListQueues(), executor_id="a")
        for _ in range(15):
            await executor.send("nonsense")
        await scene.ask(ListQueues(), executor_id="a")
        for number in range(16):
            await executor.send(b"\x00" if number % 2 else "nonsense")
        code, reason = await executor.closing()
        assert code == 1008
        assert "not messages" in reason
        await scene.await_status("a", "DISCONNECTED")
        await scene.ask(ListQueues())
        assert other.count(ListQueues) == 1

    run(body, executor_timeout_secs=60)


def test_frame_over_the_bound_closes_its_own_connection_alone(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor, other = await answering(scene), await answering(scene, "other")
        await executor.send("x" * 70_000)
        assert (await executor.closing())[0] == 1009
        await scene.await_status("a", "DISCONNECTED")
        await scene.ask(ListQueues())
        assert other.count(ListQueues) == 1
        # It may come back.
        await answering(scene)

    run(body, executor_timeout_secs=60)


def test_fragmented_frame_counts_as_a_whole(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await answering(scene)
        await executor.connection.send(["x" * 20_000] * 4)
        assert (await executor.closing())[0] == 1009

    run(body, executor_timeout_secs=60)


def test_large_reply_within_the_bound_arrives(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        reply = ListQueuesReply(error_message="x" * 5_000_000)
        executor.answers(ListQueues, reply)
        with pytest.raises(Exception, match="xxx"):
            await scene.ask(ListQueues(), deadline_secs=10)

    run(body, max_frame_bytes=64 * 1024 * 1024, request_timeout_secs=10)


def test_a_long_request_goes_out_in_fragments_between_which_no_other_comes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "PIECE_SIZE", 10_000)

    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("a")
        executor.answers(ListQueues, ListQueuesReply())
        executor.answers(ImportWorkflow, ImportWorkflowReply(success=True))
        # Whatever is longer than a fragment may be is refused by the executor's end.
        await scene.connected(executor, max_size=(None, 20_000))
        fleet, application_id = scene.conductor.fleet, await scene.application_id()
        long = "ä" + "x" * 2_000_000
        imports = [
            asyncio.create_task(fleet.ask(application_id, ImportWorkflow(serialized_workflow=long)))
            for _ in range(2)
        ]
        while not all(task.done() for task in imports):
            await fleet.ask(application_id, ListQueues())
        await asyncio.gather(*imports)
        received = [r.serialized_workflow for r in executor.requests if isinstance(r, ImportWorkflow)]
        assert received == [long, long]

    run(body, request_timeout_secs=30)


def test_a_long_request_that_is_given_up_halfway_leaves_the_socket_usable(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a", max_size=None)
        executor.answers(ListQueues, ListQueuesReply())
        executor.answers(ImportWorkflow, ImportWorkflowReply(success=True))
        executor.connection.transport.pause_reading()
        long = ImportWorkflow(serialized_workflow="x" * 8_000_000)
        with pytest.raises(NoExecutorAnsweredError):
            await scene.ask(long)
        executor.connection.transport.resume_reading()
        await wait_until_async(lambda: executor.count(ImportWorkflow), 30, "the whole of it")
        await scene.ask(ListQueues())

    run(body, executor_timeout_secs=60)


def test_late_reply_is_dropped(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "conductor_lite")

    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        executor.ignores(ListQueues)
        with pytest.raises(NoExecutorAnsweredError):
            await scene.ask(ListQueues())
        (_, request_id) = executor.unanswered[-1]
        await executor.reply(ListQueuesReply(error_message="too late"), request_id)
        executor.answers(ListQueues, ListQueuesReply())
        reply = await scene.ask(ListQueues())
        assert reply.error_message is None

    run(body)
    assert "for a request that is over" in caplog.text


@pytest.mark.parametrize("request_id", ["999999", "", "-1", "\\u0000", "x" * 1_000])
def test_reply_to_nothing_is_dropped(run: Run, request_id: str) -> None:
    async def body(scene: Served) -> None:
        executor = await answering(scene)
        for _ in range(20):
            await executor.send(f'{{"type": "list_queues", "request_id": "{request_id}", "output": []}}')
        await scene.ask(ListQueues())

    run(body)


def test_second_reply_to_one_request_is_dropped(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        asking = asyncio.create_task(scene.ask(ListQueues()))
        await wait_until_async(lambda: executor.count(ListQueues), 5, "the request")
        (_, request_id) = executor.unanswered[-1]
        await executor.send(encode_reply(ListQueuesReply(), request_id))
        await executor.send(encode_reply(ListQueuesReply(error_message="twice"), request_id))
        assert (await asking).error_message is None
        executor.answers(ListQueues, ListQueuesReply())
        await scene.ask(ListQueues())

    run(body, request_timeout_secs=10)


def test_executor_that_sends_without_being_asked_before_it_introduced_itself_is_harmless(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = ScriptedExecutor("a")
        await executor.connect(scene.ws_url, "shop")
        await executor.send('{"type": "executor_info", "request_id": "7", "executor_id": "b"}')
        await scene.await_status("a", "HEALTHY")
        assert scene.statuses() == {"a": "HEALTHY"}
        await executor.vanish()

    run(body, handshake_timeout_secs=5)
