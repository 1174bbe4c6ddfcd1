"""Key figures, charts and tables of what was measured within a stretch of time. Pure: no page, no I/O."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from conductor_lite.console.charts import Drawn, Plot, merged, plot, plot_by_label
from conductor_lite.operations.metrics import Chart

#: Workflows and steps that the tables name.
TOP = 10
#: Steps of a chart after which what stood somewhere is no longer what stands there.
_FRESH_STEPS = 2

#: What is worked out from.
FAMILIES = (
    "workflow_started",
    "workflow_succeeded",
    "workflow_failed",
    "workflow_cancelled",
    "workflow_latency_secs",
    "workflow_queue_wait_secs",
    "workflow_enqueued",
    "workflow_enqueued_age_secs",
    "workflow_pending",
    "step_succeeded",
    "step_failed",
    "step_duration_secs",
    "executors",
)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Key figures; None for what is not known."""

    #: At the end of the range.
    running: float | None
    waiting: float | None
    oldest_waiting_secs: float | None
    #: Within the range.
    started: float | None
    succeeded: float | None
    failed: float | None
    longest_secs: float | None


class NamedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs of one workflow, or of one step, went within the range."""

    name: str
    succeeded: float
    failed: float
    #: None where none ended.
    longest_secs: float | None
    #: How many ended, and how many of them failed, in each step of the charts.
    ended_steps: tuple[float | None, ...]
    failed_steps: tuple[float | None, ...]

    @property
    def runs(self) -> float:
        """How many ended, one way or the other."""
        return self.succeeded + self.failed


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured within the range."""

    #: What the last minute was counted from: ``aggregates``, ``listings`` or nothing.
    counted_from: str
    figures: Figures
    charts: tuple[Plot, ...]
    workflows: tuple[NamedFigures, ...]
    workflow_count: int
    steps: tuple[NamedFigures, ...]
    step_count: int


def measures_of(chart: Chart, end: datetime, sort: str) -> Measures:
    """Work out the page's figures, charts and tables."""
    charts = tuple(_charts(chart, end))
    runs, latency, levels = charts[0], charts[1], charts[2]
    workflows = _named(
        chart, "workflow_name", "workflow_succeeded", "workflow_failed", "workflow_latency_secs"
    )
    steps = _named(chart, "step_name", "step_succeeded", "step_failed", "step_duration_secs")
    failing = [figures for figures in steps if figures.failed]
    if sort == "runs":
        workflows.sort(key=lambda figures: (-figures.runs, figures.name))
    of_age = "workflow_enqueued_age_secs"
    ages = [chart.nothing(of_age), *(series.values for series in chart.series if series.family == of_age)]
    started, succeeded, failed = (line.summary("counted") for line in runs.lines[:3])
    return Measures(
        counted_from=chart.counted_from,
        figures=Figures(
            running=_latest(levels.lines[0].values),
            waiting=_latest(levels.lines[1].values),
            oldest_waiting_secs=_latest(merged(ages, "longest")),
            started=started,
            succeeded=succeeded,
            failed=failed,
            longest_secs=max((line.summary("longest") or 0.0 for line in latency.lines), default=0.0) or None,
        ),
        charts=charts,
        workflows=tuple(workflows[:TOP]),
        workflow_count=len(workflows),
        steps=tuple(failing[:TOP]),
        step_count=len(failing),
    )


def _charts(chart: Chart, end: datetime) -> Sequence[Plot]:
    def of_status(status: str) -> Callable[[str], bool]:
        return lambda label: label == status

    return (
        plot(
            chart,
            "runs",
            "Workflows",
            [
                Drawn("Started", "busy", ("workflow_started",)),
                Drawn("Succeeded", "good", ("workflow_succeeded",)),
                Drawn("Failed", "bad", ("workflow_failed",)),
                Drawn("Cancelled", "quiet", ("workflow_cancelled",)),
            ],
            end=end,
        ),
        plot_by_label(
            chart,
            "latency",
            "Creation to end",
            "workflow_latency_secs",
            "workflow_name",
            end=end,
            kind="longest",
            unit="secs",
        ),
        plot(
            chart,
            "levels",
            "Under way",
            [
                Drawn("Running", "busy", ("workflow_pending",)),
                Drawn("In queues", "wait", ("workflow_enqueued",)),
            ],
            end=end,
            kind="level",
        ),
        plot(
            chart,
            "executors",
            "Executors",
            [
                Drawn("Healthy", "good", ("executors",), of_status("HEALTHY")),
                Drawn("Disconnected", "warn", ("executors",), of_status("DISCONNECTED")),
                Drawn("Dead", "bad", ("executors",), of_status("DEAD")),
            ],
            end=end,
            kind="mean",
        ),
    )


def _latest(values: Sequence[float | None]) -> float | None:
    """The last value that is known, unless that was too long ago."""
    return next((value for value in reversed(values[-_FRESH_STEPS:]) if value is not None), None)


def _named(chart: Chart, label: str, succeeded: str, failed: str, longest: str) -> list[NamedFigures]:
    """Figures by a label, those with most failures first."""
    groups: dict[str, dict[str, list[tuple[float | None, ...]]]] = {}
    for series in chart.series:
        if series.family in (succeeded, failed, longest):
            by_family = groups.setdefault(series.labels.get(label, ""), {})
            by_family.setdefault(series.family, []).append(series.values)
    found = []
    for name, families in groups.items():
        good = merged([*families.get(succeeded, ()), chart.nothing(succeeded)], "counted")
        bad = merged([*families.get(failed, ()), chart.nothing(failed)], "counted")
        lengths = [value for values in families.get(longest, ()) for value in values if value is not None]
        found.append(
            NamedFigures(
                name=name,
                succeeded=sum(value or 0.0 for value in good),
                failed=sum(value or 0.0 for value in bad),
                longest_secs=max(lengths, default=None),
                ended_steps=merged([good, bad], "counted"),
                failed_steps=bad,
            )
        )
    ended = [figures for figures in found if figures.runs]
    return sorted(ended, key=lambda figures: (-figures.failed, -figures.runs, figures.name))
