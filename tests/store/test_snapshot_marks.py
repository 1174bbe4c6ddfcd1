"""Marks: what they rule out never matches, whatever the values are."""

import random
import sqlite3
from collections.abc import Iterator
from typing import TypeAlias

import pytest

from conductor_lite.store import snapshot_marks
from conductor_lite.store.snapshot_records import WorkflowSnapshot

#: Workflows, their facts and their marks.
Marked: TypeAlias = list[tuple[WorkflowSnapshot, tuple[int, ...], int]]

CHANCE = random.Random(3)
USERS = ("ann", "böb", "", "\ud800", "x" * 300)
BEGINNINGS = ("", "w", "wf-", "wf-acme-", "wf-acme-2026-11-26-", "ü" * 20)
TIMES = (None, -5, 0, 1 << 28, 1_760_000_000_000, 1 << 62)


def _workflows() -> Iterator[tuple[WorkflowSnapshot, tuple[int, ...]]]:
    for number in range(300):
        item = WorkflowSnapshot(
            workflow_id=f"{CHANCE.choice(BEGINNINGS)}{number}",
            created_at_epoch_ms=0,
            authenticated_user=CHANCE.choice((*USERS, None)),
            executor_id=CHANCE.choice((*USERS, None)),
            completed_at_epoch_ms=CHANCE.choice(TIMES),
            dequeued_at_epoch_ms=CHANCE.choice(TIMES),
        )
        yield item, tuple(CHANCE.getrandbits(64) - (1 << 63) for _ in range(number % 4))


@pytest.fixture(scope="module")
def marked() -> Marked:
    """Some of all kinds."""
    return [(item, facts, snapshot_marks.marks_of(item, facts)) for item, facts in _workflows()]


def _let_through(condition: str, marked: Marked) -> list[bool]:
    with sqlite3.connect(":memory:") as connection:
        query = f"SELECT {condition.format(row='w')} FROM (SELECT ? AS marks) AS w"
        return [bool(connection.execute(query, (marks,)).fetchone()[0]) for _, _, marks in marked]


def _check(condition: str, matches: list[bool], marked: Marked) -> int:
    """That all that match are let through; gives how many others are."""
    through = _let_through(condition, marked)
    assert all(is_through for is_through, is_match in zip(through, matches, strict=True) if is_match)
    assert any(matches)
    return through.count(True) - matches.count(True)


@pytest.mark.parametrize("users", [("ann",), ("böb", "\ud800"), USERS])
@pytest.mark.parametrize("column", ["authenticated_user", "executor_id"])
def test_values(marked: Marked, column: str, users: tuple[str, ...]) -> None:
    matches = [getattr(item, column) in users for item, _, _ in marked]
    assert _check(snapshot_marks.with_one_of(column, users), matches, marked) == 0


@pytest.mark.parametrize(
    "prefixes", [("wf-",), ("wf-acme-2",), ("wf-acme-2026-11-26-1", "üüüü"), ("wf-ac", "ü" * 20)]
)
def test_beginnings(marked: Marked, prefixes: tuple[str, ...]) -> None:
    condition = snapshot_marks.with_beginning(prefixes)
    assert condition is not None
    matches = [item.workflow_id.startswith(prefixes) for item, _, _ in marked]
    assert _check(condition, matches, marked) < len(marked) * 3 // 4


def test_beginnings_that_are_too_short_tell_nothing() -> None:
    assert snapshot_marks.with_beginning(("wf-acme", "w")) is None


@pytest.mark.parametrize(
    ("first", "last"),
    [(None, None), (-10, 10), (0, None), (None, 0), (1_760_000_000_000, 1_760_000_000_000), (-10, 1 << 62)],
)
@pytest.mark.parametrize("kind", ["completed", "dequeued"])
def test_times(marked: Marked, kind: str, first: int | None, last: int | None) -> None:
    times = [getattr(item, f"{kind}_at_epoch_ms") for item, _, _ in marked]
    matches = [
        at is not None and (first is None or at >= first) and (last is None or at <= last) for at in times
    ]
    condition = snapshot_marks.with_time(kind, first, last)
    _check(condition, matches, marked)
    through = zip(_let_through(condition, marked), times, strict=True)
    assert not any(is_through for is_through, at in through if at is None)


def test_facts(marked: Marked) -> None:
    for _, facts, _ in marked[:20]:
        for fact in facts:
            matches = [fact in own for _, own, _ in marked]
            assert _check(snapshot_marks.with_fact(fact), matches, marked) < len(marked) // 2
