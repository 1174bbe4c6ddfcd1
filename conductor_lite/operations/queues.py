"""Queues that an application has registered in its database."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.errors import NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.protocol import GetQueue, ListQueues, QueueRecord


class Queues:
    """Operations on queues."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def list(self, actor: Actor, application_name: str) -> list[QueueRecord]:
        """List registered queues, by name.

        Raises:
            ForbiddenError: application.read is missing.
            NotFoundError: no such application within reach.
            UnsupportedMessageError: the application's SDK is too old for it.
            DispatchError: no executor answered.
        """
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        queues = (await self._context.ask(application, ListQueues())).queues
        return sorted(queues, key=lambda queue: queue.name)

    async def get(self, actor: Actor, application_name: str, queue_name: str) -> QueueRecord:
        """Get one queue. Raises as ``list`` does, and NotFoundError when no such queue is registered."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        queue = (await self._context.ask(application, GetQueue(name=queue_name))).queue
        if queue is None:
            raise NotFoundError(f"{application_name} has no registered queue {queue_name!r}.")
        return queue
