"""The sample application in Python: connects to the conductor of its environment and runs workflows."""

import os
import threading
import time

from dbos import DBOS, DBOSConfig, SetWorkflowID


@DBOS.step()
def pause() -> None:
    time.sleep(int(os.environ.get("STEP_MS", "300")) / 1000)


@DBOS.workflow()
def order(steps: int) -> str:
    DBOS.set_event("state", "started")
    for step in range(1, steps + 1):
        pause()
        DBOS.write_stream("progress", step)
    return "done"


@DBOS.step()
def break_down() -> None:
    raise RuntimeError("out of stock")


@DBOS.workflow()
def fail() -> None:
    break_down()


@DBOS.workflow()
def tick(scheduled_at: object, context: object) -> None:
    pause()


config: DBOSConfig = {
    "name": os.environ["APP_NAME"],
    "application_version": "1.0.0",
    "system_database_url": os.environ["DATABASE_URL"],
    "conductor_url": os.environ["CONDUCTOR_URL"],
    "conductor_key": os.environ["CONDUCTOR_KEY"],
}
DBOS(config=config)


@DBOS.alert_handler
def on_alert(name: str, message: str, metadata: dict[str, str]) -> None:
    DBOS.logger.warning("%s: %s %s", name, message, metadata)


DBOS.launch()
DBOS.register_queue("mail", worker_concurrency=2)
DBOS.apply_schedules(
    [{"schedule_name": "nightly", "workflow_fn": tick, "schedule": "0 0 3 * * *", "context": None}]
)
for number in range(1, int(os.environ.get("WORKFLOWS", "0")) + 1):
    with SetWorkflowID(f"order-{number}"):
        DBOS.start_workflow(order, 5)
    if number == 1:
        DBOS.send("order-1", "hello", "greeting")
        with SetWorkflowID("failed-1"):
            DBOS.start_workflow(fail)
        with SetWorkflowID("queued-1"):
            DBOS.enqueue_workflow("mail", order, 5)
print("ready", DBOS.executor_id, flush=True)
threading.Event().wait()
