"""Commands at a terminal and in pipes: asking, progress, Ctrl-C, readers that leave, names that attack."""

import asyncio
import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.command import COMMAND, Finished
from support.executor import ScriptedExecutor
from support.process import Process
from support.served import Served, served
from support.terminal import Terminal
from support.wait import wait_until_async

from conductor_lite.config import Settings
from conductor_lite.protocol import (
    Cancel,
    CancelReply,
    GetWorkflow,
    GetWorkflowReply,
    ListSteps,
    ListStepsReply,
    ListWorkflows,
    ListWorkflowsReply,
    WorkflowRecord,
)

#: Clears the screen, retitles the window, turns the text around, and is 8-bit for ESC [.
ATTACK = "x\x1b[2J\x1b]0;owned\x07\u202etxt\x9b31m\r"
_DEADLINE_SECS = 60

Body = Callable[[Served, ScriptedExecutor, Terminal], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Body], None]:
    """Runs an async function on a served conductor with a scripted executor."""

    async def whole(body: Body) -> None:
        async with served(Settings(dev=True, port=0, data_dir=tmp_path / "data")) as place:
            await place.application_id()
            executor = await place.connected(ScriptedExecutor("one", "1", place.workload))
            executor.answers(Cancel, CancelReply(success=True))
            await body(place, executor, Terminal(tmp_path / "home", URL=place.url))

    return lambda body: asyncio.run(whole(body))


def knows(executor: ScriptedExecutor, *workflows: WorkflowRecord) -> None:
    """Let the executor's application have these workflows."""

    async def listing(request: ListWorkflows) -> ListWorkflowsReply:
        start = request.body.offset or 0
        return ListWorkflowsReply(workflows=list(workflows[start : start + (request.body.limit or 1)]))

    async def one(request: GetWorkflow) -> GetWorkflowReply:
        found = [workflow for workflow in workflows if workflow.workflow_id == request.workflow_id]
        return GetWorkflowReply(workflow=found[0] if found else None)

    executor.on(ListWorkflows, listing)
    executor.on(GetWorkflow, one)


