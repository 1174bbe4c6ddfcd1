"""The filters of a search over snapshots: what each asks of a row, and which indexes lead to such rows.

Makes conditions only; what is read, and in which order, is `snapshot_search`'s to decide. They are text
whose values are parameters: SQLAlchemy would need longer to put dozens of alternatives together than the
database to follow them.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from conductor_lite.store import snapshot_marks
from conductor_lite.store.snapshot_classes import created_within
from conductor_lite.store.snapshot_records import SnapshotFilters
from conductor_lite.store.snapshot_schema import workflow_snapshot_facets

#: Values of one filter that are followed side by side, each in order.
SIDE_BY_SIDE = 32

#: Filters that a row matches by having one of several values in a column.
_ONE_OF = (
    "workflow_name",
    "status",
    "authenticated_user",
    "application_version",
    "executor_id",
    "queue_name",
    "schedule_name",
    "parent_workflow_id",
    "forked_from",
)
#: Those of them that a facet tells.
_IN_COMMON = {column.name for column in workflow_snapshot_facets.c}
_LAST_CHARACTER = "\U0010ffff"


def _index(name: str) -> str:
    return f"ix_workflow_snapshots_{name}"


_BY_ID = _index("workflow_id")
#: The index that goes through the workflows of a facet in the order of creation.
BY_FACET = _index("facet")
#: The index of those without marks.
UNMARKED = _index("unmarked")
#: Those that have facets and marks at hand.
_TELLING = {
    BY_FACET,
    _BY_ID,
    _index("authenticated_user"),
    _index("executor_id"),
    _index("parent_workflow_id"),
    _index("forked_from"),
    _index("completed_at_epoch_ms"),
    _index("dequeued_at_epoch_ms"),
}

Bounds: TypeAlias = tuple[int | None, int | None]
#: The shortest and the longest class of durations that there is; None when there is none.
Classes: TypeAlias = tuple[int, int] | None


class Values:
    """The values that conditions speak of, each under a name of its own."""

    def __init__(self, **named: object) -> None:
        self.named: dict[str, object] = named

    def add(self, value: object) -> str:
        """Take in a value; gives what stands for it in a condition."""
        name = f"value_{len(self.named)}"
        self.named[name] = value
        return f":{name}"

    def among(self, values: Sequence[object]) -> str:
        """What makes a condition, after a column, that it has one of some values."""
        return f"IN ({', '.join(map(self.add, values))})"

    def between(self, column: str, first: int | None, last: int | None) -> list[str]:
        """That a column lies between two bounds, both within, as far as there are any."""
        bounds = []
        if first is not None:
            bounds.append(f"{column} >= {self.add(first)}")
        if last is not None:
            bounds.append(f"{column} <= {self.add(last)}")
        return bounds


class Path:
    """A way through an index to the rows that match one filter.

    Args:
        alternatives: conditions that the index can follow, which do not overlap.
        index: its name; None for the table of facts, which is an index itself.
        created: between which times of creation each alternative finds anything; None if at any time.
    """

    def __init__(
        self, alternatives: Sequence[str], index: str | None, created: Sequence[Bounds] | None = None
    ) -> None:
        self.alternatives = alternatives
        self.index = index
        self.created: Sequence[Bounds] = created or [(None, None)] * len(alternatives)
        #: Whether it has facets and marks of rows at hand.
        self.tells = index in _TELLING or index is None


class Part:
    """One filter of a search.

    Args:
        held: the filter as a condition on a row.
        ordered: a path whose every alternative goes on in the order of creation; None if there is none.
        unordered: a path without any order, of use where it finds few.
        in_common: the filter as a condition on a facet; None if facets do not tell.
        told: a condition on the facet and the marks of a row, called ``{row}``, that is met where the filter
            holds; None if they do not tell.
        is_told_for_sure: whether it is met nowhere else.
    """

    def __init__(
        self,
        held: str,
        *,
        ordered: Path | None = None,
        unordered: Path | None = None,
        in_common: str | None = None,
        told: str | None = None,
        is_told_for_sure: bool = False,
    ) -> None:
        self.held = held
        self.ordered = ordered
        self.unordered = unordered
        self.in_common = in_common
        self.told = told
        self.is_told_for_sure = is_told_for_sure


#: The path to all rows.
EVERYTHING = Path(["TRUE"], "ix_workflow_snapshots_created_at_epoch_ms")


def parts_of(filters: SnapshotFilters, values: Values, completed: Classes, dequeued: Classes) -> list[Part]:
    """Take a search apart, but for the stretch of creation.

    A row is called ``w``, a fact of it ``f``, its facet ``c``.

    Args:
        filters: what is searched for.
        values: takes in what the conditions speak of; the source is ``:source``.
        completed: the classes of durations that there are until completion.
        dequeued: the same until a workflow left its queue.
    """
    return [
        *_values(filters, values),
        *_ids(filters, values),
        *_flags(filters, values),
        *(_fact(fact, values.add(fact)) for fact in filters.facts),
        *_spans(filters, values, completed, dequeued),
    ]


def _values(filters: SnapshotFilters, values: Values) -> Iterator[Part]:
    for name in _ONE_OF:
        wanted = tuple(dict.fromkeys(getattr(filters, name)))
        if not wanted:
            continue
        among = values.among(wanted)
        held = f"w.{name} {among}"
        in_common = f"c.{name} {among}" if name in _IN_COMMON else None
        told = None if in_common else snapshot_marks.with_one_of(name, wanted)
        if len(wanted) <= SIDE_BY_SIDE:
            alternatives = [f"w.{name} = {values.add(value)}" for value in wanted]
            yield Part(held, ordered=Path(alternatives, _index(name)), in_common=in_common, told=told)
        else:
            yield Part(held, unordered=Path([held], _index(name)), in_common=in_common, told=told)


def _ids(filters: SnapshotFilters, values: Values) -> Iterator[Part]:
    if filters.workflow_id:
        held = f"w.workflow_id {values.among(filters.workflow_id)}"
        yield Part(held, unordered=Path([held], _BY_ID))
    if filters.workflow_id_prefix:
        alternatives = [
            f"(w.workflow_id >= {values.add(one)} AND w.workflow_id < {values.add(one + _LAST_CHARACTER)})"
            for one in _shortest(filters.workflow_id_prefix)
        ]
        is_few = len(alternatives) <= SIDE_BY_SIDE
        yield Part(
            _any_of(alternatives),
            unordered=Path(alternatives, _BY_ID) if is_few else None,
            told=snapshot_marks.with_beginning(filters.workflow_id_prefix),
        )


def _shortest(prefixes: Sequence[str]) -> list[str]:
    """The prefixes without those that begin with another one, which find nothing that it does not."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept


