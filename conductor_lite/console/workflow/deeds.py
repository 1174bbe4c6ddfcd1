"""What can be done to a workflow, and why something cannot: decided from what is known of it. Pure."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from conductor_lite.console.workflow.facts import WorkflowFacts

Kind: TypeAlias = Literal["cancel", "resume", "restart", "fork", "fork-from-failure", "export", "delete"]

LABELS: dict[Kind, str] = {
    "cancel": "Cancel",
    "resume": "Resume",
    "restart": "Restart",
    "fork": "Fork from a step",
    "fork-from-failure": "Fork from failure",
    "export": "Export",
    "delete": "Delete",
}
FAILED = frozenset({"ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_PRIVATE = "An export holds payloads, and this application is in private mode."


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One button."""

    kind: Kind
    label: str
    #: Asks before anything is done.
    url: str
    #: Why it cannot be done now; empty when it can.
    inert_reason: str
    destroys: bool


def deeds(
    workflow: WorkflowFacts,
    url: Callable[[str], str],
    inert_reason: str,
    away_reason: str,
    *,
    private_mode: bool,
) -> tuple[Deed, ...]:
    """Every button, in the order of their row.

    Args:
        workflow: what is known of it.
        url: the address of a kind's question.
        inert_reason: why nothing can be changed; empty when it can.
        away_reason: why nothing can be fetched; empty when it can.
        private_mode: whether payloads are never fetched.
    """

    def reason(kind: Kind) -> str:
        if kind == "export":
            return away_reason or (_PRIVATE if private_mode else "")
        return inert_reason or away_reason or why_not(kind, workflow)

    return tuple(
        Deed(kind=kind, label=label, url=url(kind), inert_reason=reason(kind), destroys=kind == "delete")
        for kind, label in LABELS.items()
    )


def why_not(kind: Kind, workflow: WorkflowFacts) -> str:
    """Why this makes no sense for a workflow in its present state; empty when it does."""
    status = workflow.status
    if kind == "cancel":
        if status == "CANCELLED":
            return "It is cancelled already."
        return "It has ended; there is nothing to cancel." if workflow.has_ended else ""
    if kind == "resume":
        if status in ("SUCCESS", "ERROR"):
            return "It has ended by itself and cannot go on. Restart it, or fork it from a step."
        if status == "PENDING":
            return "It is running. Should its executor die, another one recovers it."
    if kind == "fork-from-failure" and status not in FAILED:
        return "It has not failed; fork it from a step instead."
    if kind == "delete" and status == "PENDING":
        return "It is running; cancel it first."
    return ""
