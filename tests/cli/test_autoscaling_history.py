"""``conductor-lite autoscaling history``: what lines it makes of a chart."""

from conductor_lite.api.schemas.autoscaling import AutoscaleHistory
from conductor_lite.api.schemas.metrics import MetricSeries
from conductor_lite.cli.autoscaling import _MOMENTS, _moments


def _series(family: str, version: str, *values: float | None, queue: str | None = "orders") -> MetricSeries:
    labels = {"application_version": version} | ({} if queue is None else {"queue_name": queue})
    return MetricSeries(family=family, labels=labels, values=list(values))


def test_each_step_has_a_line_for_every_version_of_which_there_was_anything() -> None:
    chart = AutoscaleHistory(
        start="2026-03-01T00:00:00.000Z",
        step_secs=60,
        steps=4,
        series=[
            _series("desired_executors", "v2", None, 1, 2.25, 0),
            _series("queue_depth", "v2", None, 0, 11, 0),
            _series("desired_executors", "v1", None, 0, 0, 0),
            _series("queue_depth", "v1", None, 3, 0, 0),
            _series("healthy_executors", "v2", None, 1, 1.5, 0, queue=None),
            _series("healthy_executors", "v0", None, 0, 1, 0, queue=None),
        ],
    )
    cells = [[value(moment) for _, value in _MOMENTS.columns] for moment in _moments(chart)]
    assert cells == [
        ["2026-03-01T00:01:00.000Z", "v1", "0", None, "3", "orders"],
        ["2026-03-01T00:01:00.000Z", "v2", "1", "1", "0", "orders"],
        ["2026-03-01T00:02:00.000Z", "v0", None, "1", None, None],
        ["2026-03-01T00:02:00.000Z", "v2", "2.25", "1.5", "11", "orders"],
    ]
