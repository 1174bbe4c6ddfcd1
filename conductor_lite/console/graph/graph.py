"""A workflow as a graph to draw: boxes of workflows with their steps, and curves to children. Pure.

What stands in it is decided in ``graph/outline``, where it stands in ``graph/layout``.
"""

from collections.abc import Mapping, Sequence

from conductor_lite.console.graph.layout import EdgeKind, Graph, GraphEdge, GraphNode, NodeKind, lay_out
from conductor_lite.console.graph.outline import outline
from conductor_lite.console.timeline.timeline import Branch
from conductor_lite.protocol import StepRecord, WorkflowRecord

__all__ = ["EdgeKind", "Graph", "GraphEdge", "GraphNode", "NodeKind", "build"]


def build(
    workflow: WorkflowRecord,
    steps: Sequence[StepRecord],
    children: Mapping[str, Branch],
    now_epoch_ms: int,
) -> Graph:
    """Draw a workflow, its steps and its children; the same records always give the same picture.

    Args:
        workflow: the one at the root.
        steps: its steps.
        children: what has been fetched of its children and theirs, by workflow id.
        now_epoch_ms: tells what is over from what is not.
    """
    return lay_out(outline(workflow, steps, children, now_epoch_ms))
