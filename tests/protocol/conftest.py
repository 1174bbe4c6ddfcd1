"""The recorded pairs of request and reply that the protocol's tests read."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


class Pair(NamedTuple):
    """One recorded request and the reply it got, as decoded JSON."""

    sdk: str
    type: str
    request: dict[str, Any]
    reply: dict[str, Any]


def _pairs() -> list[Pair]:
    return [
        Pair(path.stem, type_, pair["request"], pair["reply"])
        for path in sorted(FIXTURES.glob("*.json"))
        for type_, pairs in json.loads(path.read_text())["pairs"].items()
        for pair in pairs
    ]


@pytest.fixture(scope="session")
def pairs() -> list[Pair]:
    """Every recorded pair of every SDK."""
    return _pairs()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that asks for a ``pair`` once for each recorded one."""
    if "pair" in metafunc.fixturenames:
        pairs = _pairs()
        ids = [f"{pair.sdk}-{pair.type}-{pair.request['request_id']}" for pair in pairs]
        metafunc.parametrize("pair", pairs, ids=ids)
