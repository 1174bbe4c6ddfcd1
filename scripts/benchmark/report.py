"""The figures of a run, with the bare server's beside them and what was aimed at: as a table, and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

_HEADS = ("", "conductor-lite", "bare", "ratio", "aim", "")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure."""

    #: Short name, as in the JSON.
    name: str
    title: str
    unit: str
    ours: float
    bare: float | None = None
    #: Largest (or smallest, where ``at_least``) ratio to the bare server's that meets the aim.
    aim_ratio: float | None = None
    #: Largest value that meets the aim.
    aim: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the bare server's figure."""
        return self.ours / self.bare if self.bare else None

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        if self.aim is not None:
            return self.ours <= self.aim
        if self.aim_ratio is None or self.ratio is None:
            return None
        return self.ratio >= self.aim_ratio if self.at_least else self.ratio <= self.aim_ratio


def as_json(rows: Iterable[Row], details: dict[str, Any]) -> dict[str, Any]:
    """The figures as plain values."""
    return {
        "figures": {
            row.name: {
                key: value
                for key, value in {**asdict(row), "ratio": row.ratio, "met": row.met}.items()
                if key != "name"
            }
            for row in rows
        },
        "details": details,
    }


def as_table(rows: Iterable[Row]) -> str:
    """The figures for people."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    lines = []
    for line in cells:
        first, *others = line
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
    aim = ""
    if row.aim is not None:
        aim = f"at most {_number(row.aim)}"
    elif row.aim_ratio is not None:
        aim = f"ratio {'at least' if row.at_least else 'at most'} {row.aim_ratio:g}"
    verdict = {None: "", True: "ok", False: "not met"}[row.met]
    bare = _number(row.bare) if row.bare is not None else ""
    return f"{row.title}, {row.unit}", _number(row.ours), bare, ratio, aim, verdict


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
