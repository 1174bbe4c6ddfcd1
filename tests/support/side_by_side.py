"""How tests are shared out among the processes that ``scripts/test`` starts. Wants pytest-xdist."""

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: Packages whose tests share one server, browser or application, and take longest: they begin first.
LONG_PACKAGES = ("browser", "contract")


class SideBySide(LoadScopeScheduling):
    """Shares out whole files, and some packages whole."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        return path.parent.name if path.parent.name in LONG_PACKAGES else str(path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest shall not begin when the other processes are done."""
    items.sort(key=lambda item: item.path.parent.name not in LONG_PACKAGES)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SideBySide:
    """Ours instead of those that ``--dist`` names."""
    return SideBySide(config, log)
