"""What limits a queue, in words. Pure."""

import msgspec

from conductor_lite.protocol import QueueRecord
from conductor_lite.wording import noun, plural


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a queue."""

    #: What people call it.
    label: str
    #: Its value, short enough for a table.
    value: str
    #: What it means.
    meaning: str


def limits_of(queue: QueueRecord) -> tuple[Limit, ...]:
    """Everything that decides when work leaves a queue; none when nothing holds it back."""
    found = [
        _count("Concurrency", queue.concurrency, "over all executors"),
        _count("Per worker", queue.worker_concurrency, "on each executor"),
        _rate("Rate", queue.rate_limit_max, queue.rate_limit_period_secs),
        _count("Per partition", queue.partition_concurrency, "over all executors", " of one partition"),
        _count(
            "Per partition and worker",
            queue.partition_worker_concurrency,
            "on each executor",
            " of one partition",
        ),
        _rate(
            "Partition rate",
            queue.partition_rate_limit_max,
            queue.partition_rate_limit_period_secs,
            " of one partition",
        ),
    ]
    if queue.partition_queue:
        found.append(
            Limit(
                label="Partitioned",
                value="yes",
                meaning="Each workflow names a partition, and limits hold for each partition by itself.",
            )
        )
    if queue.priority_enabled:
        found.append(
            Limit(
                label="Priority",
                value="yes",
                meaning="A lower number goes first; equal ones in order of arrival.",
            )
        )
    if queue.polling_interval_secs is not None:
        value = f"{queue.polling_interval_secs:g} s"
        often = "second" if queue.polling_interval_secs == 1 else value
        found.append(
            Limit(label="Polling", value=value, meaning=f"Each executor looks for work about every {often}.")
        )
    return tuple(limit for limit in found if limit is not None)


def _count(label: str, number: int | None, where: str, which: str = "") -> Limit | None:
    if number is None:
        return None
    runs = "runs at a time" if number == 1 else "run at the same time"
    return Limit(
        label=label,
        value=f"{number:,}",
        meaning=f"At most {plural(number, 'workflow')}{which} {runs}, {where}.",
    )


def _rate(label: str, number: int | None, period_secs: float | None, which: str = "") -> Limit | None:
    if number is None or period_secs is None:
        return None
    return Limit(
        label=label,
        value=f"{number:,} in {period_secs:g} s",
        meaning=(
            f"At most {plural(number, 'workflow')}{which} {noun(number, 'is', 'are')} started within "
            f"{period_secs:g} s."
        ),
    )
