"""Marks: a number of each workflow, of which a few bits tell of each thing that facets do not.

Indexes hold it beside what they are sorted by, so most of what another filter does not match is passed over
without being looked up. It only ever rules out: what is left must still be looked at. Knows no database.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias
from zlib import crc32

from conductor_lite.store.snapshot_records import WorkflowSnapshot

#: First bit, and how many.
_Field: TypeAlias = tuple[int, int]

_COLUMNS: dict[str, _Field] = {
    "authenticated_user": (0, 8),
    "executor_id": (8, 8),
    "parent_workflow_id": (16, 6),
    "forked_from": (22, 3),
}
#: The beginnings of ids, by their length.
_BEGINNINGS: dict[int, _Field] = {3: (25, 4), 6: (29, 4), 10: (33, 5), 16: (38, 5)}
_TIMES: dict[str, _Field] = {"completed": (43, 4), "dequeued": (47, 4)}
#: Each fact sets one of these bits.
_FACTS: _Field = (51, 13)
_BITS = 64

#: Times are told in pieces of 2^28 ms, some three days, over and over again.
_PIECE_BITS = 28


def marks_of(item: WorkflowSnapshot, facts: Iterable[int]) -> int:
    """The marks of a workflow.

    Args:
        item: the workflow.
        facts: those of its attributes.
    """
    marks = 0
    for name, field in _COLUMNS.items():
        marks |= _told(field, getattr(item, name))
    for length, field in _BEGINNINGS.items():
        marks |= _told(field, item.workflow_id[:length])
    for kind, field in _TIMES.items():
        at = getattr(item, f"{kind}_at_epoch_ms")
        if at is not None:
            marks |= _piece(field, at >> _PIECE_BITS) << field[0]
    for fact in facts:
        marks |= 1 << _fact_bit(fact)
    return marks - (1 << _BITS) if marks >> (_BITS - 1) else marks


def with_one_of(column: str, values: Collection[str]) -> str:
    """What the marks of a row fulfil, called ``{row}``, that has one of some values in a column."""
    field = _COLUMNS[column]
    return _among(field, (_hashed(field, value) for value in values))


def with_beginning(prefixes: Sequence[str]) -> str | None:
    """The same for an id that begins with one of some prefixes; None if they are too short to tell."""
    shortest = min(map(len, prefixes))
    lengths = [length for length in _BEGINNINGS if length <= shortest]
    if not lengths:
        return None
    field = _BEGINNINGS[lengths[-1]]
    return _among(field, (_hashed(field, prefix[: lengths[-1]]) for prefix in prefixes))


def with_time(kind: str, first: int | None, last: int | None) -> str:
    """The same for a time between two bounds, either of which may be open."""
    field = _TIMES[kind]
    if first is not None and last is not None:
        pieces = range(first >> _PIECE_BITS, (last >> _PIECE_BITS) + 1)
        if len(pieces) < _most(field):
            return _among(field, (_piece(field, piece) for piece in pieces))
    return f"{_bits(field)} > 0"


def with_fact(fact: int) -> str:
    """The same for a fact."""
    return f"(({{row}}.marks >> {_fact_bit(fact)}) & 1) = 1"


def _told(field: _Field, value: str | None) -> int:
    return 0 if value is None else _hashed(field, value) << field[0]


def _hashed(field: _Field, value: str) -> int:
    return crc32(value.encode(errors="surrogatepass")) % _most(field) + 1


def _piece(field: _Field, number: int) -> int:
    return number % _most(field) + 1


def _most(field: _Field) -> int:
    # Zero stands for nothing.
    return (1 << field[1]) - 1


def _fact_bit(fact: int) -> int:
    first, count = _FACTS
    return first + fact % count


def _bits(field: _Field) -> str:
    return f"(({{row}}.marks >> {field[0]}) & {_most(field)})"


def _among(field: _Field, values: Iterable[int]) -> str:
    wanted = sorted(set(values))
    if len(wanted) == 1:
        return f"{_bits(field)} = {wanted[0]}"
    return f"{_bits(field)} IN ({', '.join(map(str, wanted))})" if wanted else "FALSE"
