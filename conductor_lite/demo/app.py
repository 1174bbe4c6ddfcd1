"""One executor of the sample shop, run as ``python -m conductor_lite.demo.app``; places orders until stopped.

What the shop does is in ``shop``; this is only its process: launch, load, housekeeping and a timely end.
"""

import argparse
import ctypes
import fcntl
import importlib.util
import json
import os
import random
import signal
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbos import DBOSConfig

APPLICATION_VERSION = "1.0.0"

#: Two executors placing an order this often make about two workflows a second.
_ORDER_INTERVAL_SECS = 4.0
#: No new orders while this many workflows are open: work must not pile up for ever when something is stuck.
_MOST_OPEN_WORKFLOWS = 150
#: Finished workflows are deleted after this time, or the file would grow for ever.
_RETENTION_SECS = 1800.0
_HOUSEKEEPING_INTERVAL_SECS = 60.0
_DELETIONS_AT_ONCE = 500
_MOST_LOG_BYTES = 2_000_000
#: A stop that takes longer than this ends in SIGALRM, whose default is death.
_STOP_DEADLINE_SECS = 8
_PR_SET_PDEATHSIG = 1
_DICE = random.SystemRandom()


def parse_arguments() -> argparse.Namespace:
    """The command line; everything but the conductor has a default."""
    parser = argparse.ArgumentParser(prog="python -m conductor_lite.demo.app", description=__doc__)
    parser.add_argument("--conductor-url", help="ws://127.0.0.1:PORT; without it the shop runs unwatched")
    parser.add_argument("--key", default="demo", help="API key for the conductor")
    parser.add_argument("--database", type=Path, default=Path("demo-shop.sqlite"), help="SQLite file")
    parser.add_argument("--name", default="demo-shop", help="application name")
    parser.add_argument("--executor-label", default="A", help="shown in the console")
    parser.add_argument("--parent-pid", type=int, help="end when this process is no longer the parent")
    parser.add_argument("--order-interval-secs", type=float, default=_ORDER_INTERVAL_SECS)
    parser.add_argument(
        "--retention-secs", type=float, default=_RETENTION_SECS, help="keep finished workflows this long"
    )
    return parser.parse_args()


def die_with_parent(parent_pid: int) -> None:
    """Have Linux send SIGTERM when the parent dies; elsewhere the main loop notices."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the line above took effect.
    if os.getppid() != parent_pid:
        sys.exit("The process that started this executor is gone.")


def launch(arguments: argparse.Namespace) -> None:
    """Launch DBOS and register queues and schedules.

    One process at a time: two that migrate the same new SQLite file collide.
    """
    from dbos import DBOS

    from conductor_lite.demo import shop

    database: Path = arguments.database
    database.parent.mkdir(parents=True, exist_ok=True)
    with database.with_suffix(".launch-lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with closing(sqlite3.connect(database)) as connection:
            # Kept in the file: readers of one executor then never wait for the other's writes.
            connection.execute("PRAGMA journal_mode = WAL")
        config: DBOSConfig = {
            "name": arguments.name,
            "system_database_url": f"sqlite:///{database}",
            "application_version": APPLICATION_VERSION,
            "log_level": "WARNING",
            "conductor_executor_metadata": {"label": arguments.executor_label, "pid": os.getpid()},
        }
        if arguments.conductor_url:
            config["conductor_url"] = arguments.conductor_url
            config["conductor_key"] = arguments.key
        DBOS(config=config)
        DBOS.launch()
        shop.register()


def place_order() -> None:
    """Start the fulfilment of one order, unless too much is open already."""
    from dbos import DBOS, SetWorkflowAttributes, SetWorkflowID

    from conductor_lite.demo import shop

    still_open = DBOS.list_workflows(
        status=["ENQUEUED", "PENDING"], load_input=False, load_output=False, limit=_MOST_OPEN_WORKFLOWS
    )
    if len(still_open) >= _MOST_OPEN_WORKFLOWS:
        return
    order = shop.random_order()
    attributes = {"customer": order.customer, "country": order.country}
    workflow_id = f"order-{order.number}-{int(time.time())}"
    with SetWorkflowID(workflow_id), SetWorkflowAttributes(attributes):
        DBOS.start_workflow(shop.fulfil_order, order)


def keep_house(retention_secs: float) -> None:
    """Delete workflows that ended long ago, and empty the log when it has grown large."""
    from dbos import DBOS

    old = DBOS.list_workflows(
        status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
        completed_before=(datetime.now(UTC) - timedelta(seconds=retention_secs)).isoformat(),
        load_input=False,
        load_output=False,
        limit=_DELETIONS_AT_ONCE,
    )
    if old:
        DBOS.delete_workflows([workflow.workflow_id for workflow in old])
    log = os.fstat(sys.stderr.fileno())
    if stat.S_ISREG(log.st_mode) and log.st_size > _MOST_LOG_BYTES:
        os.ftruncate(sys.stderr.fileno(), 0)


def run_until(stop: threading.Event, arguments: argparse.Namespace) -> None:
    """Place orders and keep house until ``stop`` is set or the parent is gone."""
    next_order = time.monotonic()
    housekeeping_interval_secs = min(_HOUSEKEEPING_INTERVAL_SECS, arguments.retention_secs)
    next_housekeeping = time.monotonic() + _DICE.uniform(0.5, 1) * housekeeping_interval_secs
    while not stop.wait(0.5):
        if arguments.parent_pid is not None and os.getppid() != arguments.parent_pid:
            return
        now = time.monotonic()
        if now >= next_order:
            place_order()
            next_order = now + _DICE.uniform(0.5, 1.5) * arguments.order_interval_secs
        if now >= next_housekeeping:
            keep_house(arguments.retention_secs)
            next_housekeeping = now + housekeeping_interval_secs


def main() -> None:
    """Run one executor until SIGTERM, SIGINT or the parent's end."""
    arguments = parse_arguments()
    if importlib.util.find_spec("dbos") is None:
        sys.exit("The demo needs the DBOS SDK: pip install 'conductor-lite[demo]'")
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    if arguments.parent_pid is not None:
        die_with_parent(arguments.parent_pid)
    launch(arguments)
    from dbos import DBOS

    ready = {"ready": True, "executor_id": DBOS.executor_id, "pid": os.getpid()}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    run_until(stop, arguments)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_STOP_DEADLINE_SECS)
    DBOS.destroy()
    sys.stderr.flush()
    # Interpreter shutdown would wait for the SDK's worker threads, that is for every workflow in progress.
    os._exit(0)


if __name__ == "__main__":
    main()
