"""Asking an application: who is asked, who is asked next, and how it is told that nobody could answer."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from support.executor import ScriptedExecutor
from support.served import Run, Served
from support.wait import wait_until_async

from conductor_lite.errors import (
    DeadlineExceededError,
    ExecutorReportedError,
    NoExecutorAnsweredError,
    NoHealthyExecutorError,
    NotFoundError,
    UnsupportedMessageError,
)
from conductor_lite.protocol import (
    Alert,
    Cancel,
    CancelReply,
    ForkBody,
    ForkFromFailure,
    ForkFromFailureBody,
    ForkWorkflow,
    ImportWorkflow,
    ListQueues,
    ListQueuesReply,
    Reply,
    Request,
    Restart,
    TriggerSchedule,
    TriggerScheduleReply,
    encode_reply,
)


async def pair(scene: Served) -> tuple[ScriptedExecutor, ScriptedExecutor]:
    """Two executors; as long as neither has anything to do, the first is asked first."""
    first, second = await scene.executor("first"), await scene.executor("second")
    for executor in (first, second):
        executor.answers(ListQueues, ListQueuesReply())
    return first, second


def test_one_with_the_fewest_requests_in_flight_is_asked(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        for executor in (first, second):
            executor.ignores(ListQueues)
        asking = [asyncio.create_task(scene.ask(ListQueues())) for _ in range(6)]
        await wait_until_async(lambda: first.count(ListQueues) + second.count(ListQueues) == 6, 5, "all six")
        assert (first.count(ListQueues), second.count(ListQueues)) == (3, 3)
        assert (scene.view("first").in_flight, scene.view("second").in_flight) == (3, 3)
        for executor in (first, second):
            for _, request_id in list(executor.unanswered):
                await executor.reply(ListQueuesReply(), request_id)
        await asyncio.gather(*asking)
        assert scene.view("first").in_flight == 0

    run(body, request_timeout_secs=10)


def test_idle_executor_is_asked_again_and_again_while_another_is_busy(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        first.ignores(Cancel)
        busy = asyncio.create_task(scene.ask(Cancel(), executor_id="first"))
        await wait_until_async(lambda: first.count(Cancel), 5, "it to be busy")
        for _ in range(4):
            await scene.ask(ListQueues())
        assert (first.count(ListQueues), second.count(ListQueues)) == (0, 4)
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)

    run(body, request_timeout_secs=10)


def test_wanted_version_or_executor_is_asked(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await scene.executor("first", "1"), await scene.executor("second", "2")
        for executor in (first, second):
            executor.answers(ListQueues, ListQueuesReply())
        for _ in range(3):
            await scene.ask(ListQueues(), application_version="2")
            await scene.ask(ListQueues(), executor_id="first")
        assert (first.count(ListQueues), second.count(ListQueues)) == (3, 3)
        with pytest.raises(NoHealthyExecutorError, match="version 3"):
            await scene.ask(ListQueues(), application_version="3")
        with pytest.raises(NoHealthyExecutorError, match="Executor third"):
            await scene.ask(ListQueues(), executor_id="third")
        with pytest.raises(NoHealthyExecutorError):
            await scene.ask(ListQueues(), executor_id="first", application_version="2")

    run(body)


async def silence(executor: ScriptedExecutor) -> None:
    executor.ignores(ListQueues)


async def vanishing(executor: ScriptedExecutor) -> None:
    async def vanish(request: Request[Reply]) -> None:
        executor.connection.transport.abort()

    executor.on(ListQueues, vanish)


async def parting(executor: ScriptedExecutor) -> None:
    async def leave(request: Request[Reply]) -> None:
        await executor.connection.close()

    executor.on(ListQueues, leave)


def replying(frame: str) -> Callable[[ScriptedExecutor], Awaitable[None]]:
    async def garble(executor: ScriptedExecutor) -> None:
        async def send(request: Request[Reply]) -> None:
            _, request_id = next(pair for pair in executor.unanswered if pair[0] is request)
            await executor.send(frame.replace("ID", request_id))

        executor.on(ListQueues, send)

    return garble


@pytest.mark.parametrize(
    "trouble",
    [
        silence,
        vanishing,
        parting,
        replying('{"type": "list_queues", "request_id": "ID", "output": 7}'),
        replying('{"type": "cancel", "request_id": "ID", "success": true}'),
        replying('{"type": "list_queues", "request_id": "ID-no", "output": []}'),
        replying('{"type": "list_queues", "output": []}'),
        replying("not JSON"),
    ],
    ids=["silence", "vanishing", "parting", "wrong field", "wrong type", "wrong id", "no id", "not JSON"],
)
def test_another_executor_is_asked_when_one_fails(
    run: Run, trouble: Callable[[ScriptedExecutor], Awaitable[None]]
) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        await trouble(first)
        assert isinstance(await scene.ask(ListQueues()), ListQueuesReply)
        assert (first.count(ListQueues), second.count(ListQueues)) == (1, 1)

    run(body)


def test_nobody_connected_is_told_from_nobody_answering(run: Run) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(NoHealthyExecutorError, match="No executor of shop is connected"):
            await scene.ask(ListQueues())
        first, second = await pair(scene)
        await silence(first)
        await vanishing(second)
        with pytest.raises(NoExecutorAnsweredError, match="None of the 2 executor"):
            await scene.ask(ListQueues())
        assert (first.count(ListQueues), second.count(ListQueues)) == (1, 1)
        await first.leave()
        await scene.await_status("first", "DISCONNECTED")
        with pytest.raises(NoHealthyExecutorError):
            await scene.ask(ListQueues())

    run(body)


def test_deleted_application_cannot_be_asked(run: Run) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(NotFoundError):
            await scene.conductor.fleet.ask("no-such-id", ListQueues())

    run(body)


def test_deadline_ends_the_asking(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        await silence(first)
        await silence(second)
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceededError, match=r"within 0\.3 s"):
            await scene.ask(ListQueues(), deadline_secs=0.3)
        assert asyncio.get_running_loop().time() - started < 30
        assert second.count(ListQueues) == 0
        # An executor that was given less than its time is not called unresponsive for it.
        assert scene.view("first").responsive

    run(body, request_timeout_secs=60)


def test_deadline_is_shared_by_all_attempts(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        await silence(first)
        await silence(second)
        with pytest.raises(DeadlineExceededError):
            await scene.ask(ListQueues(), deadline_secs=1.5)
        assert (first.count(ListQueues), second.count(ListQueues)) == (1, 1)

    run(body)


NOT_REPEATABLE = [
    Alert(name="n", message="m", metadata={}),
    ForkWorkflow(body=ForkBody(workflow_id="w", start_step=1)),
    ForkFromFailure(body=ForkFromFailureBody(workflow_ids=["w"], from_last_failure=True)),
    ImportWorkflow(serialized_workflow="x"),
    Restart(workflow_id="w"),
    TriggerSchedule(schedule_name="s"),
]


@pytest.mark.parametrize("request_", NOT_REPEATABLE, ids=lambda request: type(request).__name__)
def test_what_would_do_its_work_twice_is_asked_once(run: Run, request_: Request[Reply]) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        with pytest.raises(NoExecutorAnsweredError, match="may have carried out"):
            await scene.ask(request_)
        assert (first.count(type(request_)), second.count(type(request_))) == (1, 0)

    run(body, request_timeout_secs=0.2)


def test_what_would_do_its_work_twice_is_not_repeated_when_its_executor_vanishes(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)

        async def vanish(request: Request[Reply]) -> None:
            first.connection.transport.abort()

        first.on(TriggerSchedule, vanish)
        with pytest.raises(NoExecutorAnsweredError, match="may have carried out trigger_schedule"):
            await scene.ask(TriggerSchedule(schedule_name="s"))
        assert second.count(TriggerSchedule) == 0

    run(body)


def test_what_would_do_its_work_twice_is_not_repeated_after_an_unreadable_reply(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)

        async def garble(request: Request[Reply]) -> None:
            _, request_id = first.unanswered[-1]
            await first.send(f'{{"type": "cancel", "request_id": "{request_id}"}}')

        first.on(TriggerSchedule, garble)
        with pytest.raises(NoExecutorAnsweredError, match="may have carried out"):
            await scene.ask(TriggerSchedule(schedule_name="s"))
        assert second.count(TriggerSchedule) == 0

    run(body)


def test_what_was_never_sent_may_be_asked_of_another(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        first.ignores(ListQueues)
        blocked = [
            asyncio.create_task(scene.ask(ListQueues(), executor_id="first", deadline_secs=5))
            for _ in range(2)
        ]
        await wait_until_async(lambda: first.count(ListQueues) == 2, 5, "its turns to be taken")
        second.answers(TriggerSchedule, TriggerScheduleReply(workflow_id="w"))
        # Prefer the first by giving the second more to do.
        second.ignores(Cancel)
        busy = [
            asyncio.create_task(scene.ask(Cancel(), executor_id="second", deadline_secs=5)) for _ in range(2)
        ]
        await wait_until_async(lambda: second.count(Cancel) == 2, 5, "the second to be busy too")
        await first.vanish()
        await scene.ask(TriggerSchedule(schedule_name="s"), deadline_secs=5)
        assert second.count(TriggerSchedule) == 1
        for task in (*blocked, *busy):
            task.cancel()
        await asyncio.gather(*blocked, *busy, return_exceptions=True)

    run(body, request_timeout_secs=10, max_in_flight_requests=3)


def executor_has_more_than(executor: ScriptedExecutor, count: int) -> Callable[[], bool]:
    return lambda: len(executor.unanswered) > count


def test_requests_in_flight_are_bounded_and_the_rest_waits_its_turn(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        executor.ignores(ListQueues)
        asking = [asyncio.create_task(scene.ask(ListQueues())) for _ in range(20)]
        await wait_until_async(lambda: executor.count(ListQueues) == 4, 5, "four requests")
        assert scene.view("a").in_flight == 4
        most = 0
        for answered in range(20):
            await wait_until_async(executor_has_more_than(executor, answered), 5, "the next request")
            most = max(most, len(executor.unanswered) - answered)
            _, request_id = executor.unanswered[answered]
            await executor.reply(ListQueuesReply(), request_id)
        await asyncio.gather(*asking)
        assert most == 4

    run(body, request_timeout_secs=10)


def test_caller_that_gives_up_frees_its_turn(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        executor.ignores(ListQueues)
        executor.answers(Cancel, CancelReply(success=True))
        asking = [asyncio.create_task(scene.ask(ListQueues())) for _ in range(4)]
        await wait_until_async(lambda: executor.count(ListQueues) == 4, 5, "all turns to be taken")
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await scene.ask(Cancel(), deadline_secs=25)
        # The late replies meet nobody.
        for _, request_id in list(executor.unanswered):
            await executor.reply(ListQueuesReply(), request_id)
        await scene.ask(Cancel(), deadline_secs=25)

    run(body, request_timeout_secs=30)


REPORT = """Traceback (most recent call last):
  File "x.py", line 1
