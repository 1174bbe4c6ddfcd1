"""Charts as they leave the server: what becomes one line, what is unknown, and small lines in tables."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from conductor_lite.console.charts import Drawn, Line, Plot, plot, plot_by_label, resolution_secs, spark
from conductor_lite.operations.metrics import Chart, Series

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
END = START + timedelta(minutes=4)


def chart(*series: tuple[str, dict[str, str], tuple[float | None, ...]], known: int = 3) -> Chart:
    """Four steps of a minute, of which the first ones are known."""
    covered = tuple(60.0 if step < known else 0.0 for step in range(4))
    return Chart(
        start=START,
        step_secs=60,
        steps=4,
        counted_from="aggregates",
        series=tuple(
            Series(family=family, labels=labels, values=values) for family, labels, values in series
        ),
        covered_secs=dict.fromkeys(("started", "finished", "levels"), covered),
    )


def of(name: str) -> dict[str, str]:
    return {"workflow_name": name, "queue_name": ""}


def line(label: str, *values: float | None) -> Line:
    return Line(label=label, tone="quiet", values=values)


def a_plot(*lines: Line, **fields: Any) -> Plot:
    given: dict[str, Any] = {"kind": "counted", "unit": "count", "end": END, **fields}
    return Plot(key="k", title="t", subtitle="s", start=START, step_secs=60, lines=lines, **given)


def test_counts_of_all_workflows_add_up_and_what_never_happened_is_zero_where_somebody_was_asked() -> None:
    drawn = plot(
        chart(
            ("workflow_succeeded", of("a"), (1.0, 0.0, 2.0, None)),
            ("workflow_succeeded", of("b"), (5.0, 0.0, 0.0, None)),
        ),
        "runs",
        "Workflows",
        [
            Drawn("Succeeded", "good", ("workflow_succeeded",)),
            Drawn("Failed", "bad", ("workflow_failed", "workflow_cancelled")),
        ],
        end=END,
    )
    assert [each.values for each in drawn.lines] == [(6.0, 0.0, 2.0, None), (0.0, 0.0, 0.0, None)]
    assert [each.summary("counted") for each in drawn.lines] == [8.0, 0.0]
    assert drawn.subtitle == "per minute"
    assert drawn.lines[0].dash != drawn.lines[1].dash


def test_of_lengths_the_longest_is_drawn_and_none_where_nothing_ended() -> None:
    drawn = plot(
        chart(
            ("workflow_latency_secs", of("a"), (1.0, None, 2.0, None)),
            ("workflow_latency_secs", of("b"), (0.5, None, 7.5, None)),
        ),
        "latency",
        "Latency",
        [Drawn("Longest", "busy", ("workflow_latency_secs",))],
        end=END,
        kind="longest",
        unit="secs",
    )
    assert drawn.lines[0].values == (1.0, None, 7.5, None)
    assert drawn.lines[0].summary("longest") == 7.5
    assert not drawn.is_blank


def test_a_level_is_summed_up_by_its_latest_known_value() -> None:
    assert line("queue", 9, 4, None).summary("level") == 4
    assert line("queue", None, None).summary("level") is None


def test_only_series_that_are_asked_for_count() -> None:
    drawn = plot(
        chart(
            ("workflow_enqueued", {"workflow_name": "a", "queue_name": "q"}, (1.0, 1.0, 1.0, None)),
            ("workflow_enqueued", {"workflow_name": "a", "queue_name": "other"}, (9.0, 9.0, 9.0, None)),
        ),
        "depth",
        "Depth",
        [Drawn("Waiting", "wait", ("workflow_enqueued",))],
        end=END,
        kind="level",
        where=lambda series: series.labels["queue_name"] == "q",
    )
    assert drawn.lines[0].values == (1.0, 1.0, 1.0, None)


def test_many_labels_become_the_largest_lines_and_one_for_the_rest() -> None:
    many = [("workflow_failed", of(f"w{number}"), (float(number), 0.0, 0.0, None)) for number in range(9)]
    drawn = plot_by_label(chart(*many), "failed", "Failed", "workflow_failed", "workflow_name", end=END)
    assert [each.label for each in drawn.lines] == ["w8", "w7", "w6", "w5", "w4", "4 others"]
    assert drawn.lines[-1].values == (6.0, 0.0, 0.0, None)
    assert len({(each.tone, each.dash) for each in drawn.lines}) == len(drawn.lines)


def test_nothing_on_record_is_blank() -> None:
    drawn = plot(chart(known=0), "runs", "Runs", [Drawn("Ran", "good", ("workflow_succeeded",))], end=END)
    assert drawn.is_blank
    assert plot_by_label(chart(known=0), "f", "F", "workflow_failed", "workflow_name", end=END).is_blank


def test_none_of_any_label_is_told_from_not_known() -> None:
    drawn = plot_by_label(chart(known=2), "f", "F", "workflow_failed", "workflow_name", end=END)
    assert [(each.label, each.values) for each in drawn.lines] == [("All", (0.0, 0.0, None, None))]


def test_numbers_come_newest_first_with_what_did_not_change_in_one_row() -> None:
    end = START + timedelta(minutes=4, seconds=-30)
    rows = a_plot(line("a", 1, 0, 0, 3), line("b", None, 0, 0, 1), end=end).rows
    minute = timedelta(minutes=1)
    assert [(row.start - START, row.end - START, row.values) for row in rows] == [
        (3 * minute, 3.5 * minute, (3, 1)),
        (minute, 3 * minute, (0, 0)),
        (0 * minute, minute, (1, None)),
    ]


def test_the_browser_gets_seconds_and_gaps() -> None:
    drawing = json.loads(a_plot(line("<a>", 1, None, 2.5, 0)).drawing)
    assert drawing["start"] == START.timestamp()
    assert drawing["end"] == END.timestamp()
    assert drawing["lines"] == [{"label": "<a>", "dash": [], "values": [1, None, 2.5, 0]}]


def test_a_range_of_any_length_has_about_a_hundred_steps() -> None:
    for days in (1, 7, 30, 365):
        assert days * 86_400 / resolution_secs(START, START + timedelta(days=days)) <= 97
    assert resolution_secs(START, START + timedelta(minutes=15)) == 60


def test_a_small_line_breaks_where_nothing_is_known() -> None:
    assert spark([0, 10, None, 5, None, 10]) == "M0.0 22.0L20.0 2.0M60.0 12.0h10.0M100.0 2.0h10.0"
    assert spark([0, 0, 0]) == "M0.0 22.0L50.0 22.0L100.0 22.0"
    assert spark([5, 10], largest=20) == "M0.0 17.0L100.0 12.0"
    assert spark([]) == spark([None, None]) == ""
