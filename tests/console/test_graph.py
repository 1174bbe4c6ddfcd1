"""Graphs of workflows: readable, without overlaps, the same each time."""

import re
import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_lite.console.graph.graph import Graph, GraphNode, build
from conductor_lite.console.graph.layout import LINE_HEIGHT, MARK_WIDTH, PADDING, text_width
from conductor_lite.console.graph.outline import FAN_OUT, MAX_ITEMS, MAX_NODES
from conductor_lite.console.timeline.timeline import Branch
from conductor_lite.protocol import StepRecord, WorkflowRecord

T0 = 1_795_446_818_000
NOW = T0 + 100_000
CUBIC = re.compile(r"M(-?\d+) (-?\d+)C-?\d+ -?\d+ -?\d+ -?\d+ (-?\d+) (-?\d+)")


def _workflow(workflow_id: str = "order-1", name: str = "order", status: str = "SUCCESS") -> WorkflowRecord:
    return WorkflowRecord(
        workflow_id=workflow_id,
        workflow_name=name,
        status=status,
        created_at_epoch_ms=T0,
        completed_at_epoch_ms=T0 + 50,
    )


def _steps(*names: str | tuple[str, dict[str, Any]]) -> list[StepRecord]:
    made = []
    for number, named in enumerate(names, 1):
        name, fields = (named, {}) if isinstance(named, str) else named
        start = T0 + number * 10
        made.append(
            StepRecord(
                function_id=number,
                function_name=name,
                started_at_epoch_ms=start,
                completed_at_epoch_ms=start + 5,
                **fields,
            )
        )
    return made


def _child(workflow_id: str) -> tuple[str, dict[str, Any]]:
    return "ship", {"child_workflow_id": workflow_id}


def _build(steps: list[StepRecord], children: dict[str, Branch] | None = None) -> Graph:
    graph = build(_workflow(), steps, children or {}, NOW)
    _assert_sound(graph)
    return graph


def _lines(graph: Graph) -> list[tuple[str, ...]]:
    return [node.lines for node in graph.nodes]


def _overlap(one: GraphNode, other: GraphNode) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _on_edge(node: GraphNode, x: int, y: int) -> bool:
    across, down = node.x <= x <= node.x + node.width, node.y <= y <= node.y + node.height
    return (across and y in (node.y, node.y + node.height)) or (down and x in (node.x, node.x + node.width))


def _assert_sound(graph: Graph) -> None:
    nodes = {node.id: node for node in graph.nodes}
    assert len(nodes) == len(graph.nodes) <= MAX_NODES
    siblings: dict[str | None, list[GraphNode]] = {}
    for node in graph.nodes:
        siblings.setdefault(node.inside, []).append(node)
        outer = nodes[node.inside] if node.inside else None
        left, top, right, bottom = (
            (outer.x, outer.y, outer.x + outer.width, outer.y + outer.height)
            if outer
            else (0, 0, graph.width, graph.height)
        )
        assert left < node.x
        assert top < node.y
        assert node.x + node.width < right
        assert node.y + node.height < bottom
        assert node.y < node.text_y - 12
        assert node.text_y + (len(node.lines) - 1) * LINE_HEIGHT + 4 < node.y + node.height
        for line in node.lines:
            assert text_width(line) <= node.width - 2 * PADDING - MARK_WIDTH
    for group in siblings.values():
        assert not [pair for pair in combinations(group, 2) if _overlap(*pair)]
    for edge in graph.edges:
        match = CUBIC.fullmatch(edge.path)
        assert match
        x1, y1, x2, y2 = map(int, match.groups())
        assert _on_edge(nodes[edge.source], x1, y1)
        assert _on_edge(nodes[edge.target], x2, y2)


def test_child_stands_right_of_the_step_that_started_it() -> None:
    child = Branch(workflow=_workflow("c", "ship", "ERROR"), steps=_steps(("pack", {"error": "no box"})))
    graph = _build(
        _steps("charge", _child("c"), ("DBOS.getResult", {"child_workflow_id": "c"}), "mail"), {"c": child}
    )
    assert _lines(graph) == [
        ("order", "order-1"),
        ("charge",),
        ("ship",),
        ("mail",),
        ("ship", "c"),
        ("pack",),
    ]
    assert [(edge.source, edge.target, edge.kind) for edge in graph.edges] == [
        ("w0s0", "w0s1", "next"),
        ("w0s1", "w0s2", "next"),
        ("w0s1", "w1", "child"),
    ]
    nodes = {node.id: node for node in graph.nodes}
    assert nodes["w1"].x > nodes["w0"].x + nodes["w0"].width
    assert nodes["w1"].y >= nodes["w0s1"].y
    assert (nodes["w1"].status, nodes["w1s0"].status, nodes["w0"].status) == ("failed", "failed", "succeeded")
    assert (nodes["w1"].workflow_id, nodes["w1s0"].function_id) == ("c", 1)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a", "b"], [("a", "× 3"), ("b",)]),
        (["a", "b", "a", "b", "a", "b"], [("a → b", "× 3")]),
        # Twice in turn is told as it is.
        (["a", "b", "a", "b"], [("a",), ("b",), ("a",), ("b",)]),
        (["a", ("a", {"error": "x"}), "a", "b"], [("a", "× 3"), ("b",)]),
        ([("a", {"error": "x"}), ("a", {"error": "x"}), "c"], [("a", "× 2, 1 failed"), ("c",)]),
        # The timeout of a wait is part of it.
        (["DBOS.recv", ("DBOS.sleep", {"output": str(T0)})], [("DBOS.recv",)]),
    ],
)
def test_what_repeats_is_drawn_once(names: list[Any], expected: list[tuple[str, ...]]) -> None:
    assert _lines(_build(_steps(*names)))[1:] == expected


