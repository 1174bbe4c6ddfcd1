"""An executor of our own making that knows very many workflows and answers as fast as it can.

Run as a program by tests of listings; goes on until its socket closes. At the end it prints a JSON line with
``busy_secs``: how long it worked on its answers.
"""

import argparse
import json
import signal
import sys
import time
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

#: One record as the Python SDK writes it, with its number in the id and times a tenth of a second apart.
RECORD = (
    '{{"WorkflowUUID": "{0:08x}-aaaa-4bbb-8ccc-{0:012x}", "Status": "SUCCESS", "WorkflowName": "order", '
    '"WorkflowClassName": null, "WorkflowConfigName": null, "AuthenticatedUser": null, "AssumedRole": null, '
    '"AuthenticatedRoles": null, "Input": null, "Output": null, "Error": null, "CreatedAt": "{1}", '
    '"UpdatedAt": "{1}", "QueueName": "fulfilment", "ApplicationVersion": "1.0.0", "ExecutorID": "crowd", '
    '"WorkflowTimeoutMS": null, "WorkflowDeadlineEpochMS": null, "DeduplicationID": null, "Priority": "0", '
    '"QueuePartitionKey": null, "ForkedFrom": null, "WasForkedFrom": false, "ParentWorkflowID": null, '
    '"DequeuedAt": "{1}", "DelayUntilEpochMS": null, "CompletedAt": "{1}", "Attributes": null, '
    '"ScheduleName": null, "ApplicationName": "shop"}}'
)
FIRST_EPOCH_MS = 1_790_000_000_000


def listing(request: dict[str, Any], count: int) -> str:
    """The page that is asked for."""
    first = request["body"].get("offset") or 0
    last = min(count, first + request["body"]["limit"])
    return ",".join(RECORD.format(number, FIRST_EPOCH_MS + number * 100) for number in range(first, last))


def answer(frame: str | bytes, count: int) -> str:
    """The reply to one frame."""
    request = json.loads(frame)
    head = f'"type": "{request["type"]}", "request_id": "{request["request_id"]}"'
    if request["type"] == "executor_info":
        return f'{{{head}, "executor_id": "crowd", "application_version": "1.0.0", "language": "python"}}'
    if request["type"] == "list_workflows":
        return f'{{{head}, "output": [{listing(request, count)}]}}'
    return f'{{{head}, "error_message": "Unknown message type"}}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="ws://host:port/websocket/application/key")
    parser.add_argument("--count", type=int, default=100_000, help="how many workflows it knows")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    busy_secs = 0.0
    with connect(arguments.url, proxy=None, max_size=None, compression=None) as socket:
        try:
            for frame in socket:
                began = time.perf_counter()
                reply = answer(frame, arguments.count)
                busy_secs += time.perf_counter() - began
                socket.send(reply)
        except ConnectionClosed:
            pass
        finally:
            sys.stdout.write(json.dumps({"busy_secs": busy_secs}) + "\n")


if __name__ == "__main__":
    main()
