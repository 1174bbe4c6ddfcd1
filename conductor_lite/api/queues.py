"""Queues over HTTP: thin handlers and their rows of the table."""

from conductor_lite.api import translation
from conductor_lite.api.fields import ApplicationPath
from conductor_lite.api.operation import AnyOperation, Call, Nothing, Operation
from conductor_lite.api.schemas.definitions import Queue
from conductor_lite.auth.permissions import APPLICATION_READ

_QUEUES = "/v2/orgs/{orgName}/apps/{appName}/queues"


class QueuePath(ApplicationPath, frozen=True, kw_only=True, rename="camel"):
    """Path parameters of one queue."""

    queue_name: str


async def _list(call: Call[ApplicationPath, Nothing, Nothing]) -> list[Queue]:
    queues = await call.operations.queues.list(call.actor, call.path.app_name)
    return [translation.queue(queue) for queue in queues]


async def _get(call: Call[QueuePath, Nothing, Nothing]) -> Queue:
    path = call.path
    return translation.queue(await call.operations.queues.get(call.actor, path.app_name, path.queue_name))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        method="GET",
        path=_QUEUES,
        operation_id="listQueues",
        summary="List queues",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=ApplicationPath,
        query_parameters=Nothing,
        body=Nothing,
        result=list[Queue],
        handler=_list,
    ),
    Operation(
        method="GET",
        path=f"{_QUEUES}/{{queueName}}",
        operation_id="getQueue",
        summary="Get queue",
        tag="Queues",
        permission=APPLICATION_READ,
        path_parameters=QueuePath,
        query_parameters=Nothing,
        body=Nothing,
        result=Queue,
        handler=_get,
    ),
)