def test_failed_step_of_a_run_is_the_one_to_open() -> None:
    steps = _steps("a", "a", ("a", {"error": "x"}), "b")
    (node,) = (node for node in _build(steps).nodes if node.title == "a")
    assert (node.status, node.function_id, node.count) == ("failed", 3, 3)


def test_many_children_are_one_node_that_counts_them() -> None:
    children = {
        f"c{number}": Branch(workflow=_workflow(f"c{number}", "ship", "ERROR" if number == 7 else "SUCCESS"))
        for number in range(1_200)
    }
    graph = _build(_steps(*(_child(child) for child in children)), children)
    assert _lines(graph) == [
        ("order", "order-1"),
        ("ship", "× 1,200"),
        ("1,200 × ship", "1 failed, 1,199 succeeded"),
    ]
    crowd = graph.nodes[-1]
    assert (crowd.kind, crowd.count, crowd.status, crowd.workflow_id) == ("more", 1_200, "failed", "order-1")
    few = {child: children[child] for child in list(children)[: FAN_OUT - 1]}
    assert len(_build(_steps(*(_child(child) for child in few)), few).nodes) == 2 + len(few)


def test_long_box_shows_how_it_began_and_how_it_ended() -> None:
    graph = _build(_steps(*(f"step {number}" for number in range(5_000))))
    assert len(graph.nodes) == 1 + MAX_ITEMS
    assert ("4,961 more steps",) in _lines(graph)
    assert graph.nodes[-1].title == "step 4999"
    assert not graph.incomplete


def test_more_than_fits_is_left_out_from_below_and_told() -> None:
    # Five children, each with five, each with five steps of their own: 1 + 5 + 25 boxes and 155 steps.
    def branch(name: str, level: int) -> dict[str, Branch]:
        names = [f"{name}.{number}" for number in range(5)]
        found: dict[str, Branch] = {}
        steps = []
        for number, child in enumerate(names):
            deeper = level < 3
            steps.append((f"s{number}", {"child_workflow_id": child} if deeper else {}))
            if deeper:
                found |= branch(child, level + 1)
        return {**found, name: Branch(workflow=_workflow(name, f"level {level}"), steps=_steps(*steps))}

    children = branch("r", 0)
    graph = build(_workflow("r"), children["r"].steps, children, NOW)
    _assert_sound(graph)
    assert graph.incomplete
    assert sum(node.lines[0] == "level 1" for node in graph.nodes) == 5
    assert sum(node.lines[0] == "level 2" for node in graph.nodes) == 25


def test_workflow_started_twice_is_drawn_once() -> None:
    ring = {"c": Branch(workflow=_workflow("c"), steps=_steps(("back", {"child_workflow_id": "order-1"})))}
    graph = _build(_steps(_child("c"), "x", _child("c")), ring)
    assert [(edge.source, edge.target) for edge in graph.edges if edge.kind == "child"] == [
        ("w0s0", "w1"),
        ("w0s2", "w1"),
        ("w1s0", "w0"),
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("shop.orders.OrderService.charge_card_of_customer", "shop.orders.Order…card_of_customer"),
        # These take two columns each.
        ("注文の支払いを確認してから発送する手続きを始める", "注文の支払いを確…る手続きを始める"),
        ("a\nb\x00c", "a b c"),
    ],
)
def test_long_name_is_cut_in_its_middle_and_kept_in_the_title(name: str, line: str) -> None:
    node = _build(_steps(name)).nodes[-1]
    assert node.lines == (line,)
    assert node.title == name


texts = st.one_of(
    st.sampled_from(["a", "b", "ship", "DBOS.recv", "DBOS.sleep", ""]),
    st.text(max_size=60),
    st.text(min_size=36, max_size=60),
)
ids = st.sampled_from([f"w{number}" for number in range(12)])
steps_of = st.lists(
    st.builds(
        StepRecord,
        function_id=st.integers(0, 99),
        function_name=texts,
        error=st.one_of(st.none(), st.just("x")),
        child_workflow_id=st.one_of(st.none(), ids),
    ),
    max_size=25,
)
workflows = st.builds(
    WorkflowRecord,
    workflow_id=texts,
    workflow_name=st.one_of(st.none(), texts),
    status=st.sampled_from(["SUCCESS", "ERROR", "PENDING"]),
)
branches = st.builds(Branch, workflow=st.one_of(st.none(), workflows), steps=steps_of)


@given(workflows, steps_of, st.dictionaries(ids, branches))
@settings(deadline=None, max_examples=100)
def test_boxes_never_overlap_and_curves_end_on_them(
    workflow: WorkflowRecord, steps: list[StepRecord], children: dict[str, Branch]
) -> None:
    graph = build(workflow, steps, children, NOW)
    _assert_sound(graph)
    assert graph == build(workflow, list(reversed(steps)) if _distinct(steps) else steps, children, NOW)


def _distinct(steps: list[StepRecord]) -> bool:
    return len({step.function_id for step in steps}) == len(steps)


def test_two_hundred_nodes_are_quick_to_draw() -> None:
    children = {
        f"c{number}": Branch(
            workflow=_workflow(f"c{number}", f"child {number}"),
            steps=_steps(*(f"s{step}" for step in range(10))),
        )
        for number in range(16)
    }
    steps = _steps(*((f"start {child}", {"child_workflow_id": child}) for child in children))
    fastest = float("inf")
    for _ in range(5):
        began = time.process_time()
        graph = build(_workflow(), steps, children, NOW)
        fastest = min(fastest, time.process_time() - began)
    assert len(graph.nodes) > 190
    # Measured at 3 ms; the bound is for slower machines.
    assert fastest < 0.06
