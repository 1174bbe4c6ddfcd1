"""What tests need beyond Python: skipped by name where it is missing, failed where it was promised."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping

import pytest

#: A comma-separated list of tools that must be here. A test that lacks one of them fails instead of skipping.
REQUIRE_VARIABLE = "CONDUCTOR_TESTS_REQUIRE"


def _chromium() -> str | None:
    for command in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(command):
            return path
    return None


def _dbos() -> str | None:
    spec = importlib.util.find_spec("dbos")
    return spec.origin if spec else None


def _clean_clone() -> str | None:
    """Not a program but a promise: minutes of time and a network, to install from nothing."""
    return "promised" if "clean-clone" in required_tools() else None


_FINDERS: Mapping[str, Callable[[], str | None]] = {
    "chromium": _chromium,
    "dbos": _dbos,
    "clean-clone": _clean_clone,
}


def required_tools() -> frozenset[str]:
    """The tools that the environment promises.

    Raises:
        pytest.UsageError: it names one that no test knows, probably misspelt.
    """
    names = frozenset(
        name.strip() for name in os.environ.get(REQUIRE_VARIABLE, "").split(",") if name.strip()
    )
    if unknown := names - _FINDERS.keys():
        raise pytest.UsageError(
            f"{REQUIRE_VARIABLE} names {', '.join(sorted(unknown))}; known: {', '.join(sorted(_FINDERS))}."
        )
    return names


def require(tool: str) -> str:
    """Where ``tool`` is; without it the running test is skipped, or fails when it was promised.

    Args:
        tool: ``chromium``, ``dbos``, or ``clean-clone`` for tests that install from nothing, which run only
            where they are asked for by name in ``CONDUCTOR_TESTS_REQUIRE``.
    """
    found = _FINDERS[tool]()
    if found is not None:
        return found
    if tool in required_tools():
        pytest.fail(f"{tool} is missing, and {REQUIRE_VARIABLE} promises it.", pytrace=False)
    pytest.skip(f"needs {tool}")
