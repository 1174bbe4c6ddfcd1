"""``conductor-lite workflow``: what changes workflows, one or many at once."""

from collections.abc import Awaitable, Callable

import msgspec
import typer

from conductor_lite.api.schemas.workflow_actions import (
    BulkCancelInputBody,
    BulkDeleteInputBody,
    BulkForkFromFailureBody,
    BulkResumeInputBody,
    CancelWorkflowInputBody,
    DeleteQuery,
    ForkWorkflowInputBody,
    ResumeWorkflowInputBody,
)
from conductor_lite.cli.bulk import IdsArgument, confirm, ids_of, in_chunks, one_by_one
from conductor_lite.cli.commands import command
from conductor_lite.cli.options import YesOption
from conductor_lite.cli.output import Output, OutputOption, Table, emit, note, show, to_json
from conductor_lite.cli.session import AppSession
from conductor_lite.cli.workflows import app
from conductor_lite.client import AsyncClient, Call, calls
from conductor_lite.errors import InvalidError


class Copy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A workflow that was started from another; null where the SDK does not tell its id."""

    workflow_id: str
    new_workflow_id: str | None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """From where forks begin, when each begins somewhere else."""

    from_last_failure: bool = False
    from_last_step: bool = False
    from_step: int | None = None
    from_step_name: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything of it was said."""
        return self != Origin()


_COPIES: Table[Copy] = Table(
    lambda copy: copy.new_workflow_id,
    (("ID", lambda copy: copy.workflow_id), ("NEW ID", lambda copy: copy.new_workflow_id)),
    "No workflow was started.",
)

#: Makes the call for one workflow, and that for many: from the application's name.
Single = Callable[[str, str], Call[None]]
Bulk = Callable[[str, list[str]], Call[None]]


