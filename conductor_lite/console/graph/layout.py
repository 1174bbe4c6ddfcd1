"""Where the boxes and curves of a workflow's graph go, in pixels. Pure: outline in, coordinates out.

One column per level of children. A box stands beside the step that started it, or below its neighbour.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from conductor_lite.console.formatting import ELLIPSIS
from conductor_lite.console.graph.outline import Box, Item, Outline
from conductor_lite.console.timeline.spans import SpanKind, SpanStatus

#: ``workflow`` is a box that others stand in; ``steps`` one step or a run of alike ones, ``more`` stands for
#: workflows or steps that are not drawn one by one.
NodeKind = Literal["workflow", "steps", "more"]
#: ``next`` leads from a step to the one after it, ``child`` from a step to the workflow it started.
EdgeKind = Literal["next", "child"]

#: Of the monospaced letters that ``lines`` are cut for: what one takes at ``FONT_SIZE``, rounded up.
FONT_SIZE = 12
LETTER_WIDTH = 7.4
LINE_HEIGHT = 16
#: Between a node's edge and its text.
PADDING = 10
#: For the mark of the status, right of the text; it stands half in the padding.
MARK_WIDTH = 10
_MARGIN = 16
_INSET = 12
_GAP_STEPS = 14
_GAP_BOXES = 20
_GAP_COLUMNS = 72
#: From the top of a line to its baseline.
_BASELINE = 12
_FEWEST_LETTERS = 16
_MOST_LETTERS = 34


class GraphNode(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One box, with its place in pixels from the top left corner."""

    id: str
    kind: NodeKind
    x: int
    y: int
    width: int
    height: int
    #: What to write into it from the top, cut to fit; the first line is its name.
    lines: tuple[str, ...]
    #: Where the first line's baseline begins; the next one is ``LINE_HEIGHT`` below.
    text_x: int
    text_y: int
    #: The whole name, where ``lines`` had to cut it.
    title: str
    status: SpanStatus
    #: What kind of step it is; ``workflow`` and ``child`` for boxes of workflows.
    span_kind: SpanKind
    #: The workflow that it is or belongs to; of several children, the one that started them.
    workflow_id: str
    #: Of the first of its steps that failed, otherwise of the first; None for workflows.
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


def lay_out(outline: Outline) -> Graph:
    """Give everything its place."""
    columns = _columns(outline.boxes)
    tops = _tops(outline)
    boxes: list[GraphNode] = []
    nodes: list[GraphNode] = []
    edges: list[GraphEdge] = []
    items: list[list[GraphNode]] = []
    for number, box in enumerate(outline.boxes):
        x, width = columns[box.level]
        node = _box_node(box, f"w{number}", x, tops[number], width)
        inner = _item_nodes(box, node)
        boxes.append(node)
        items.append(inner)
        nodes.extend((node, *inner))
        edges.extend(_next_edge(one, other) for one, other in pairwise(inner))
    edges.extend(_child_edge(items[link.box][link.item], boxes[link.target]) for link in outline.links)
    return Graph(
        nodes=tuple(nodes),
        edges=tuple(edges),
        width=max(node.x + node.width for node in boxes) + _MARGIN,
        height=max(node.y + node.height for node in boxes) + _MARGIN,
        incomplete=outline.incomplete,
    )


def text_width(text: str) -> float:
    """How wide a text is at most, in monospaced letters of ``FONT_SIZE``."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text) * LETTER_WIDTH


def _columns(boxes: Sequence[Box]) -> dict[int, tuple[int, int]]:
    """Left edge and width of each level's column; all boxes in it are as wide."""
    letters: dict[int, float] = {}
    for box in boxes:
        # Identifiers may well be cut; what tells of many children may not.
        texts = [box.label, box.detail if box.count > 1 else ""]
        texts.extend(line for item in box.items for line in (item.label, item.detail))
        longest = max(text_width(text[: 2 * _MOST_LETTERS]) / LETTER_WIDTH for text in texts)
        letters[box.level] = max(letters.get(box.level, _FEWEST_LETTERS), min(longest, _MOST_LETTERS))
    columns: dict[int, tuple[int, int]] = {}
    x = _MARGIN
    for level in sorted(letters):
        width = 2 * (_INSET + PADDING) + MARK_WIDTH + int(letters[level] * LETTER_WIDTH) + 1
        columns[level] = (x, width)
        x += width + _GAP_COLUMNS
    return columns