sqlalchemy.exc.OperationalError: it is down

"""


def test_error_of_the_executors_own_is_raised_with_its_last_line_and_whole_report(run: Run) -> None:
    async def body(scene: Served) -> None:
        first, second = await pair(scene)
        first.answers(Cancel, CancelReply(success=False, error_message=REPORT))
        with pytest.raises(ExecutorReportedError) as caught:
            await scene.ask(Cancel(workflow_id="w"))
        assert str(caught.value) == "sqlalchemy.exc.OperationalError: it is down"
        assert caught.value.report == REPORT
        assert not isinstance(caught.value, UnsupportedMessageError)
        # It answered, so nobody else is bothered.
        assert second.count(Cancel) == 0

    run(body)


def test_message_that_an_sdk_does_not_know_is_unsupported_and_sent_once(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        executor.answers(Cancel, CancelReply(error_message="Unknown message type"))
        for _ in range(3):
            with pytest.raises(UnsupportedMessageError):
                await scene.ask(Cancel(workflow_id="w"))
        # Some SDKs log each message that they do not know.
        assert executor.count(Cancel) == 1
        # Another process may have another SDK.
        await executor.leave()
        executor = await scene.executor("a")
        executor.answers(Cancel, CancelReply(error_message=" \n"))
        with pytest.raises(ExecutorReportedError, match="without a text"):
            await scene.ask(Cancel(workflow_id="w"))

    run(body)


def test_replies_out_of_order_reach_whoever_asked(run: Run) -> None:
    async def body(scene: Served) -> None:
        executor = await scene.executor("a")
        asking = [asyncio.create_task(scene.ask(Cancel(workflow_id=f"w{n}"))) for n in range(4)]
        await wait_until_async(lambda: executor.count(Cancel) == 4, 5, "all four")
        cancels = [(r, id_) for r, id_ in executor.unanswered if isinstance(r, Cancel)]
        for request, request_id in reversed(cancels):
            report = f"no workflow {request.workflow_id}"
            await executor.send(encode_reply(CancelReply(error_message=report), request_id))
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert [str(answer) for answer in answers] == [f"no workflow w{n}" for n in range(4)]

    run(body, request_timeout_secs=10)
