"""The charts of one queue: how much waits, for how long, what leaves it and how that ends. Pure."""

from datetime import datetime

from conductor_lite.console.charts import Drawn, Plot, plot, plot_by_label
from conductor_lite.operations.metrics import Chart, Series


def queue_charts(chart: Chart, queue: str, end: datetime) -> tuple[Plot, ...]:
    """Draw the charts of a queue.

    Args:
        chart: series of the application.
        queue: its name.
        end: of the range that was asked for.
    """

    def is_mine(series: Series) -> bool:
        return series.labels.get("queue_name") == queue

    return (
        plot_by_label(
            chart,
            "depth",
            "Waiting",
            "workflow_enqueued",
            "workflow_name",
            end=end,
            kind="level",
            where=is_mine,
        ),
        plot(
            chart,
            "wait",
            "How long",
            [
                Drawn("Oldest that waits", "wait", ("workflow_enqueued_age_secs",)),
                Drawn("Wait of what left", "busy", ("workflow_queue_wait_secs",)),
            ],
            end=end,
            kind="longest",
            unit="secs",
            where=is_mine,
        ),
        plot(
            chart,
            "flow",
            "In and out",
            [
                Drawn("Enqueued", "wait", ("workflow_started",)),
                Drawn("Left the queue", "busy", ("workflow_dequeued",)),
            ],
            end=end,
            where=is_mine,
        ),
        plot(
            chart,
            "ended",
            "How they ended",
            [
                Drawn("Succeeded", "good", ("workflow_succeeded",)),
                Drawn("Failed", "bad", ("workflow_failed",)),
            ],
            end=end,
            where=is_mine,
        ),
    )
