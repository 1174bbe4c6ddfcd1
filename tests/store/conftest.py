"""A database in a fresh folder, and the means to run child processes that use one."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_lite.store.database import Database

Body = Callable[[Database], Awaitable[Any]]
Children = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def run(folder: Path) -> Callable[[Body], Any]:
    """Runs an async function on the open database of `folder`, then closes it; gives what it returned."""

    async def whole(body: Body) -> Any:
        db = await Database.open(folder, busy_timeout_secs=0.5)
        try:
            return await body(db)
        finally:
            await db.close()

    return lambda body: asyncio.run(whole(body))


@pytest.fixture
def child(folder: Path) -> Iterator[Children]:
    """Starts Python code in a process of its own, with the folder as first argument; ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