class Teletype:
    """A pseudo-terminal that a command's standard error, and its standard input, may be.

    Args:
        terminal: where the command runs.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def run(self, *arguments: str, types: str, stdin: str | None = None) -> Finished:
        """Run a command to its end.

        Args:
            arguments: the command's.
            types: what the person types.
            stdin: what a pipe brings to standard input; None where that is the terminal.
        """
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "r+b", buffering=0) as screen:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=theirs if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=theirs,
                cwd=self._terminal.folder,
                env=self._terminal.environment(),
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
            )
            os.close(theirs)
            screen.write(types.encode())
            out, _ = process.communicate(
                stdin.encode() if stdin is not None else None, timeout=_DEADLINE_SECS
            )
            return Finished(process.returncode, out.decode(), self._shown(screen))

    def _shown(self, screen: Any) -> str:
        shown = b""
        try:
            while part := screen.read(4096):
                shown += part
        except OSError:
            # What Linux says once the other side is closed and everything was read.
            pass
        return shown.decode()


async def in_thread(function: Callable[..., Finished], *arguments: str, **options: Any) -> Finished:
    return await asyncio.to_thread(function, *arguments, **options)


def test_many_are_changed_only_after_the_person_agreed_to_their_number(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        teletype = Teletype(terminal)
        refused = await in_thread(teletype.run, "workflow", "cancel", "a", "b", types="n\n")
        assert (refused.status, refused.out) == (1, "")
        assert "Cancel 2 workflows? [y/N]" in refused.err
        assert executor.count(Cancel) == 0
        agreed = await in_thread(teletype.run, "workflow", "cancel", "a", "b", types="y\n")
        assert (agreed.status, agreed.out) == (0, "Cancelled 2 workflows.\n")
        assert executor.count(Cancel) == 1
        told = await in_thread(teletype.run, "workflow", "cancel", "a", "b", "--yes", types="")
        assert (told.status, "?" in told.err) == (0, False)

    run(body)


def test_the_person_is_asked_even_when_ids_come_through_a_pipe(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        teletype = Teletype(terminal)
        refused = await in_thread(teletype.run, "workflow", "cancel", "-", types="\n", stdin="a\nb\nc\n")
        assert (refused.status, executor.count(Cancel)) == (1, 0)
        assert "Cancel 3 workflows? [y/N]" in refused.err
        agreed = await in_thread(teletype.run, "workflow", "cancel", "-", types="y\n", stdin="a\nb\nc\n")
        assert (agreed.status, executor.count(Cancel)) == (0, 1)

    run(body)


def test_one_is_deleted_only_after_the_person_agreed(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        finished = await in_thread(Teletype(terminal).run, "workflow", "delete", "a", types="n\n")
        assert (finished.status, "Delete the workflow a?" in finished.err) == (1, True)
        assert len(executor.requests) == 1  # its introduction

    run(body)


def test_long_work_shows_how_far_it_is_at_a_terminal_and_only_there(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        ids = "\n".join(str(number) for number in range(250))
        shown = await in_thread(
            Teletype(terminal).run, "workflow", "cancel", "-", "--yes", types="", stdin=ids
        )
        assert shown.status == 0
        assert [part.split(" …")[0] for part in shown.err.split("\r")[1:4]] == [
            "Cancelled 100 of 250",
            "Cancelled 200 of 250",
            "Cancelled 250 of 250",
        ]
        assert shown.out == "Cancelled 250 workflows.\n"
        silent = await in_thread(terminal.run, "workflow", "cancel", "-", stdin=ids)
        assert (silent.status, silent.err) == (0, "")

    run(body)


def test_what_was_done_before_a_failure_is_told(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        async def second_fails(request: Cancel) -> CancelReply:
            failed = "150" in (request.workflow_ids or [])
            return CancelReply(success=not failed, error_message="Boom" if failed else None)

        executor.on(Cancel, second_fails)
        ids = "\n".join(str(number) for number in range(250))
        finished = await in_thread(terminal.run, "workflow", "cancel", "-", stdin=ids)
        assert (finished.status, finished.out) == (1, "")
        assert finished.err.splitlines()[0].startswith("Cancelled 100 of 250 before")
        assert "Boom" in finished.err.splitlines()[1]

    run(body)


def test_a_name_cannot_drive_the_terminal(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        knows(executor, WorkflowRecord(workflow_id="w", status="ERROR", workflow_name=ATTACK, error=ATTACK))
        for command in (("list",), ("list", "-o", "json"), ("get", "w"), ("get", "w", "-o", "json")):
            finished = await in_thread(terminal.run, "workflow", *command)
            assert finished.status == 0, finished
            assert all(character.isprintable() or character == "\n" for character in finished.out)
        assert json.loads(finished.out)["workflowName"] == ATTACK
        finished = await in_thread(terminal.run, "workflow", "get", "no\x1b[2J")
        assert finished.status == 4
        assert all(character.isprintable() or character == "\n" for character in finished.err)

    run(body)


def test_an_id_that_would_become_two_is_not_passed_on(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        knows(executor, WorkflowRecord(workflow_id="harmless\nprecious", status="SUCCESS"))
        finished = await in_thread(terminal.run, "workflow", "list", "-o", "ids")
        assert (finished.status, finished.out) == (1, "")
        assert "does not fit on a line" in finished.err
        as_json = await in_thread(terminal.run, "workflow", "list", "-o", "json")
        assert json.loads(as_json.out)[0]["workflowId"] == "harmless\nprecious"

    run(body)


@pytest.mark.parametrize("form", ["table", "json", "ids"])
def test_a_reader_that_leaves_early_ends_the_command_without_a_word(run: Any, form: str) -> None:
    def leave(terminal: Terminal) -> Finished:
        command = [*COMMAND, "workflow", "list", "-o", form]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=terminal.folder,
            env=terminal.environment(),
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline().decode()
            process.stdout.close()
            return Finished(process.wait(_DEADLINE_SECS), first, process.stderr.read().decode())

    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        knows(
            executor, *(WorkflowRecord(workflow_id=f"{number:0200}", status="S") for number in range(3_000))
        )
        finished = await asyncio.to_thread(leave, terminal)
        assert (finished.status, finished.err) == (141, "")
        # It asked for no more than it could get rid of.
        assert executor.count(ListWorkflows) < 7

    run(body)


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(run: Any) -> None:
    def interrupt(terminal: Terminal) -> Finished:
        with subprocess.Popen(
            [*COMMAND, "workflow", "watch", "w"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=terminal.folder,
            env=terminal.environment(),
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline().decode()
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=_DEADLINE_SECS)
            finally:
                process.kill()
            return Finished(process.returncode, first + out.decode(), err.decode())

    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        knows(executor, WorkflowRecord(workflow_id="w", status="PENDING"))
        executor.answers(ListSteps, ListStepsReply(steps=[]))
        finished = await asyncio.to_thread(interrupt, terminal)
        assert finished.status == 130
        assert finished.out.endswith("PENDING\n")
        assert "Traceback" not in finished.err

    run(body)


def test_watch_outlives_executors_that_come_and_go(run: Any) -> None:
    async def body(place: Served, executor: ScriptedExecutor, terminal: Terminal) -> None:
        executor.answers(ListSteps, ListStepsReply(steps=[]))
        knows(executor, WorkflowRecord(workflow_id="w", status="PENDING"))
        log = terminal.folder / "watch.log"
        command = Process(
            [*COMMAND, "workflow", "watch", "w"], log, env=terminal.environment(), cwd=terminal.folder
        )
        with command as watching:
            await wait_until_async(lambda: "PENDING" in watching.output, 30, "the first look")
            await executor.vanish()
            await wait_until_async(lambda: "Trying again" in watching.output, 30, "a look in vain")
            successor = ScriptedExecutor("one", "1", place.workload)
            successor.answers(ListSteps, ListStepsReply(steps=[]))
            knows(successor, WorkflowRecord(workflow_id="w", status="SUCCESS"))
            await place.connected(successor)
            assert await asyncio.to_thread(watching.wait, 30) == 0
            assert watching.output.splitlines()[-1].endswith("SUCCESS")
            assert watching.output.count("Trying again") == 1

    run(body)
