"""From metrics on record to what is drawn: lines with names, tones and units, and small lines for tables.

Knows nothing of HTML and pixels; those are the template's and ``static/charts.js``' business.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from conductor_lite.operations.metrics import Chart, Series

#: What a value is: a number of things, or seconds.
Unit: TypeAlias = Literal["count", "secs"]
#: What a line says: how often something happened in each step, how much there was of it at most or on
#: average, or how long the longest took. Of several series all but the last add up.
Kind: TypeAlias = Literal["counted", "level", "mean", "longest"]
#: What a line means; the style sheet has a colour for each.
Tone: TypeAlias = Literal["good", "bad", "warn", "busy", "wait", "alarm", "quiet"]

_SUBTITLES: Mapping[Kind, str] = {
    "counted": "per ",
    "level": "most in each ",
    "mean": "mean of each ",
    "longest": "longest in each ",
}
_TONES: tuple[Tone, ...] = ("busy", "wait", "alarm", "good", "warn", "quiet")
#: How lines are told apart where colours are not: lengths of dashes and gaps, one line after the other.
_DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3), (4, 2), (1, 2))
#: About how many steps a chart has.
_WISHED_STEPS = 96
#: Lines that one can still tell from each other.
MAX_LINES = len(_DASHES)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a plot."""

    label: str
    tone: Tone
    #: One for each step; None where nothing is known.
    values: tuple[float | None, ...]
    #: Lengths of its dashes and gaps; none for an unbroken line.
    dash: tuple[int, ...] = ()

    def summary(self, kind: Kind) -> float | None:
        """Its whole in one number: the total, the latest, or the longest; None where nothing is known."""
        known = [value for value in self.values if value is not None]
        if not known:
            return None
        match kind:
            case "counted":
                return sum(known)
            case "level" | "mean":
                return known[-1]
            case "longest":
                return max(known)


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One chart as it is drawn."""

    #: Tells it from the others of its page.
    key: str
    title: str
    #: What a value stands for, in a few words: ``per 15 minutes``, ``longest in each 15 minutes``.
    subtitle: str
    kind: Kind
    unit: Unit
    start: datetime
    step_secs: int
    #: When the stretch of time ends that was asked for; the last step may end later.
    end: datetime
    lines: tuple[Line, ...]

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing at all to draw."""
        return not any(value is not None for line in self.lines for value in line.values)

    @property
    def drawing(self) -> str:
        """What ``static/charts.js`` draws it from, as JSON."""
        return msgspec.json.encode(
            {
                "start": int(self.start.timestamp()),
                "end": int(self.end.timestamp()),
                "step": self.step_secs,
                "unit": self.unit,
                "kind": self.kind,
                "lines": [
                    {"label": line.label, "dash": line.dash, "values": line.values} for line in self.lines
                ],
            }
        ).decode()

    @property
    def rows(self) -> "list[PlotRow]":
        """The numbers, newest first: steps in a row in which nothing changed are one row."""
        rows: list[PlotRow] = []
        for number, values in enumerate(zip(*(line.values for line in self.lines), strict=True)):
            start = self.start + timedelta(seconds=number * self.step_secs)
            end = min(start + timedelta(seconds=self.step_secs), max(self.end, start))
            if rows and rows[-1].values == values:
                rows[-1] = rows[-1]._replace(end=end)
            else:
                rows.append(PlotRow(start, end, values))
        return rows[::-1]


class PlotRow(NamedTuple):
    """What the lines of a plot were over a stretch of time: in each step of it, where it is several."""

    start: datetime
    end: datetime
    values: tuple[float | None, ...]


class Drawn(NamedTuple):
    """A line to draw: its name and tone, and the series that it is made of."""

    label: str
    tone: Tone
    families: tuple[str, ...]
    #: Which series of those families count, by their first label; None for all.
    where: Callable[[str], bool] | None = None


