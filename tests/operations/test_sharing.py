"""Shared answers: many looks cost one question, and nobody sees what was before a change."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.wait import wait_until_async

from conductor_lite.errors import DeadlineExceededError, NoHealthyExecutorError
from conductor_lite.operations import sharing as module
from conductor_lite.operations.deadline import deadline
from conductor_lite.operations.sharing import MAX_KEPT, SharedAnswers, once, sharing
from conductor_lite.protocol import Cancel, GetWorkflow, ListWorkflows, WorkflowFilters


class Executor:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fault: Exception | None = None

    async def __call__(self) -> Any:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        return number


Body = Callable[[SharedAnswers, Executor], Awaitable[None]]


def run(body: Body) -> None:
    asyncio.run(body(SharedAnswers(), Executor()))


ONE = GetWorkflow(workflow_id="a")


def test_those_who_share_are_told_the_same_and_others_ask_anew() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        with sharing():
            answers = await asyncio.gather(*(shared.ask("app", ONE, executor) for _ in range(50)))
            assert answers == [1] * 50
            assert await shared.ask("app", ONE, executor) == 1
            assert await shared.ask("app", GetWorkflow(workflow_id="b"), executor) == 2
            assert await shared.ask("other", ONE, executor) == 3
        assert await shared.ask("app", ONE, executor) == 4

    run(body)


def test_an_answer_is_kept_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_SECS", 0.02)

    async def body(shared: SharedAnswers, executor: Executor) -> None:
        with sharing():
            await shared.ask("app", ONE, executor)
            await wait_until_async(lambda: shared.kept == 0, 5, "the answer to be dropped")
            assert await shared.ask("app", ONE, executor) == 2

    run(body)


def test_a_slow_executor_is_not_asked_again_before_it_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_SECS", 0.01)

    async def body(shared: SharedAnswers, executor: Executor) -> None:
        executor.may_answer.clear()
        with sharing():
            first = asyncio.create_task(shared.ask("app", ONE, executor))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(shared.ask("app", ONE, executor))
            await asyncio.sleep(0)
            executor.may_answer.set()
            assert await asyncio.gather(first, second) == [1, 1]
        await wait_until_async(lambda: shared.kept == 0, 5, "the answer to be dropped")

    run(body)


def test_what_changes_something_is_never_shared_and_makes_answers_out_of_date() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        with sharing():
            await shared.ask("app", ONE, executor)
            await shared.ask("other", ONE, executor)
            assert await shared.ask("app", Cancel(workflow_id="a"), executor) == 3
            assert await shared.ask("app", Cancel(workflow_id="a"), executor) == 4
            assert await shared.ask("app", ONE, executor) == 5
            assert await shared.ask("other", ONE, executor) == 2

    run(body)


def test_an_answer_that_was_asked_for_before_a_change_ends_is_not_given_after_it() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        executor.may_answer.clear()
        with sharing():
            early = asyncio.create_task(shared.ask("app", ONE, executor))
            await wait_until_async(lambda: executor.asked == 1, 5, "the question")
            change = asyncio.create_task(shared.ask("app", Cancel(workflow_id="a"), executor))
            await asyncio.sleep(0)
            executor.may_answer.set()
            await change
            assert await early == 1
            assert await shared.ask("app", ONE, executor) == 3

    run(body)


def test_what_a_look_has_read_it_does_not_read_again_but_the_next_look_does() -> None:
    async def body(_: SharedAnswers, reading: Executor) -> None:
        for look in (1, 2):
            with sharing():
                assert await once("application", reading) == look
                assert await asyncio.gather(once("application", reading), once("application", reading)) == [
                    look,
                    look,
                ]
        reading.fault = NoHealthyExecutorError("The database is closed.")
        with sharing():
            for _ in range(2):
                with pytest.raises(NoHealthyExecutorError):
                    await once("application", reading)
        reading.fault = None
        # Whoever changes something is to see what is there now.
        assert [await once("application", reading), await once("application", reading)] == [5, 6]

    run(body)


def test_a_failure_is_shared_and_forgotten_like_an_answer() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        executor.fault = NoHealthyExecutorError("Nobody is there.")
        with sharing():
            for _ in range(3):
                with pytest.raises(NoHealthyExecutorError):
                    await shared.ask("app", ONE, executor)
        assert executor.asked == 1

    run(body)


def test_who_gives_up_leaves_the_question_to_the_others() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        executor.may_answer.clear()
        with sharing():
            patient = asyncio.create_task(shared.ask("app", ONE, executor))
            await asyncio.sleep(0)
            with deadline(0.01), pytest.raises(DeadlineExceededError):
                await shared.ask("app", ONE, executor)
            left = asyncio.create_task(shared.ask("app", ONE, executor))
            await asyncio.sleep(0)
            left.cancel()
            executor.may_answer.set()
            assert await patient == 1

    run(body)


def test_what_is_kept_is_bounded() -> None:
    async def body(shared: SharedAnswers, executor: Executor) -> None:
        with sharing():
            for number in range(MAX_KEPT + 20):
                await shared.ask("app", ListWorkflows(body=_page(number)), executor)
        assert shared.kept == MAX_KEPT

    run(body)


def _page(number: int) -> WorkflowFilters:
    return WorkflowFilters(offset=number)
