"""What is measured: every family, its labels, and how windows of it become a longer one. No SQL here."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

MINUTE = 60
QUARTER = 15 * MINUTE
DAY = 24 * 60 * MINUTE

#: Lengths of windows in seconds, each with the seconds for which it is kept.
KEPT_SECS: Mapping[int, int] = {MINUTE: 2 * DAY, QUARTER: 30 * DAY, DAY: 730 * DAY}
#: What each longer window is rolled up from.
ROLLED_FROM: Mapping[int, int] = {QUARTER: MINUTE, DAY: QUARTER}


class Rollup(StrEnum):
    """How windows become a longer one."""

    SUM = "sum"
    MAX = "max"
    #: Weighted by time; where there is no point there was none.
    MEAN = "mean"


class Group(StrEnum):
    """Families that are known or unknown together: what one question answers."""

    STARTED = "started"
    FINISHED = "finished"
    LEVELS = "levels"
    STEPS = "steps"
    STEP_RUNS = "step_runs"
    FLEET = "fleet"
    AUTOSCALING = "autoscaling"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One family of metrics."""

    name: str
    rollup: Rollup
    group: Group
    labels: tuple[str, ...] = ()


class Label(NamedTuple):
    """What tells one series of an application from the others."""

    family: str
    first: str = ""
    second: str = ""


#: Seconds of a window in which a group was known; its label is the group.
COVERAGE = "coverage"

_BY_WORKFLOW = ("workflow_name", "queue_name")
_BY_VERSION = ("application_version", "queue_name")


def _family(name: str, rollup: Rollup, group: Group, *labels: str) -> Family:
    return Family(name=name, rollup=rollup, group=group, labels=labels)


#: Every family. Ages and lengths are in seconds; levels are as of the end of the minute.
FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        _family("workflow_started", Rollup.SUM, Group.STARTED, *_BY_WORKFLOW),
        _family("workflow_dequeued", Rollup.SUM, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_succeeded", Rollup.SUM, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_failed", Rollup.SUM, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_cancelled", Rollup.SUM, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_queue_wait_secs", Rollup.MAX, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_latency_secs", Rollup.MAX, Group.FINISHED, *_BY_WORKFLOW),
        _family("workflow_enqueued", Rollup.MAX, Group.LEVELS, *_BY_WORKFLOW),
        _family("workflow_enqueued_age_secs", Rollup.MAX, Group.LEVELS, *_BY_WORKFLOW),
        _family("workflow_pending", Rollup.MAX, Group.LEVELS, "workflow_name"),
        _family("workflow_pending_age_secs", Rollup.MAX, Group.LEVELS, "workflow_name"),
        _family("step_succeeded", Rollup.SUM, Group.STEPS, "step_name"),
        _family("step_failed", Rollup.SUM, Group.STEPS, "step_name"),
        _family("step_duration_secs", Rollup.MAX, Group.STEPS, "step_name"),
        # Steps of which an older SDK does not say how they ended.
        _family("step_runs", Rollup.SUM, Group.STEP_RUNS, "step_name"),
        _family("executors", Rollup.MEAN, Group.FLEET, "status", "application_version"),
        _family("recoveries", Rollup.SUM, Group.FLEET),
        # What the autoscaling policy made of its queue. Executors are a mean like those that are there.
        _family("desired_executors", Rollup.MEAN, Group.AUTOSCALING, *_BY_VERSION),
        _family("queue_depth", Rollup.MAX, Group.AUTOSCALING, *_BY_VERSION),
        # 1 for the version that was the latest.
        _family("latest_version", Rollup.MEAN, Group.AUTOSCALING, *_BY_VERSION),
    )
}


def families_of(groups: Iterable[Group]) -> list[str]:
    """The names of all families of some groups."""
    wanted = frozenset(groups)
    return [family.name for family in FAMILIES.values() if family.group in wanted]


def coverage(group: Group) -> Label:
    """The series that says where a group was known."""
    return Label(COVERAGE, group.value)


def floor(epoch_secs: int, window_secs: int) -> int:
    """Where the window begins that a time lies in, both in seconds since 1970."""
    return epoch_secs - epoch_secs % window_secs


def merge(sums: Mapping[Label, tuple[float, float]], window_secs: int) -> dict[Label, float]:
    """Make one window of several of equal length.

    Args:
        sums: of each series the sum of its values, and the largest. What covers a group is among them, as
            means need it.
        window_secs: length of the windows that are merged.
    """
    merged: dict[Label, float] = {}
    for label, (total, largest) in sums.items():
        match _rollup(label):
            case Rollup.MAX:
                merged[label] = largest
            case Rollup.MEAN:
                covered_secs, _ = sums.get(coverage(FAMILIES[label.family].group), (0.0, 0.0))
                merged[label] = total * window_secs / covered_secs if covered_secs else 0.0
            case _:
                merged[label] = total
    return merged


def _rollup(label: Label) -> Rollup:
    family = FAMILIES.get(label.family)
    return family.rollup if family is not None else Rollup.SUM
