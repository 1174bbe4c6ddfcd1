"""A DBOS application that has something of everything that the API shows, for its contract tests.

Run as a program: once its workflows have begun it prints one JSON line on standard output, and goes on until
SIGTERM. Two processes on one database must not both be told to ``--populate``.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from launching import alone

QUEUE = "fulfilment"
#: Where the backlog waits.
BACKLOG_QUEUE = "orders"
SCHEDULE = "nightly"
#: Set once in ``main``, before any workflow can run.
HOLD_FILE = Path()


@DBOS.step()
def reserve(item: str) -> str:
    """Succeeds at once."""
    return f"reserved {item}"


@DBOS.step()
def refuse(reason: str) -> None:
    """Fails for good."""
    raise ValueError(f"refused: {reason}")


@DBOS.step()
def wait_while_held() -> None:
    """Takes as long as the hold file exists."""
    while HOLD_FILE.exists():
        time.sleep(0.02)


@DBOS.workflow()
def ship(item: str) -> str:
    """A child workflow."""
    return f"shipped {item}"


@DBOS.workflow()
def order(item: str) -> str:
    """Has steps, a child, an event, a stream, and waits for a message."""
    reserve(item)
    DBOS.set_event("progress", {"percent": 50})
    DBOS.write_stream("log", "reserved")
    DBOS.write_stream("log", "paid")
    DBOS.close_stream("log")
    payment = DBOS.recv("payment", timeout_seconds=30)
    with SetWorkflowID(f"{DBOS.workflow_id}-ship"):
        shipped = DBOS.start_workflow(ship, item).get_result()
    return f"{payment}: {shipped}"


@DBOS.workflow()
def failing(reason: str) -> None:
    """Does one step, and fails in the second."""
    reserve("something")
    refuse(reason)


@DBOS.workflow(max_recovery_attempts=1000)
def slow(item: str) -> str:
    """Goes on until it is released."""
    wait_while_held()
    return reserve(item)


@DBOS.workflow()
def report(scheduled_at: datetime, context: Any) -> str:
    """What the schedule runs."""
    return f"{scheduled_at.isoformat()} {context}"


def take_alert(name: str, message: str, metadata: dict[str, str]) -> None:
    """Tell on standard output what the conductor had to say."""
    sys.stdout.write(json.dumps({"alert": name, "message": message, "metadata": metadata}) + "\n")
    sys.stdout.flush()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conductor-url", required=True, help="ws://host:port")
    parser.add_argument("--key", default="any-key")
    parser.add_argument("--name", default="orders")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file")
    parser.add_argument("--version", default="1.0.0", help="application version")
    parser.add_argument("--hold-file", type=Path, required=True, help="while it exists, slow workflows wait")
    parser.add_argument(
        "--populate", action="store_true", help="start workflows, make a queue and a schedule"
    )
    parser.add_argument("--backlog", type=int, default=0, help="how many slow workflows to enqueue besides")
    parser.add_argument("--bulk", type=int, default=0, help="how many short workflows to run besides")
    return parser.parse_args()


def launch(arguments: argparse.Namespace) -> None:
    """Launch DBOS, one process at a time."""
    database: Path = arguments.database
    with alone(database, arguments.version):
        config: DBOSConfig = {
            "name": arguments.name,
            "system_database_url": f"sqlite:///{database}",
            "application_version": arguments.version,
            "conductor_url": arguments.conductor_url,
            "conductor_key": arguments.key,
            "notification_listener_polling_interval_sec": 0.1,
        }
        DBOS(config=config)
        DBOS.alert_handler(take_alert)
        DBOS.launch()


def populate(bulk: int) -> None:
    """Begin one of every kind, several of some."""
    DBOS.register_queue(
        QUEUE,
        worker_concurrency=2,
        global_concurrency=4,
        limiter={"limit": 100, "period": 1.5},
        polling_interval_sec=0.1,
    )
    DBOS.create_schedule(
        schedule_name=SCHEDULE,
        workflow_fn=report,
        schedule="0 3 * * *",
        context={"region": "eu"},
        cron_timezone="Europe/Berlin",
    )
    for number in (1, 2):
        with SetWorkflowID(f"order-{number}"):
            DBOS.start_workflow(order, f"item {number}")
        DBOS.send(f"order-{number}", "paid in cash", topic="payment")
    for number in range(1, 5):
        with SetWorkflowID(f"failing-{number}"):
            DBOS.start_workflow(failing, f"reason {number}")
    for number in range(1, 7):
        with SetWorkflowID(f"slow-{number}"):
            DBOS.start_workflow(slow, f"item {number}")
    for number in range(1, 4):
        with SetWorkflowID(f"queued-{number}"):
            DBOS.enqueue_workflow(QUEUE, ship, f"item {number}")
    for number in range(1, bulk + 1):
        with SetWorkflowID(f"bulk-{number:05d}"):
            ship(f"item {number}")


def pile_up(backlog: int) -> None:
    """Enqueue workflows that go on until they are released."""
    DBOS.register_queue(BACKLOG_QUEUE, worker_concurrency=2, polling_interval_sec=0.1)
    for number in range(1, backlog + 1):
        with SetWorkflowID(f"backlog-{number}"):
            DBOS.enqueue_workflow(BACKLOG_QUEUE, slow, f"item {number}")


def main() -> None:
    global HOLD_FILE
    arguments = parse_arguments()
    HOLD_FILE = arguments.hold_file
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    launch(arguments)
    if arguments.populate:
        populate(arguments.bulk)
    if arguments.backlog:
        pile_up(arguments.backlog)
    sys.stdout.write(json.dumps({"ready": True, "executor_id": DBOS.executor_id}) + "\n")
    sys.stdout.flush()
    stop.wait()
    DBOS.destroy()
    sys.stdout.flush()
    # Interpreter shutdown would wait for the SDK's worker threads, that is for every step in progress.
    os._exit(0)


if __name__ == "__main__":
    main()