def _any_of(conditions: Sequence[str]) -> str:
    """That one of several conditions holds; in halves, for databases bound how deep a condition may be."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({_any_of(conditions[:middle])} OR {_any_of(conditions[middle:])})"


def _flags(filters: SnapshotFilters, values: Values) -> Iterator[Part]:
    if filters.was_forked_from is not None:
        equal = f"was_forked_from = {values.add(filters.was_forked_from)}"
        path = Path([f"w.{equal}"], _index("was_forked_from"))
        yield Part(f"w.{equal}", ordered=path, in_common=f"c.{equal}")
    if filters.has_parent is not None:
        held = f"w.parent_workflow_id IS {'NOT ' if filters.has_parent else ''}NULL"
        index = _index("has_parent" if filters.has_parent else "has_no_parent")
        in_common = f"c.has_parent = {values.add(filters.has_parent)}"
        yield Part(held, ordered=Path([held], index), in_common=in_common)
    if filters.queues_only:
        held = "w.queue_name IS NOT NULL"
        yield Part(held, unordered=Path([held], _index("queue_name")), in_common="c.queue_name IS NOT NULL")
    if filters.application_name:
        among = values.among(filters.application_name)
        # Workflows without a name belong to every application.
        held, in_common = (
            f"({row}.application_name {among} OR {row}.application_name IS NULL)" for row in "wc"
        )
        yield Part(held, in_common=in_common)


def _fact(fact: int, value: str) -> Part:
    conditions = [
        "also.source = :source",
        f"also.fact = {value}",
        "also.created_at_epoch_ms = w.created_at_epoch_ms",
        "also.snapshot_id = w.id",
    ]
    held = exists("workflow_snapshot_attributes AS also", conditions)
    path = Path([f"f.fact = {value}"], None)
    return Part(held, ordered=path, told=snapshot_marks.with_fact(fact))


def _spans(filters: SnapshotFilters, values: Values, completed: Classes, dequeued: Classes) -> Iterator[Part]:
    """Stretches of time; in the order of creation they are found by how long it took until then."""
    for kind, bounds, classes in (
        ("completed", filters.completed, completed),
        ("dequeued", filters.dequeued, dequeued),
    ):
        if bounds == (None, None):
            continue
        within = values.between(f"w.{kind}_at_epoch_ms", *bounds)
        numbers = () if classes is None else range(classes[0], classes[1] + 1)
        alternatives = [" AND ".join([f"w.{kind}_class = {number}", *within]) for number in numbers]
        created = [created_within(number, *bounds) for number in numbers]
        held = " AND ".join(within)
        yield Part(
            held,
            ordered=Path(alternatives, _index(f"{kind}_class"), created) if alternatives else None,
            unordered=Path([held], _index(f"{kind}_at_epoch_ms")),
            told=snapshot_marks.with_time(kind, *bounds),
        )


def facets_of(parts: Sequence[Part], among: str = "") -> str:
    """A query for the numbers of the facets that match some filters, perhaps only among some facets."""
    conditions = ["c.source = :source", *(part.in_common for part in parts if part.in_common is not None)]
    if among:
        conditions.append(f"c.number {among}")
    return " ".join(["SELECT c.number FROM workflow_snapshot_facets AS c WHERE", " AND ".join(conditions)])


#: The numbers of facets that a query for them finds, where it is put before under this name.
MATCHING = "(SELECT number FROM matching)"


def by_facets(numbers: Sequence[int], values: Values) -> Path:
    """A path to the workflows of some facets."""
    return Path([f"w.facet = {values.add(number)}" for number in numbers], BY_FACET)


def of_facets(numbers: Sequence[int], values: Values) -> Part:
    """The filter that workflows have some facets."""
    among = values.among(numbers)
    return Part(
        f"w.facet {among}",
        ordered=by_facets(numbers, values),
        told=f"{{row}}.facet {among}",
        is_told_for_sure=True,
    )


def exists(table: str, conditions: Sequence[str]) -> str:
    """That a table has a row for which all conditions hold."""
    return " ".join(["EXISTS (SELECT 1 FROM", table, "WHERE", " AND ".join(conditions), ")"])
