"""What stands in a workflow's graph, before anything has a place: boxes of workflows, their steps summed up.

Pure: records in, outline out. What is too much for one picture is summed up here, so that it stays readable.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from conductor_lite.console.timeline.spans import SpanKind, SpanStatus, StepFacts, understand, workflow_status
from conductor_lite.console.timeline.timeline import MAX_LEVELS, Branch
from conductor_lite.protocol import StepRecord, WorkflowRecord
from conductor_lite.wording import count as counted
from conductor_lite.wording import plural

#: Boxes and steps of one picture.
MAX_NODES = 200
#: Steps of one box.
MAX_ITEMS = 40
#: Of these the last ones are shown too, for they tell how it ended.
_LAST_ITEMS = 8
#: So many children of the same name, started one after the other, are one node.
FAN_OUT = 6
#: Steps that repeat in turn are one node, up to so many names,
_LONGEST_CYCLE = 4
#: and from so many turns on.
_LEAST_TURNS = 3

_WORST_FIRST: tuple[SpanStatus, ...] = (
    "failed",
    "cancelled",
    "running",
    "waiting",
    "delayed",
    "repeated",
    "succeeded",
)


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A step, or several that are drawn as one."""

    label: str
    #: What it says below its label; may be empty.
    detail: str
    kind: SpanKind
    status: SpanStatus
    #: Of the first step that failed, otherwise of the first; None when it stands for steps left out.
    function_id: int | None
    #: Steps that it stands for.
    count: int


class Box(msgspec.Struct, kw_only=True):
    """A workflow, or several that are drawn as one."""

    label: str
    detail: str
    status: SpanStatus
    #: Of several ones, that of the workflow that started them.
    workflow_id: str
    #: Workflows that it stands for.
    count: int
    #: 0 for the root.
    level: int
    items: list[Item]


