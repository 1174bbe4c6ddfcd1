"""The eight types of alerting rules for people: what each watches, its settings, and a rule in one sentence.

Pure words and values; knows no forms and no HTML.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias, assert_never

import msgspec

from conductor_lite.console.formatting import clip, duration
from conductor_lite.operations.alerting_rules import (
    ExecutorLost,
    RecoveryFlapping,
    RuleMetadata,
    ScheduleMissed,
    SlowQueue,
    SlowWorkflow,
    StrandedVersion,
    UnresponsiveApplication,
    WorkflowFailure,
)

#: What a setting is: the name of something, where ``*`` stands for all; how many; or how long.
SettingKind: TypeAlias = Literal["name", "count", "secs"]
#: What names are suggested from.
Source: TypeAlias = Literal["workflows", "queues", "versions", "schedules"]

_EVERY = "*"
_NAME_LENGTH = 80


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a type of rule."""

    #: As the metadata calls it.
    name: str
    kind: SettingKind
    label: str
    help: str
    #: What the form of a new rule begins with.
    usual: str | int = _EVERY
    #: Where its names come from; None for numbers.
    source: Source | None = None


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One type of rule."""

    #: Its name in the API and in alert handlers.
    type: str
    title: str
    #: When it fires, in one sentence.
    fires: str
    #: More that is good to know before choosing it; empty for nothing.
    note: str = ""
    settings: tuple[Setting, ...] = ()
    #: Whether an executor has to be asked; without one such a rule is not judged.
    asks_executor: bool = False


_WORKFLOW = Setting(
    name="workflow_name",
    kind="name",
    label="Workflow",
    help="The name of its function. Empty watches all workflows together.",
    source="workflows",
)

KINDS: Mapping[str, Kind] = {
    kind.type: kind
    for kind in (
        Kind(
            type="WorkflowFailure",
            title="Workflows fail",
            fires="Fires when a given number of workflows have failed within a period.",
            settings=(
                _WORKFLOW,
                Setting(
                    name="threshold",
                    kind="count",
                    label="Failures",
                    help="How many it takes. A workflow that ran out of recovery attempts counts as failed.",
                    usual=5,
                ),
                Setting(
                    name="period_secs",
                    kind="secs",
                    label="Within",
                    help="Failures that are older do not count any more.",
                    usual=600,
                ),
            ),
            asks_executor=True,
        ),
        Kind(
            type="SlowQueue",
            title="A queue is slow",
            fires="Fires when a workflow has waited in a queue for too long.",
            note="A queue without executors, or with too few of them, looks like this first.",
            settings=(
                Setting(
                    name="queue_name",
                    kind="name",
                    label="Queue",
                    help="Empty watches every queue, each for itself.",
                    source="queues",
                ),
                Setting(
                    name="threshold_secs",
                    kind="secs",
                    label="Longer than",
                    help="Counted from when the workflow was enqueued.",
                    usual=300,
                ),
            ),
            asks_executor=True,
        ),
        Kind(
            type="UnresponsiveApplication",
            title="The application does not respond",
            fires="Fires when for ten seconds no executor is connected, or only such as do not answer.",
            note="It has no settings. Another application has to receive it: this one could not be told.",
        ),
        Kind(
            type="StrandedVersion",
            title="Work is stranded",
            fires="Fires when work waits for an executor of an application version that nobody runs.",
            note="This is what a deployment leaves behind that took the old version away too early.",
            settings=(
                Setting(
                    name="application_version",
                    kind="name",
                    label="Application version",
                    help="Empty watches all versions.",
                    source="versions",
                ),
            ),
        ),
        Kind(
            type="RecoveryFlapping",
            title="Executors keep dying",
            fires="Fires when executors had to be recovered a given number of times within a period.",
            note="A workflow that kills whoever runs it looks like this, and so does a crash at start.",
            settings=(
                Setting(
                    name="threshold",
                    kind="count",
                    label="Recoveries",
                    help="How many it takes.",
                    usual=3,
                ),
                Setting(
                    name="period_secs",
                    kind="secs",
                    label="Within",
                    help="Recoveries that are older do not count any more.",
                    usual=600,
                ),
            ),
        ),
        Kind(
            type="ExecutorLost",
            title="Executors are lost",
            fires="Fires when that many executors were declared dead within a period, or still are.",
            note="One that leaves for good, as at a scale-down, is declared dead as well.",
            settings=(
                Setting(
                    name="threshold",
                    kind="count",
                    label="Executors",
                    help="How many it takes.",
                    usual=1,
                ),
                Setting(
                    name="period_secs",
                    kind="secs",
                    label="Within",
                    help="How long a loss counts; one that is not recovered yet counts however old.",
                    usual=300,
                ),
            ),
        ),
        Kind(
            type="SlowWorkflow",
            title="A workflow takes too long",
            fires="Fires when a workflow has run for too long; waiting in a queue does not count.",
            settings=(
                _WORKFLOW,
                Setting(
                    name="threshold_secs",
                    kind="secs",
                    label="Longer than",
                    help="Workflows that sleep or wait for a message go on running meanwhile.",
                    usual=3_600,
                ),
            ),
            asks_executor=True,
        ),
        Kind(
            type="ScheduleMissed",
            title="A schedule was missed",
            fires="Fires when a schedule was due and has not run.",
            note="Runs missed while the schedule was paused, or this server was down, are not told.",
            settings=(
                Setting(
                    name="schedule_name",
                    kind="name",
                    label="Schedule",
                    help="Empty watches all schedules.",
                    source="schedules",
                ),
                Setting(
                    name="grace_secs",
                    kind="secs",
                    label="Late by",
                    help="How late a run may be.",
                    usual=60,
                ),
            ),
            asks_executor=True,
        ),
    )
}


def in_words(rule: RuleMetadata) -> str:
    """When a rule fires, in a few words."""
    match rule:
        case WorkflowFailure():
            noun, verb = ("workflow", "fails") if rule.threshold == 1 else ("workflows", "fail")
            named = "" if rule.workflow_name == _EVERY else f" named {_quoted(rule.workflow_name)}"
            return f"{rule.threshold:,} {noun}{named} {verb} within {span_in_words(rule.period_secs)}"
        case SlowQueue():
            queue = _one("any queue", "the queue", rule.queue_name)
            return f"A workflow waits in {queue} for over {span_in_words(rule.threshold_secs)}"
        case UnresponsiveApplication():
            return "No executor is connected, or none answers"
        case StrandedVersion():
            version = _one("a version", "the version", rule.application_version)
            return f"Work waits for {version} that nobody runs"
        case RecoveryFlapping():
            times = "once" if rule.threshold == 1 else f"{rule.threshold:,} times"
            return f"Executors are recovered {times} within {span_in_words(rule.period_secs)}"
        case ExecutorLost():
            who = "An executor is" if rule.threshold == 1 else f"{rule.threshold:,} executors are"
            return f"{who} declared dead within {span_in_words(rule.period_secs)}"
        case SlowWorkflow():
            workflow = _one("A workflow", "The workflow", rule.workflow_name)
            return f"{workflow} runs for over {span_in_words(rule.threshold_secs)}"
        case ScheduleMissed():
            schedule = _one("A schedule", "The schedule", rule.schedule_name)
            return f"{schedule} is more than {span_in_words(rule.grace_secs)} late"
        case _:
            assert_never(rule)


def _one(any_of: str, this: str, name: str) -> str:
    return any_of if name == _EVERY else f"{this} {_quoted(name)}"


def _quoted(name: str) -> str:
    return f"“{clip(name, _NAME_LENGTH)}”"


def span_in_words(secs: int) -> str:
    """A span of time that somebody chose."""
    # Below ten seconds a measured span has a tenth; a setting has none.
    return duration(secs) if secs >= 10 else f"{secs} s"