@command(app, "cancel")
def cancel(
    session: AppSession,
    workflow_ids: IdsArgument,
    body: CancelWorkflowInputBody,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Cancel workflows: each stops at the beginning of its next step."""
    _act(
        session,
        _chosen(workflow_ids, "Cancel", yes=yes),
        "Cancelled",
        lambda name, one: calls.cancel_workflow(name, one, body),
        lambda name, ids: calls.bulk_cancel_workflows(
            name, BulkCancelInputBody(workflow_ids=ids, cancel_children=body.cancel_children)
        ),
        output,
    )


@command(app, "resume")
def resume(
    session: AppSession,
    workflow_ids: IdsArgument,
    body: ResumeWorkflowInputBody,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let workflows go on from their last completed step, on an executor of the latest version."""
    _act(
        session,
        _chosen(workflow_ids, "Resume", yes=yes),
        "Resumed",
        lambda name, one: calls.resume_workflow(name, one, body),
        lambda name, ids: calls.bulk_resume_workflows(
            name, BulkResumeInputBody(workflow_ids=ids, queue_name=body.queue_name)
        ),
        output,
    )


@command(app, "delete")
def delete(
    session: AppSession,
    workflow_ids: IdsArgument,
    query: DeleteQuery,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete workflows and all that belongs to them from the application's database."""
    _act(
        session,
        _chosen(workflow_ids, "Delete", yes=yes, ask_about_one=True),
        "Deleted",
        lambda name, one: calls.delete_workflow(name, one, query),
        lambda name, ids: calls.bulk_delete_workflows(
            name, BulkDeleteInputBody(workflow_ids=ids, delete_children=query.delete_children)
        ),
        output,
    )


@command(app, "restart")
def restart(
    session: AppSession,
    workflow_ids: IdsArgument,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run workflows again from their beginning, each under a new id."""

    async def act(client: AsyncClient, name: str, workflow_id: str) -> str | None:
        return (await client.run(calls.restart_workflow(name, workflow_id))).workflow_id

    _copy(session, _chosen(workflow_ids, "Restart", yes=yes), "Restarted", act, output)


@command(app, "fork")
def fork(
    session: AppSession,
    workflow_ids: IdsArgument,
    body: ForkWorkflowInputBody,
    origin: Origin,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run workflows again under new ids: from --start-step, or each from where a --from option says."""
    ids = _chosen(workflow_ids, "Fork", yes=yes)
    if origin.is_given:
        _fork_from(session, ids, body, origin, output)
        return
    if len(ids) > 1 and body.new_workflow_id is not msgspec.UNSET:
        raise InvalidError("--new-workflow-id names one new workflow; fork one, or leave it out.")

    async def act(client: AsyncClient, name: str, workflow_id: str) -> str | None:
        return (await client.run(calls.fork_workflow(name, workflow_id, body))).workflow_id

    _copy(session, ids, "Forked", act, output)


def _fork_from(
    session: AppSession, ids: list[str], body: ForkWorkflowInputBody, origin: Origin, output: Output
) -> None:
    if body.start_step or body.new_workflow_id is not msgspec.UNSET:
        raise InvalidError("--start-step and --new-workflow-id do not go together with a --from option.")
    copies: list[Copy] = []

    async def work(client: AsyncClient, name: str) -> None:
        async def act(chunk: list[str]) -> None:
            request = BulkForkFromFailureBody(
                workflow_ids=chunk,
                app_version=body.app_version,
                queue_name=body.queue_name,
                queue_partition_key=body.queue_partition_key,
                from_last_failure=origin.from_last_failure or msgspec.UNSET,
                from_last_step=origin.from_last_step or msgspec.UNSET,
                from_step=msgspec.UNSET if origin.from_step is None else origin.from_step,
                from_step_name=origin.from_step_name or msgspec.UNSET,
            )
            answer = await client.run(calls.bulk_fork_workflows_from_failure(name, request))
            new_ids = answer.workflow_ids
            copies.extend(
                Copy(workflow_id=old, new_workflow_id=new) for old, new in zip(chunk, new_ids, strict=False)
            )

        await in_chunks(ids, "Forked", act)

    try:
        session.run(work)
    finally:
        # Forks that were made before something went wrong are there all the same.
        if copies:
            show(copies, _COPIES, output)


def _chosen(arguments: list[str], verb: str, *, yes: bool, ask_about_one: bool = False) -> list[str]:
    """The ids that arguments and standard input name, once the person agrees to that many."""
    ids = ids_of(arguments)
    if not ids:
        note("There are no ids on standard input: nothing to do.")
        raise typer.Exit
    if len(ids) > 1:
        confirm(f"{verb} {len(ids):,} workflows?", yes=yes)
    elif ask_about_one:
        confirm(f"{verb} the workflow {ids[0]}?", yes=yes)
    return ids


def _act(session: AppSession, ids: list[str], verb: str, single: Single, bulk: Bulk, output: Output) -> None:
    async def work(client: AsyncClient, name: str) -> None:
        if len(ids) == 1:
            await client.run(single(name, ids[0]))
        else:
            await in_chunks(ids, verb, lambda chunk: client.run(bulk(name, chunk)))

    session.run(work)
    match output:
        case Output.TABLE:
            emit(f"{verb} {ids[0] if len(ids) == 1 else f'{len(ids):,} workflows'}.")
        case Output.JSON:
            emit(to_json({"workflowIds": ids}))
        case Output.IDS:
            emit("\n".join(ids))


def _copy(
    session: AppSession,
    ids: list[str],
    verb: str,
    act: Callable[[AsyncClient, str, str], Awaitable[str | None]],
    output: Output,
) -> None:
    async def work(client: AsyncClient, name: str) -> tuple[list[tuple[str, str | None]], int]:
        return await one_by_one(ids, verb, lambda workflow_id: act(client, name, workflow_id))

    done, status = session.run(work)
    show([Copy(workflow_id=old, new_workflow_id=new) for old, new in done], _COPIES, output)
    if status:
        raise typer.Exit(status)
