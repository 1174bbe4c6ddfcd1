"""What tests need beyond Python: skipped by name where it is missing, failed where it was promised."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

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


def _sdks() -> str | None:
    """Not a program but a promise: minutes of time and a network, to build on the SDKs of registries."""
    return "promised" if "sdks" in required_tools() else None


def _node() -> str | None:
    return _at_least(20, "node", "--version") if shutil.which("npm") else None


def _go() -> str | None:
    return _at_least(25, "go", "version", pattern=r"go1\.(\d+)")


def _java() -> str | None:
    """``java``, where there are a compiler and Maven too."""
    return _at_least(17, "java", "--version") if shutil.which("javac") and shutil.which("mvn") else None


def _postgres() -> str | None:
    """``initdb``; the other programs are beside it, which on Debian is not on the path."""
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        return str(path)
    found = shutil.which("initdb")
    return str(Path(found).resolve()) if found else None


def _at_least(wanted: int, command: str, argument: str, pattern: str = r"(\d+)") -> str | None:
    """Where ``command`` is, unless it is missing or the first number of ``pattern`` it prints is too low."""
    path = shutil.which(command)
    if path is None:
        return None
    printed = subprocess.run([path, argument], capture_output=True, text=True, timeout=60).stdout
    version = re.search(pattern, printed)
    return path if version and int(version[1]) >= wanted else None


def _openapi_python_client() -> str | None:
    """On the path, in an environment of its own: what it pins would hold back our own dependencies."""
    return shutil.which("openapi-python-client")


_FINDERS: Mapping[str, Callable[[], str | None]] = {
    "chromium": _chromium,
    "dbos": _dbos,
    "clean-clone": _clean_clone,
    "sdks": _sdks,
    "node": _node,
    "go": _go,
    "java": _java,
    "postgres": _postgres,
    "curl": lambda: shutil.which("curl"),
    "promtool": lambda: shutil.which("promtool"),
    "openapi-python-client": _openapi_python_client,
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
        tool: ``chromium``, ``dbos``, ``node`` (20, with npm), ``go`` (1.25), ``java`` (JDK 17, with Maven),
            ``postgres``, ``curl``, ``promtool``, ``openapi-python-client``; or ``clean-clone`` and ``sdks``
            for tests that install from a network, which run only where they are asked for by name in
            ``CONDUCTOR_TESTS_REQUIRE``.
    """
    found = _FINDERS[tool]()
    if found is not None:
        return found
    if tool in required_tools():
        pytest.fail(f"{tool} is missing, and {REQUIRE_VARIABLE} promises it.", pytrace=False)
    pytest.skip(f"needs {tool}")
