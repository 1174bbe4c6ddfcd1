"""A DBOS application that has something for every page of the console to show, and means it harm.

Run as a program: once everything is in place it prints one JSON line on standard output, and goes on until
SIGTERM.
"""

import argparse
import json
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowAttributes, SetWorkflowID, SetWorkflowTimeout

#: What a name, an id or a payload may be, and no browser may ever run.
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
HOSTILE_ID = "../a b/<svg onload=alert(1)>?x=1#y%2F&z"
MEGABYTE = "x" * 1_000_000
QUEUE, SLOW_QUEUE = "packing", "slow lane"
#: Set once in ``main``, before any workflow can run.
HOLD_FILE = Path()


@DBOS.step()
def quick(value: object) -> object:
    """Gives back what it is given."""
    return value


@DBOS.step()
def wait_while_held() -> None:
    """Takes as long as the hold file exists."""
    while HOLD_FILE.exists():
        time.sleep(0.02)


_attempts = {"flaky": 0}


@DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.05)
def flaky() -> str:
    """Fails once, and then does not."""
    _attempts["flaky"] += 1
    if _attempts["flaky"] % 2:
        raise ConnectionError("the first attempt fails")
    return "second attempt"


@DBOS.step()
def refuse(reason: str) -> None:
    """Fails for good."""
    raise ValueError(f"refused: {reason}")


@DBOS.workflow()
def nested(depth: int) -> str:
    """Starts a workflow that starts a workflow, and so on."""
    quick(depth)
    if depth > 1:
        with SetWorkflowID(f"{DBOS.workflow_id}-{depth}"):
            DBOS.start_workflow(nested, depth - 1).get_result()
    DBOS.sleep(0.05)
    return f"depth {depth}"


@DBOS.workflow()
def order(item: dict[str, Any]) -> dict[str, Any]:
    """Has steps, a retry, a sleep, events, a stream, and a message that it waits for."""
    quick(item)
    flaky()
    DBOS.set_event("progress", {"percent": 50, "at": datetime(2026, 1, 1, tzinfo=UTC)})
    for line in ("reserved", "paid"):
        DBOS.write_stream("log", line)
    DBOS.close_stream("log")
    DBOS.sleep(0.05)
    payment = DBOS.recv("payment", timeout_seconds=30)
    return {"payment": payment, "items": [item, None, True, 1.5], "tags": ("a", "b")}


@DBOS.workflow()
def failing(reason: str) -> None:
    """Does one step, and fails in the second."""
    quick("something")
    refuse(reason)


@DBOS.workflow(max_recovery_attempts=1000)
def held(value: str) -> str:
    """Goes on until it is released."""
    wait_while_held()
    return str(quick(value))


@DBOS.workflow(name=HOSTILE)
def hostile(payload: str) -> str:
    """Harm in everything that one can name."""
    DBOS.set_event(HOSTILE, HOSTILE)
    DBOS.write_stream(HOSTILE, HOSTILE)
    quick(payload)
    return payload


@DBOS.workflow()
def enormous(payload: str) -> str:
    """A megabyte in, a megabyte out."""
    return str(quick(payload))


@DBOS.workflow()
def report(scheduled_at: datetime, context: Any) -> str:
    """What the schedules run."""
    return f"{scheduled_at.isoformat()} {context}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conductor-url", required=True, help="ws://host:port")
    parser.add_argument("--key", default="any-key")
    parser.add_argument("--name", default="showcase")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file")
    parser.add_argument("--hold-file", type=Path, required=True, help="while it exists, held workflows wait")
    return parser.parse_args()


def launch(arguments: argparse.Namespace) -> None:
    """Launch DBOS; register queues and schedules where the console finds them."""
    config: DBOSConfig = {
        "name": arguments.name,
        "system_database_url": f"sqlite:///{arguments.database}",
        "application_version": "1.0.0",
        "conductor_url": arguments.conductor_url,
        "conductor_key": arguments.key,
        "conductor_executor_metadata": {"label": HOSTILE, "region": "eu-west-1", "spot": True},
        "notification_listener_polling_interval_sec": 0.1,
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=2, global_concurrency=4)
    DBOS.register_queue(SLOW_QUEUE, limiter={"limit": 1, "period": 3600.0})
    DBOS.apply_schedules(
        [
            {"schedule_name": "every-minute", "workflow_fn": report, "schedule": "* * * * *"},
            {"schedule_name": "nightly", "workflow_fn": report, "schedule": "30 3 * * 1-5"},
        ]
    )
    DBOS.pause_schedule("nightly")


def populate() -> None:
    """Run one of everything; what is meant to end has ended afterwards."""
    with SetWorkflowID("order-1"), SetWorkflowAttributes({"customer": "c-7", HOSTILE: HOSTILE}):
        ordered = DBOS.start_workflow(order, {"sku": "teapot", "count": 2, "note": HOSTILE})
    with SetWorkflowID("nested-1"):
        deep = DBOS.start_workflow(nested, 6)
    with SetWorkflowID(HOSTILE_ID), SetWorkflowAttributes({HOSTILE: HOSTILE}):
        harmful = DBOS.start_workflow(hostile, HOSTILE)
    with SetWorkflowID("enormous-1"):
        large = DBOS.start_workflow(enormous, MEGABYTE)
    failed = []
    for number in range(3):
        with SetWorkflowID(f"failing-{number}"):
            failed.append(DBOS.start_workflow(failing, f"{HOSTILE} no {number}"))
    for number in range(6):
        with SetWorkflowID(f"held-{number}"):
            DBOS.enqueue_workflow(QUEUE, held, f"item {number}")
    for number in range(3):
        with SetWorkflowID(f"waiting-{number}"):
            DBOS.enqueue_workflow(SLOW_QUEUE, nested, 1)
    # Is cancelled by its timeout, though its step goes on.
    with SetWorkflowID("late-1"), SetWorkflowTimeout(0.2):
        DBOS.start_workflow(held, "too late")
    DBOS.send("order-1", {"amount": 12.5}, topic="payment")
    for handle in (ordered, deep, harmful, large):
        handle.get_result()
    for handle in failed:
        try:
            handle.get_result()
        except ValueError as error:
            DBOS.logger.info("%s ended as it should: %r", handle.get_workflow_id(), type(error))


def main() -> None:
    """Run one executor until SIGTERM."""
    global HOLD_FILE
    arguments = parse_arguments()
    HOLD_FILE = arguments.hold_file
    HOLD_FILE.touch()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    launch(arguments)
    populate()
    print(json.dumps({"ready": True, "executor_id": DBOS.executor_id}), flush=True)
    stop.wait()
    HOLD_FILE.unlink(missing_ok=True)
    DBOS.destroy(workflow_completion_timeout_sec=1)


if __name__ == "__main__":
    main()
