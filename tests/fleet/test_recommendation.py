"""The arithmetic of autoscaling, as tables."""

from typing import Any

import pytest

from conductor_lite.fleet.recommendation import (
    QueueLimits,
    desired_executors,
    recommend,
    recommend_all,
)
from conductor_lite.store.records import RolloutPolicy

FIVE_EACH = QueueLimits(worker_concurrency=5)


@pytest.mark.parametrize(
    ("depth", "worker_concurrency", "concurrency", "expected"),
    [
        (0, 5, None, 0),
        (1, 5, None, 1),
        (5, 5, None, 1),
        (6, 5, None, 2),
        (12, 3, None, 4),
        (10**12 + 1, 10, None, 10**11 + 1),
        # The queue's own limit caps it: more executors would only wait.
        (100, 5, 20, 4),
        (100, 5, 21, 5),
        (100, 5, 3, 1),
        (7, 5, 20, 2),
        (100, 5, 0, 0),
        (0, 5, 20, 0),
    ],
)
def test_executors_for_a_backlog(
    depth: int, worker_concurrency: int, concurrency: int | None, expected: int
) -> None:
    limits = QueueLimits(worker_concurrency=worker_concurrency, concurrency=concurrency)
    assert desired_executors(depth, limits) == expected


@pytest.mark.parametrize(("depth", "expected"), [(0, 0), (1, 1), (1_000, 1)])
def test_without_known_limits_one_executor_serves_as_long_as_there_is_work(depth: int, expected: int) -> None:
    assert desired_executors(depth, None) == expected


@pytest.mark.parametrize(
    ("version", "depth", "cap", "expected"),
    [
        ("new", 0, None, 1),
        ("new", 11, None, 3),
        # The cap is on old versions only.
        ("new", 11, 0, 3),
        ("old", 0, None, 0),
        ("old", 11, None, 3),
        ("old", 11, 2, 2),
        ("old", 11, 9, 3),
        ("old", 11, 0, 0),
    ],
)
def test_latest_version_needs_at_least_one_and_an_old_one_at_most_its_cap(
    version: str, depth: int, cap: int | None, expected: int
) -> None:
    rollout = RolloutPolicy(max_executors_for_old_application_versions=cap)
    found = recommend(version, latest="new", depth=depth, limits=FIVE_EACH, rollout=rollout)
    assert (found.desired_executors, found.queue_depth) == (expected, depth)
    assert found.is_latest is (version == "new")


DEPTHS = {"v4": 12, "v3": 0, "v2": 6, "v1": 1, "stray": 3}


@pytest.mark.parametrize(
    ("depths", "rollout", "expected"),
    [
        # Old versions are left out unless the policy asks for them.
        (DEPTHS, {}, [("v4", 3)]),
        ({}, {}, [("v4", 1)]),
        ({}, {"max_old_application_versions": 5}, [("v4", 1)]),
        # The newest that still have work, and only those.
        (DEPTHS, {"max_old_application_versions": 1}, [("v4", 3), ("v2", 2)]),
        (DEPTHS, {"max_old_application_versions": 2}, [("v4", 3), ("v2", 2), ("v1", 1)]),
        # Work of a version that nobody registered is last, not lost.
        (DEPTHS, {"max_old_application_versions": 9}, [("v4", 3), ("v2", 2), ("v1", 1), ("stray", 1)]),
        # A cap of nothing still lists them: they are to be scaled down, not deleted.
        (
            DEPTHS,
            {"max_old_application_versions": 1, "max_executors_for_old_application_versions": 0},
            [("v4", 3), ("v2", 0)],
        ),
    ],
)
def test_all_versions(
    depths: dict[str, int], rollout: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    found = recommend_all(["v4", "v3", "v2", "v1"], depths, FIVE_EACH, RolloutPolicy(**rollout))
    assert [(one.application_version, one.desired_executors) for one in found] == expected
    assert [one.is_latest for one in found] == [True] + [False] * (len(found) - 1)
