"""What limits a queue, in words. Pure."""

import msgspec

from conductor_lite.protocol import QueueRecord


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
        _count("Concurrency", queue.concurrency, "workflows run at the same time, over all executors"),
        _count("Per worker", queue.worker_concurrency, "workflows run at the same time on each executor"),
        _rate("Rate", queue.rate_limit_max, queue.rate_limit_period_secs, "are started"),
        _count(
            "Per partition",
            queue.partition_concurrency,
            "workflows of one partition run at the same time, over all executors",
        ),
        _count(
            "Per partition and worker",
            queue.partition_worker_concurrency,
            "workflows of one partition run at the same time on each executor",
        ),
        _rate(
            "Partition rate",
            queue.partition_rate_limit_max,
            queue.partition_rate_limit_period_secs,
            "of one partition are started",
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
        found.append(
            Limit(label="Polling", value=value, meaning=f"Each executor looks for work about every {value}.")
        )
    return tuple(limit for limit in found if limit is not None)


def _count(label: str, number: int | None, meaning: str) -> Limit | None:
    if number is None:
        return None
    return Limit(label=label, value=f"{number:,}", meaning=f"At most {number:,} {meaning}.")


def _rate(label: str, number: int | None, period_secs: float | None, meaning: str) -> Limit | None:
    if number is None or period_secs is None:
        return None
    return Limit(
        label=label,
        value=f"{number:,} in {period_secs:g} s",
        meaning=f"At most {number:,} workflows {meaning} within {period_secs:g} s.",
    )
