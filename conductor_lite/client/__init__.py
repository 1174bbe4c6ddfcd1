"""A client of the HTTP API for Python programs: typed, blocking or asynchronous, and nothing of a server.

    from conductor_lite.client import Client, calls

    with Client("http://127.0.0.1:8090") as client:
        for workflow in client.stream(calls.search_workflows("shop", WorkflowSearchBody(status=["ERROR"]))):
            print(workflow.workflow_id, workflow.error)

What calls take and give stands in ``conductor_lite.api.schemas``.
"""

from conductor_lite.client import calls
from conductor_lite.client.call import Call, Listing
from conductor_lite.client.errors import ApiError, UnexpectedAnswerError
from conductor_lite.client.exchange import RetryPolicy
from conductor_lite.client.shells import AsyncClient, Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Call",
    "Client",
    "Listing",
    "RetryPolicy",
    "UnexpectedAnswerError",
    "calls",
]
