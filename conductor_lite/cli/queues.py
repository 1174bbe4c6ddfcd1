"""``conductor-lite queue``: the queues that an application has registered."""

from typing import Annotated

import typer

from conductor_lite.api.schemas.definitions import Queue
from conductor_lite.cli.commands import command
from conductor_lite.cli.lazy import command_group
from conductor_lite.cli.output import Output, OutputOption, Table, show, show_one
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls

app = command_group("Queues.")

_QUEUES: Table[Queue] = Table(
    lambda queue: queue.name,
    (
        ("NAME", lambda queue: queue.name),
        ("CONCURRENCY", lambda queue: queue.concurrency),
        ("PER WORKER", lambda queue: queue.worker_concurrency),
        ("RATE LIMIT", lambda queue: _rate(queue)),
        ("PRIORITY", lambda queue: queue.priority_enabled),
        ("PARTITIONED", lambda queue: queue.partition_queue),
    ),
    "The application has registered no queues.",
)


@command(app, "list")
def list_queues(session: AppSession, output: OutputOption = Output.TABLE) -> None:
    """List queues."""
    show(session.call(calls.list_queues), _QUEUES, output)


@command(app, "get")
def get_queue(
    session: AppSession,
    name: Annotated[str, typer.Argument(help="Name of the queue.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one queue."""
    queue = session.call(lambda application: calls.get_queue(application, name))
    show_one(queue, queue.name, output)


def _rate(queue: Queue) -> str | None:
    if queue.rate_limit_max is None or queue.rate_limit_period_secs is None:
        return None
    return f"{queue.rate_limit_max} in {queue.rate_limit_period_secs:g} s"
