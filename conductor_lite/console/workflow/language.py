"""In which language an application's payloads are written, as its executors say."""

from conductor_lite.auth.actor import Actor
from conductor_lite.operations import Operations


async def language_of(
    operations: Operations, actor: Actor, application_name: str, executor_id: str | None
) -> str | None:
    """The language of whoever ran a workflow, or else of any other executor; None when none tells."""
    executors = await operations.executors.list(actor, application_name)
    told = [executor for executor in executors if executor.language]
    told.sort(key=lambda executor: executor.executor_id != executor_id)
    return told[0].language if told else None