def resolution_secs(start: datetime, end: datetime) -> int:
    """The length of a step to wish for, in seconds: about a hundred steps, whatever the range."""
    return max(60, int((end - start).total_seconds()) // _WISHED_STEPS)


def plot(
    chart: Chart,
    key: str,
    title: str,
    lines: Iterable[Drawn],
    *,
    end: datetime,
    kind: Kind = "counted",
    unit: Unit = "count",
    where: Callable[[Series], bool] = lambda _: True,
) -> Plot:
    """Draw one line for each of some families, over all their labels.

    Args:
        chart: the series.
        key: tells it from the other plots of the page.
        title: what it shows.
        lines: what to draw.
        end: of the range that was asked for.
        kind: what they say.
        unit: of the values.
        where: which series count.
    """
    drawn = [
        (
            line.label,
            line.tone,
            merged(
                [
                    *(chart.nothing(family) for family in line.families),
                    *(each.values for each in chart.series if _counts(each, line) and where(each)),
                ],
                kind,
            ),
        )
        for line in lines
    ]
    return _plot(chart, key, title, drawn, end=end, kind=kind, unit=unit)


def _counts(series: Series, line: Drawn) -> bool:
    first = next(iter(series.labels.values()), "")
    return series.family in line.families and (line.where is None or line.where(first))


def plot_by_label(
    chart: Chart,
    key: str,
    title: str,
    family: str,
    label: str,
    *,
    end: datetime,
    kind: Kind = "counted",
    unit: Unit = "count",
    where: Callable[[Series], bool] = lambda _: True,
) -> Plot:
    """Draw one line for each value of a label; where there are many, the largest and one for the rest.

    Where nothing was counted there is one line, which tells none from not known.
    """
    groups: dict[str, list[tuple[float | None, ...]]] = {}
    for series in chart.series:
        if series.family == family and where(series):
            groups.setdefault(series.labels.get(label, ""), []).append(series.values)
    lines = [(name, merged(group, kind)) for name, group in groups.items()]
    lines.sort(key=lambda line: (-_size(line[1], kind), line[0]))
    if len(lines) > MAX_LINES:
        rest = lines[MAX_LINES - 1 :]
        lines[MAX_LINES - 1 :] = [(f"{len(rest)} others", merged([values for _, values in rest], kind))]
    drawn = [(name or "none", _TONES[number], values) for number, (name, values) in enumerate(lines)]
    drawn = drawn or [("All", _TONES[0], chart.nothing(family))]
    return _plot(chart, key, title, drawn, end=end, kind=kind, unit=unit)


def _plot(
    chart: Chart,
    key: str,
    title: str,
    lines: Iterable[tuple[str, Tone, tuple[float | None, ...]]],
    *,
    end: datetime,
    kind: Kind,
    unit: Unit,
) -> Plot:
    return Plot(
        key=key,
        title=title,
        subtitle=_SUBTITLES[kind] + _step_words(chart.step_secs),
        kind=kind,
        unit=unit,
        start=chart.start,
        step_secs=chart.step_secs,
        end=end,
        lines=tuple(
            Line(label=label, tone=tone, values=values, dash=_DASHES[number])
            for number, (label, tone, values) in enumerate(lines)
        ),
    )


def merged(series: Sequence[Sequence[float | None]], kind: Kind) -> tuple[float | None, ...]:
    """One line of several series of equal length; unknown only where none of them is known."""
    unite = max if kind == "longest" else sum
    known = ([value for value in column if value is not None] for column in zip(*series, strict=True))
    return tuple(float(unite(values)) if values else None for values in known)


def _size(values: Iterable[float | None], kind: Kind) -> float:
    known = [value for value in values if value is not None]
    return (sum(known) if kind == "counted" else max(known)) if known else 0.0


def _step_words(secs: int) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if secs % size == 0:
            number = secs // size
            return unit if number == 1 else f"{number} {unit}s"
    return f"{secs} s"


#: The box that small lines are drawn in; the style sheet gives it its size.
SPARK_WIDTH, SPARK_HEIGHT = 100.0, 24.0
_SPARK_EDGE = 2.0


def spark_top(lines: Iterable[tuple[Sequence[float | None], str]]) -> float:
    """The largest value of several lines that share a scale; each comes with its tone."""
    return max((value or 0.0 for values, _ in lines for value in values), default=0.0)


def spark(values: Sequence[float | None], largest: float | None = None) -> str:
    """The ``d`` of a path that is a small line in a box of 100 by 24, with gaps where nothing is known.

    Args:
        values: one for each step.
        largest: what reaches the top; without it the largest of them does.
    """
    return _path(tuple(values), largest)


@functools.lru_cache(maxsize=1024)
def _path(values: tuple[float | None, ...], largest: float | None) -> str:
    # Kept, for pages look again and again and most lines are the same.
    top = max(largest or 0.0, *(value or 0.0 for value in values), 1e-9) if values else 1.0
    width = SPARK_WIDTH / max(1, len(values) - 1)
    height = SPARK_HEIGHT - 2 * _SPARK_EDGE
    path: list[str] = []
    pen_is_down = False
    for number, value in enumerate(values):
        if value is None:
            pen_is_down = False
            continue
        y = SPARK_HEIGHT - _SPARK_EDGE - height * max(0.0, value) / top
        path.append(f"{'L' if pen_is_down else 'M'}{number * width:.1f} {y:.1f}")
        if not pen_is_down and (number + 1 == len(values) or values[number + 1] is None):
            # One step alone would be a line without length.
            path.append(f"h{max(1.0, width / 2):.1f}")
        pen_is_down = True
    return "".join(path)
