"""Where what needs a person leads to: the page, with its filter, on which it can be looked at and mended."""

from datetime import datetime

import msgspec

from conductor_lite.console.frame import tab_url
from conductor_lite.console.urls import app_url, named_url
from conductor_lite.operations import attention as kinds
from conductor_lite.operations.attention import Attention

#: What people call a failure, as executors name it.
FAILED = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Somewhere to go."""

    label: str
    url: str
    #: Whether it asks, in a dialog, before something is done; for those who may do it, while it can be done.
    asks: bool = False


def links(item: Attention) -> tuple[Link, ...]:
    """Where an item leads, the most useful first."""
    name = item.application_name
    match item.kind:
        case kinds.WORKFLOW_FAILING:
            runs = Link(label="Failed runs", url=failed_url(name, item.workflow_name, item.since))
            # Without a name it would fork every workflow that failed, also those that other items are about.
            return (runs, _fork(item)) if item.workflow_name else (runs,)
        case kinds.QUEUE_STUCK if item.queue_name:
            queue = item.queue_name
            return (
                Link(label="The queue", url=named_url(name, "queues", queue)),
                Link(label="What waits", url=workflows_url(name, status="ENQUEUED", queue=queue)),
            )
        case kinds.EXECUTORS_LOST | kinds.UNAVAILABLE:
            lost = Link(label="Executors", url=tab_url(name, "executors", q=item.executor_id))
            return (lost, Link(label="Running workflows", url=workflows_url(name, status="PENDING")))
        case kinds.UNRESPONSIVE | kinds.RECOVERY_FAILING:
            pending = workflows_url(name, status="PENDING", executor=item.executor_id)
            executor = tab_url(name, "executors", q=item.executor_id)
            return (Link(label="The executor", url=executor), Link(label="Its workflows", url=pending))
        case kinds.STRANDED:
            pending = workflows_url(name, status="PENDING", version=item.application_version)
            return (
                Link(label="Versions", url=tab_url(name, "versions")),
                Link(label="Its workflows", url=pending),
            )
        case kinds.UNKNOWN:
            pending = workflows_url(name, status="PENDING", executor=item.executor_id)
            return (Link(label="Its workflows", url=pending),)
        case kinds.ALERT_FIRING:
            return (Link(label="Alerts", url=tab_url(name, "alerts")),)
        case kinds.POLICY_FAILING:
            return (Link(label="Health", url="/settings"),)
        case _:
            return ()


def _fork(item: Attention) -> Link:
    failed = _failed(item.workflow_name, item.since)
    # Whoever comes later forks none of them once more.
    url = app_url(item.application_name, "bulk", "fork-from-failure", **failed, was_forked="no", range="all")
    return Link(label="Fork from failure…", url=url, asks=True)


def failed_url(application_name: str, workflow_name: str | None, since: datetime | None) -> str:
    """The workflows that failed, of one name or of all."""
    return workflows_url(application_name, **_failed(workflow_name, since))


def _failed(workflow_name: str | None, since: datetime | None) -> dict[str, object]:
    after = since.isoformat(timespec="minutes").replace("+00:00", "Z") if since is not None else None
    return {"status": FAILED, "name": workflow_name, "completed_after": after}


def workflows_url(application_name: str, **query: object) -> str:
    """The table of workflows, whenever those were created."""
    return app_url(application_name, "workflows", **query, range="all")
