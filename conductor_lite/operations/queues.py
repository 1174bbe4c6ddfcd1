"""Queues that an application has registered in its database."""

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ
from conductor_lite.errors import NotFoundError
from conductor_lite.operations.context import Context
from conductor_lite.operations.remembered import Recalled
from conductor_lite.protocol import GetQueue, ListQueues, QueueRecord

_KIND = "queues"


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
        queues = sorted((await self._context.ask(application, ListQueues())).queues, key=_name)
        self._context.remembered.keep(application.id, _KIND, queues, self._context.now())
        return queues

    async def recall(self, actor: Actor, application_name: str) -> Recalled[QueueRecord]:
        """The same, or as it was last told where no executor answers. Raises as ``list`` does."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        return await self._context.remembered.instead(
            application.id, _KIND, list[QueueRecord], lambda: self.list(actor, application_name)
        )

    async def get(self, actor: Actor, application_name: str, queue_name: str) -> QueueRecord:
        """Get one queue. Raises as ``list`` does, and NotFoundError when no such queue is registered."""
        actor.require(APPLICATION_READ)
        application = await self._context.application(actor, application_name)
        queue = (await self._context.ask(application, GetQueue(name=queue_name))).queue
        if queue is None:
            raise NotFoundError(f"{application_name} has no registered queue {queue_name!r}.")
        return queue


def _name(queue: QueueRecord) -> str:
    return queue.name
