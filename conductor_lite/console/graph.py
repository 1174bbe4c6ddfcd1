"""A workflow and its children as a graph to draw: what stands in it. Pure: records in, graph out.

Where it is drawn is decided in ``graph_layout``.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from conductor_lite.console.timeline import Branch, SpanStatus
from conductor_lite.protocol import StepRecord, WorkflowRecord

#: ``workflow`` is a box that others stand in; ``steps`` one step or a run of steps of the same name;
#: ``more`` stands for what was left out, such as the rest of many children.
NodeKind = Literal["workflow", "steps", "more"]
#: ``next`` leads from a step to the one after it, ``child`` from a step to the workflow it started.
EdgeKind = Literal["next", "child"]


class GraphNode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One box, with its place in pixels from the top left corner."""

    id: str
    kind: NodeKind
    x: int
    y: int
    width: int
    height: int
    #: What to write into it, cut to fit; the first line is its name.
    lines: tuple[str, ...]
    #: The whole name, where ``lines`` had to cut it.
    title: str
    status: SpanStatus
    #: The workflow that it is or belongs to.
    workflow_id: str
    #: Of the first of its steps; None for workflows.
    function_id: int | None
    #: How many steps or workflows it stands for.
    count: int
    #: Id of the box it stands in.
    inside: str | None


class GraphEdge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A curve from one node to another."""

    source: str
    target: str
    kind: EdgeKind
    #: For the ``d`` of an SVG path: one cubic.
    path: str


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """Everything to draw; workflows stand before what is in them."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    width: int
    height: int
    #: Whether something had to be left out, for the number of nodes.
    incomplete: bool


def build(workflow: WorkflowRecord, steps: Sequence[StepRecord], children: Mapping[str, Branch]) -> Graph:
    """Draw a workflow, its steps and its children.

    Args:
        workflow: the one at the root.
        steps: its steps.
        children: what has been fetched of its children and theirs, by workflow id.
    """
    name = workflow.workflow_name or workflow.workflow_id
    root = GraphNode(
        id="w0",
        kind="workflow",
        x=16,
        y=16,
        width=240,
        height=40,
        lines=(name[:28],),
        title=name,
        status="running",
        workflow_id=workflow.workflow_id,
        function_id=None,
        count=1,
        inside=None,
    )
    return Graph(nodes=(root,), edges=(), width=272, height=72, incomplete=False)
