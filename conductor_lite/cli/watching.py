"""``conductor-lite workflow watch``: follows one workflow until it ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from conductor_lite.api.schemas.workflow_search import SourceQuery, WorkflowSearchBody
from conductor_lite.api.schemas.workflows import Step, StepPageQuery
from conductor_lite.cli.commands import command
from conductor_lite.cli.output import Output, OutputOption, emit, note, printable
from conductor_lite.cli.session import AppSession
from conductor_lite.cli.statuses import FAILED
from conductor_lite.cli.workflows import IdArgument, app
from conductor_lite.client import AsyncClient, calls
from conductor_lite.errors import (
    ConductorError,
    DispatchError,
    ExecutorReportedError,
    NotFoundError,
    UnreachableError,
)

SUCCESS = "SUCCESS"
#: Statuses of workflows that go on; any other is an end.
_UNFINISHED = frozenset({"PENDING", "ENQUEUED", "DELAYED"})
_SHORTEST_PAUSE_SECS = 0.5
_LONGEST_PAUSE_SECS = 5.0


class Sight(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Something new about the workflow: its status, or a step that was completed."""

    time: str
    status: str | None = None
    step_id: int | None = None
    step_name: str | None = None
    failed: bool = False


@command(app, "watch")
def watch(
    session: AppSession,
    workflow_id: IdArgument,
    timeout_secs: Annotated[
        float | None, typer.Option("--timeout-secs", min=0, help="Seconds after which to give up.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Follow a workflow's status and steps until it ends; the exit status is 0 if it succeeded, else 1."""

    async def work(client: AsyncClient, name: str) -> str:
        status = ""
        try:
            async with asyncio.timeout(timeout_secs):
                async for sight in _Watch(client, name, workflow_id).sights():
                    status = sight.status or status
                    _print(sight, workflow_id, output)
        except TimeoutError:
            raise ConductorError(f"The workflow {workflow_id} has not ended in time.") from None
        return status

    if session.run(work) != SUCCESS:
        raise typer.Exit(FAILED)


class _Watch:
    """Asks again and again, less often while nothing happens.

    Args:
        client: a way to the server.
        application: name of the application.
        workflow_id: of the workflow.
    """

    def __init__(self, client: AsyncClient, application: str, workflow_id: str) -> None:
        self._client = client
        self._application = application
        self._workflow_id = workflow_id
        # What was seen last; changes as the workflow goes on.
        self._status = ""
        # Steps seen complete.
        self._steps: set[int] = set()
        # Whether the last attempt got no answer.
        self._is_lost = False

    async def sights(self) -> AsyncIterator[Sight]:
        """Yield what is new until the workflow has ended.

        Raises:
            NotFoundError: there is no such workflow.
            ConductorError: the first attempt fails; later ones are made again.
        """
        pause_secs = _SHORTEST_PAUSE_SECS
        while True:
            found = await self._look()
            for sight in found:
                yield sight
            if self._status and self._status not in _UNFINISHED and not self._is_lost:
                return
            pause_secs = _SHORTEST_PAUSE_SECS if found else min(pause_secs * 1.5, _LONGEST_PAUSE_SECS)
            await asyncio.sleep(pause_secs)

    async def _look(self) -> list[Sight]:
        try:
            # The status first: whatever was completed before an end is then among the steps.
            status = await self._ask_status()
            steps = await self._ask_steps()
        except (DispatchError, UnreachableError) as error:
            if not self._status or isinstance(error, ExecutorReportedError):
                raise
            if not self._is_lost:
                note(f"{error} Trying again …")
            self._is_lost = True
            return []
        self._is_lost = False
        new = [step for step in steps if step.step_id not in self._steps and _is_complete(step)]
        self._steps.update(step.step_id for step in new)
        sights = [
            Sight(
                time=step.completed_at or _now(),
                step_id=step.step_id,
                step_name=step.step_name,
                failed=step.error is not None,
            )
            for step in new
        ]
        if status != self._status:
            self._status = status
            sights.append(Sight(time=_now(), status=status))
        return sights

    async def _ask_status(self) -> str:
        # Not getWorkflow, which brings the payloads along each time.
        body = WorkflowSearchBody(workflow_ids=[self._workflow_id], limit=1)
        # Of an executor: a snapshot may be out of date, or not have it yet.
        source = SourceQuery(source="executor")
        found = await self._client.run(calls.search_workflows(self._application, body, source))
        if not found:
            raise NotFoundError(f"There is no workflow {self._workflow_id!r} in {self._application}.")
        return found[0].status

    async def _ask_steps(self) -> list[Step]:
        listing = calls.list_workflow_steps(self._application, self._workflow_id, StepPageQuery())
        return [step async for step in self._client.stream(listing)]


def _print(sight: Sight, workflow_id: str, output: Output) -> None:
    match output:
        case Output.TABLE if sight.status is not None:
            emit(printable(f"{sight.time}  {sight.status}").replace("\n", "�"))
        case Output.TABLE:
            outcome = "failed" if sight.failed else "done"
            line = f"{sight.time}  step {sight.step_id} {sight.step_name} {outcome}"
            emit(printable(line).replace("\n", "�"))
        case Output.JSON:
            emit(printable(msgspec.json.encode(sight).decode()))
        case Output.IDS if sight.status is not None and sight.status not in _UNFINISHED:
            emit(printable(workflow_id))


def _is_complete(step: Step) -> bool:
    # Older SDKs tell no times; they record a step only when it is complete.
    return step.completed_at is not None or step.started_at is None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
