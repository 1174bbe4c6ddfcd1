"""What every test gets: the promise of required tools is read once, before anything runs."""

import pytest
from support.tools import required_tools


def pytest_configure(config: pytest.Config) -> None:
    required_tools()
