"""What every test may use: the promise of required tools, read before anything runs; a served conductor."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.brisk import make_brisk
from support.fresh_database import copying
from support.served import Run, Served, served
from support.tools import required_tools

from conductor_lite.config import Settings
from conductor_lite.store import revisions


def pytest_configure(config: pytest.Config) -> None:
    required_tools()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in a shell's background: every child would inherit that, and no Ctrl-C would end it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def migrated_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the database is kept that fresh ones are copied from."""
    return tmp_path_factory.mktemp("template") / "conductor.db"


@pytest.fixture(autouse=True)
def _fresh_databases_are_copies(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, migrated_template: Path
) -> None:
    """Most of what a small test takes would be migrations; those of the store run them themselves."""
    if "store" not in request.path.parent.name:
        monkeypatch.setattr(revisions, "migrate", copying(migrated_template, revisions.migrate))


@pytest.fixture(scope="session", autouse=True)
def _servers_and_clients_are_brisk() -> Iterator[None]:
    """A thousand tests end a server each, and would wait up to three tenths of a second for it."""
    with pytest.MonkeyPatch.context() as patch:
        make_brisk(patch)
        yield


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs an async function on a served conductor."""
    settings = Settings(data_dir=tmp_path / "data", port=0, dev=True)

    def run(body: Callable[[Served], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with served(settings) as scene:
                await scene.application_id()
                return await body(scene)

        return asyncio.run(whole())

    return run
