"""A DBOS application for recovery tests: each step writes a line to a ledger file, which shows what ran.

Run as a program: once launched it prints one JSON line on standard output, and goes on until SIGTERM.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos._sys_db import SystemDatabase
from launching import alone

#: Set once in ``main``, before any workflow can run.
LEDGER = Path()
HOLD_FILE: Path | None = None


@DBOS.step()
def write_line(workflow_id: str, step: int, step_secs: float) -> int:
    """Append one line, flushed to disk; then take the step's time, and more while work is held."""
    line = {"workflow": workflow_id, "step": step, "pid": os.getpid(), "at": time.time()}
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    time.sleep(step_secs)
    while HOLD_FILE is not None and HOLD_FILE.exists():
        time.sleep(0.02)
    return step


@DBOS.workflow(max_recovery_attempts=1000)
def keep_ledger(steps: int, step_secs: float) -> int:
    """Run ``steps`` steps of ``step_secs`` seconds each; the result is how many there were."""
    workflow_id = DBOS.workflow_id
    assert workflow_id is not None
    for step in range(1, steps + 1):
        write_line(workflow_id, step, step_secs)
    return steps


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conductor-url", help="ws://host:port; without it, no conductor")
    parser.add_argument("--key", default="any-key")
    parser.add_argument("--name", default="ledger")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file")
    parser.add_argument("--version", default="1.0.0", help="application version")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--start", type=int, default=0, help="how many workflows to start: wf-0001 ...")
    parser.add_argument("--prefix", default="wf", help="of the workflow ids")
    parser.add_argument("--idle", action="store_true", help="start none, whatever --start says")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--step-secs", type=float, default=0.2)
    parser.add_argument("--hold-file", type=Path, help="while it exists, no step ends")
    parser.add_argument(
        "--fail-recovery-file", type=Path, help="while it exists, reading pending workflows raises"
    )
    parser.add_argument(
        "--fail-takeover-file",
        type=Path,
        help="while it exists, taking over a workflow raises; the SDK then answers success all the same",
    )
    parser.add_argument("--log-level", default="INFO")
    return parser.parse_args()


def fail_while(path: Path | None, method: str) -> None:
    """Make a method of the SDK's system database raise while ``path`` exists, as a failing database would."""
    if path is None:
        return
    original: Callable[..., Any] = getattr(SystemDatabase, method)

    def failing(*args: Any, **kwargs: Any) -> Any:
        if path.exists():
            raise sqlite3.OperationalError(f"imitated failure of {method}: {path} exists")
        return original(*args, **kwargs)

    setattr(SystemDatabase, method, failing)


def launch(arguments: argparse.Namespace) -> None:
    """Launch DBOS, one process at a time."""
    database: Path = arguments.database
    with alone(database, arguments.version):
        config: DBOSConfig = {
            "name": arguments.name,
            "system_database_url": f"sqlite:///{database}",
            "application_version": arguments.version,
            "log_level": arguments.log_level,
            "notification_listener_polling_interval_sec": 0.1,
            "conductor_executor_metadata": {"pid": os.getpid()},
        }
        if arguments.conductor_url:
            config["conductor_url"] = arguments.conductor_url
            config["conductor_key"] = arguments.key
        DBOS(config=config)
        DBOS.launch()


def main() -> None:
    global LEDGER, HOLD_FILE
    arguments = parse_arguments()
    LEDGER, HOLD_FILE = arguments.ledger, arguments.hold_file
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    fail_while(arguments.fail_recovery_file, "get_pending_workflows")
    fail_while(arguments.fail_takeover_file, "reenqueue_for_recovery")
    launch(arguments)
    for number in range(1, 0 if arguments.idle else arguments.start + 1):
        with SetWorkflowID(f"{arguments.prefix}-{number:04d}"):
            DBOS.start_workflow(keep_ledger, arguments.steps, arguments.step_secs)
    ready = {"ready": True, "executor_id": DBOS.executor_id, "pid": os.getpid()}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    stop.wait()
    DBOS.destroy()
    sys.stdout.flush()
    # Interpreter shutdown would wait for the SDK's worker threads, that is for every step in progress.
    os._exit(0)


if __name__ == "__main__":
    main()