class Link(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From the step that started a workflow to the workflow; by their places in the outline."""

    box: int
    item: int
    target: int


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """All of it: parents before their children, children in the order in which they were started."""

    boxes: list[Box]
    links: list[Link]
    #: Whether something had to be left out, for the number of nodes.
    incomplete: bool


class _Start(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A child, and the name of the step that started it."""

    child_id: str
    step_name: str


class _Group(msgspec.Struct, frozen=True, kw_only=True):
    """Steps that become one item, and the children that they started."""

    item: Item
    starts: tuple[_Start, ...]


def outline(
    workflow: WorkflowRecord, steps: Sequence[StepRecord], children: Mapping[str, Branch], now_epoch_ms: int
) -> Outline:
    """Sum up a workflow, its steps and its children.

    Args:
        workflow: the one at the root.
        steps: its steps.
        children: what has been fetched of its children and theirs, by workflow id.
        now_epoch_ms: tells what is over from what is not.
    """
    outliner = _Outliner(children, now_epoch_ms)
    outliner.add_root(workflow, steps)
    return Outline(boxes=outliner.boxes, links=outliner.links, incomplete=outliner.incomplete)


class _Outliner:
    """Adds boxes level by level, so that what is left out is what lies deepest."""

    def __init__(self, children: Mapping[str, Branch], now_epoch_ms: int) -> None:
        self.boxes: list[Box] = []
        self.links: list[Link] = []
        self.incomplete = False
        self._children = children
        self._now = now_epoch_ms
        self._places: dict[str, int] = {}
        self._room = MAX_NODES
        # Boxes whose children are still to be added, and the children that each of their items started.
        self._pending: list[tuple[int, list[tuple[_Start, ...]]]] = []

    def add_root(self, workflow: WorkflowRecord, steps: Sequence[StepRecord]) -> None:
        """Add the root and all that belongs to it."""
        self._add_workflow(workflow.workflow_id, workflow.workflow_name or "", workflow, steps, level=0)
        done = 0
        while done < len(self._pending):
            place, items = self._pending[done]
            done += 1
            for item, starts in enumerate(items):
                self._add_children(place, item, starts)

    def _add_workflow(
        self, workflow_id: str, name: str, workflow: WorkflowRecord, steps: Sequence[StepRecord], level: int
    ) -> None:
        self._places[workflow_id] = len(self.boxes)
        groups = _cut(_groups(_without_awaited(understand(workflow, steps, self._now))))
        room = self._room - 1
        if groups and len(groups) > room:
            total = sum(group.item.count for group in groups)
            groups = [_left_out(groups, plural(total, "step"))] if room > 0 else []
            self.incomplete = True
        self._room -= 1 + len(groups)
        box = Box(
            label=workflow.workflow_name or name or workflow_id,
            detail=workflow_id,
            status=workflow_status(workflow),
            workflow_id=workflow_id,
            count=1,
            level=level,
            items=[group.item for group in groups],
        )
        self.boxes.append(box)
        self._pending.append((len(self.boxes) - 1, [group.starts for group in groups]))

    def _add_children(self, place: int, item: int, starts: tuple[_Start, ...]) -> None:
        fresh = {start.child_id: start for start in starts if start.child_id not in self._places}
        if len(fresh) >= FAN_OUT:
            self._add_fan_out(place, item, list(fresh))
        else:
            for start in fresh.values():
                self._add_child(place, item, start)
        places = [self._places[start.child_id] for start in starts if start.child_id in self._places]
        self.links.extend(Link(box=place, item=item, target=target) for target in dict.fromkeys(places))

    def _add_child(self, place: int, item: int, start: _Start) -> None:
        if self._room < 1:
            self.incomplete = True
            return
        child_id, level = start.child_id, self.boxes[place].level + 1
        branch = self._children.get(child_id)
        if branch is not None and branch.workflow is not None and level <= MAX_LEVELS:
            self._add_workflow(child_id, start.step_name, branch.workflow, branch.steps, level)
            return
        gone = branch is not None and branch.workflow is None
        self.incomplete = self.incomplete or not gone
        detail = "no longer on record" if gone else child_id
        self._add_bare(start.step_name, detail, self.boxes[place].items[item].status, child_id, level)
        self._places[child_id] = len(self.boxes) - 1

    def _add_fan_out(self, place: int, item: int, child_ids: list[str]) -> None:
        if self._room < 1:
            self.incomplete = True
            return
        parent = self.boxes[place]
        branches = [self._children.get(child_id) for child_id in child_ids]
        statuses = Counter(
            workflow_status(b.workflow) for b in branches if b is not None and b.workflow is not None
        )
        names = {b.workflow.workflow_name for b in branches if b is not None and b.workflow is not None}
        name = names.pop() if len(names) == 1 else None
        told = ", ".join(
            f"{counted(statuses[status])} {status}" for status in _WORST_FIRST if statuses[status]
        )
        self._add_bare(
            f"{counted(len(child_ids))} × {name}" if name else plural(len(child_ids), "child", "children"),
            told or "not loaded",
            worst(statuses) if statuses else parent.items[item].status,
            parent.workflow_id,
            parent.level + 1,
            count=len(child_ids),
        )
        for child_id in child_ids:
            self._places[child_id] = len(self.boxes) - 1

    def _add_bare(
        self, label: str, detail: str, status: SpanStatus, workflow_id: str, level: int, count: int = 1
    ) -> None:
        self._room -= 1
        self.boxes.append(
            Box(
                label=label,
                detail=detail,
                status=status,
                workflow_id=workflow_id,
                count=count,
                level=level,
                items=[],
            )
        )


def worst(statuses: Mapping[SpanStatus, int] | set[SpanStatus]) -> SpanStatus:
    """The status that most needs to be seen."""
    return next((status for status in _WORST_FIRST if status in statuses), "succeeded")


def _without_awaited(facts: Sequence[StepFacts]) -> list[StepFacts]:
    """Steps without those that the lines to the children tell already, and without mere timeouts."""
    started = {fact.child_id for fact in facts if fact.child_id}
    return [
        fact
        for fact in facts
        if not (fact.kind == "wait" and fact.step.child_workflow_id in started) and not fact.is_timeout
    ]


def _groups(facts: Sequence[StepFacts]) -> list[_Group]:
    groups = []
    place = 0
    while place < len(facts):
        size, turns = _repetition(facts, place)
        groups.append(_group(facts[place : place + size * turns], size))
        place += size * turns
    return groups


def _repetition(facts: Sequence[StepFacts], place: int) -> tuple[int, int]:
    """How many steps repeat from here on, and how often; ``(1, 1)`` when they do not."""
    for size in range(1, _LONGEST_CYCLE + 1):
        turns, end = 1, place + size
        while end + size <= len(facts) and all(
            _alike(facts[place + offset], facts[end + offset]) for offset in range(size)
        ):
            turns += 1
            end += size
        if turns >= (2 if size == 1 else _LEAST_TURNS):
            # The shortest: longer ones only tell the same with more words.
            return size, turns
    return 1, 1


def _alike(one: StepFacts, other: StepFacts) -> bool:
    return one.step.function_name == other.step.function_name and one.kind == other.kind


def _group(facts: Sequence[StepFacts], size: int) -> _Group:
    first = facts[0]
    label = " → ".join(fact.step.function_name or "step" for fact in facts[:size])
    failed = [fact for fact in facts if fact.status == "failed"]
    turns = len(facts) // size
    details = [f"× {counted(turns)}"] if turns > 1 else []
    if turns > 1 and failed:
        details.append(f"{counted(len(failed))} failed")
    if turns == 1 and first.note:
        details.append(first.note)
    item = Item(
        label=label,
        detail=", ".join(details),
        kind=first.kind,
        status=worst({fact.status for fact in facts}),
        function_id=(failed or facts)[0].step.function_id,
        count=len(facts),
    )
    starts = (
        _Start(child_id=fact.child_id, step_name=fact.step.function_name) for fact in facts if fact.child_id
    )
    return _Group(item=item, starts=tuple(starts))


def _cut(groups: list[_Group]) -> list[_Group]:
    """So many as one box can show: the first ones and the last ones."""
    if len(groups) <= MAX_ITEMS:
        return groups
    first = MAX_ITEMS - _LAST_ITEMS - 1
    middle = groups[first : len(groups) - _LAST_ITEMS]
    steps = sum(group.item.count for group in middle)
    return [*groups[:first], _left_out(middle, f"{counted(steps)} more steps"), *groups[-_LAST_ITEMS:]]


def _left_out(groups: Sequence[_Group], label: str) -> _Group:
    failed = sum(group.item.status == "failed" for group in groups)
    item = Item(
        label=label,
        detail=f"{counted(failed)} failed" if failed else "",
        kind="step",
        status=worst({group.item.status for group in groups}),
        function_id=None,
        count=sum(group.item.count for group in groups),
    )
    return _Group(item=item, starts=tuple(start for group in groups for start in group.starts))
