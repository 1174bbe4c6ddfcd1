"""The views of a workflow's page, in the order of their row. A new one is added here, and only here."""

from conductor_lite.console.workflow.graph import GRAPH
from conductor_lite.console.workflow.messages import EVENTS, NOTIFICATIONS, STREAMS
from conductor_lite.console.workflow.subject import WorkflowView
from conductor_lite.console.workflow.summary import SUMMARY
from conductor_lite.console.workflow.timeline import TIMELINE

VIEWS: tuple[WorkflowView, ...] = (SUMMARY, TIMELINE, GRAPH, EVENTS, NOTIFICATIONS, STREAMS)


def view_named(key: str) -> WorkflowView:
    """The view of that key; the first one for nonsense."""
    return next((view for view in VIEWS if view.key == key), VIEWS[0])
