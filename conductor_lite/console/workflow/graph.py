"""The graph of a workflow and its children, as a view of its page; and the same as rows for a table."""

import asyncio
from collections.abc import Iterator, Mapping

import msgspec

from conductor_lite.console.graph.graph import Graph, GraphNode, build
from conductor_lite.console.rendering import Shortcut
from conductor_lite.console.timeline.spans import SpanKind, SpanStatus
from conductor_lite.console.workflow.family import family
from conductor_lite.console.workflow.subject import Subject, WorkflowView

#: What statuses are called, of steps and workflows alike, in the order of the legend.
STATUS_WORDS: Mapping[SpanStatus, str] = {
    "running": "running",
    "waiting": "waiting",
    "delayed": "delayed",
    "succeeded": "succeeded",
    "repeated": "repeated",
    "failed": "failed",
    "cancelled": "cancelled",
}
_KIND_WORDS: Mapping[SpanKind, str] = {
    "workflow": "workflow",
    "child": "child workflow",
    "sleep": "sleep",
    "wait": "wait",
    "internal": "SDK step",
}


class GraphRow(msgspec.Struct, frozen=True, kw_only=True):
    """One node, in words."""

    id: str
    title: str
    what: str
    status: SpanStatus
    count: int
    workflow_id: str
    function_id: int | None
    #: The box it stands in.
    part_of: str | None
    #: What a curve comes from.
    started_by: str | None


class GraphContent(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the view shows."""

    graph: Graph
    rows: tuple[GraphRow, ...]
    #: Those that occur, in the order of the legend.
    statuses: tuple[SpanStatus, ...]
    words: Mapping[SpanStatus, str]
    #: What is not in the picture.
    notes: tuple[str, ...]


async def _load(subject: Subject) -> GraphContent:
    found = await family(subject)
    now_epoch_ms = round(subject.now.timestamp() * 1_000)
    graph = await asyncio.to_thread(build, subject.workflow, found.steps, found.children, now_epoch_ms)
    occurring = {node.status for node in graph.nodes}
    notes = list(found.left_out)
    if graph.incomplete:
        notes.append("The graph is too large to be shown whole; the timeline and the steps have everything.")
    return GraphContent(
        graph=graph,
        rows=tuple(_rows(graph)),
        statuses=tuple(status for status in STATUS_WORDS if status in occurring),
        words=STATUS_WORDS,
        notes=tuple(notes),
    )


def _rows(graph: Graph) -> Iterator[GraphRow]:
    titles = {node.id: node.title for node in graph.nodes}
    started_by = {edge.target: titles[edge.source] for edge in graph.edges if edge.kind == "child"}
    for node in graph.nodes:
        yield GraphRow(
            id=node.id,
            title=node.title,
            what=_what(node),
            status=node.status,
            count=node.count,
            workflow_id=node.workflow_id,
            function_id=node.function_id,
            part_of=None if node.inside is None else titles[node.inside],
            started_by=started_by.get(node.id),
        )


def _what(node: GraphNode) -> str:
    if node.kind == "steps" and node.span_kind == "child":
        return "step that starts a child"
    return "more" if node.kind == "more" else _KIND_WORDS.get(node.span_kind, "step")


GRAPH = WorkflowView(
    key="graph",
    label="Graph",
    template="workflow_graph.html",
    load=_load,
    styles=("graph.css",),
    scripts=("graph.js",),
    shortcuts=(
        Shortcut(keys=("+", "-"), does="zoom in, out"),
        Shortcut(keys=("0",), does="its natural size"),
        Shortcut(keys=("f",), does="fit it into the width"),
    ),
)