def _tops(outline: Outline) -> list[int]:
    """Upper edge of each box: no higher than the step that started it, and below what stands above."""
    children: dict[int, list[tuple[int, int]]] = {}
    placed = {0}
    for link in outline.links:
        if link.target not in placed:
            placed.add(link.target)
            children.setdefault(link.box, []).append((link.item, link.target))
    tops = [_MARGIN] * len(outline.boxes)
    free: dict[int, int] = {}
    pending = [(0, _MARGIN)]
    while pending:
        number, wanted = pending.pop()
        box = outline.boxes[number]
        tops[number] = top = max(wanted, free.get(box.level, _MARGIN))
        free[box.level] = top + _box_height(box) + _GAP_BOXES
        offsets = _item_offsets(box)
        # Reversed, for the last one in is the next one out.
        pending.extend((child, top + offsets[item]) for item, child in reversed(children.get(number, [])))
    return tops


def _header_height(box: Box) -> int:
    return 2 * PADDING + LINE_HEIGHT * (2 if box.detail else 1)


def _item_height(item: Item) -> int:
    return PADDING + LINE_HEIGHT * (2 if item.detail else 1)


def _item_offsets(box: Box) -> list[int]:
    offsets = []
    y = _header_height(box)
    for item in box.items:
        offsets.append(y)
        y += _item_height(item) + _GAP_STEPS
    return offsets


def _box_height(box: Box) -> int:
    if not box.items:
        return _header_height(box)
    return _item_offsets(box)[-1] + _item_height(box.items[-1]) + _INSET


def _box_node(box: Box, node_id: str, x: int, y: int, width: int) -> GraphNode:
    texts = (box.label, box.detail) if box.detail else (box.label,)
    return GraphNode(
        id=node_id,
        kind="workflow" if box.count == 1 else "more",
        x=x,
        y=y,
        width=width,
        height=_box_height(box),
        lines=tuple(_fit(text, width - 2 * PADDING - MARK_WIDTH) for text in texts),
        text_x=x + PADDING,
        text_y=y + PADDING + _BASELINE,
        title=box.label,
        status=box.status,
        span_kind="child" if box.level else "workflow",
        workflow_id=box.workflow_id,
        function_id=None,
        count=box.count,
        inside=None,
    )


def _item_nodes(box: Box, outer: GraphNode) -> list[GraphNode]:
    nodes = []
    width = outer.width - 2 * _INSET
    for number, (item, offset) in enumerate(zip(box.items, _item_offsets(box), strict=True)):
        texts = (item.label, item.detail) if item.detail else (item.label,)
        node = GraphNode(
            id=f"{outer.id}s{number}",
            kind="steps" if item.function_id is not None else "more",
            x=outer.x + _INSET,
            y=outer.y + offset,
            width=width,
            height=_item_height(item),
            lines=tuple(_fit(text, width - 2 * PADDING - MARK_WIDTH) for text in texts),
            text_x=outer.x + _INSET + PADDING,
            text_y=outer.y + offset + PADDING // 2 + _BASELINE,
            title=item.label,
            status=item.status,
            span_kind=item.kind,
            workflow_id=box.workflow_id,
            function_id=item.function_id,
            count=item.count,
            inside=outer.id,
        )
        nodes.append(node)
    return nodes


def _fit(text: str, width: float) -> str:
    """Cut a text in its middle, where names and identifiers differ least, until it is narrow enough."""
    text = "".join(char if char.isprintable() else " " for char in text[: 40 * _MOST_LETTERS])
    if text_width(text) <= width:
        return text
    room = width / LETTER_WIDTH - 1
    head = tail = 0
    used = 0.0
    while True:
        at_head = head <= tail
        char = text[head] if at_head else text[-1 - tail]
        used += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used > room:
            return text[:head] + ELLIPSIS + text[len(text) - tail :]
        head, tail = (head + 1, tail) if at_head else (head, tail + 1)


def _next_edge(source: GraphNode, target: GraphNode) -> GraphEdge:
    x, y1, y2 = source.x + source.width // 2, source.y + source.height, target.y
    middle = (y1 + y2) // 2
    path = f"M{x} {y1}C{x} {middle} {x} {middle} {x} {y2}"
    return GraphEdge(source=source.id, target=target.id, kind="next", path=path)


def _child_edge(source: GraphNode, target: GraphNode) -> GraphEdge:
    x1, y1 = source.x + source.width, source.y + source.height // 2
    x2, y2 = target.x, target.y + PADDING + LINE_HEIGHT // 2
    bend = _GAP_COLUMNS * 2 // 3
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return GraphEdge(source=source.id, target=target.id, kind="child", path=path)
