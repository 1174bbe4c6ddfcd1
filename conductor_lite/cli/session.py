"""What a command gets besides its own options: a way to the server, and the application that it is about."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from conductor_lite.cli import remote
from conductor_lite.cli.output import Output, Table, printer
from conductor_lite.cli.remote import Where
from conductor_lite.client import AsyncClient, Call, Listing, calls
from conductor_lite.errors import ConfigurationError, NotFoundError

T = TypeVar("T")

_SHOWN_NAMES = 10


class Session:
    """One command's way to the server.

    Args:
        where: what the command line says about it.
    """

    def __init__(self, where: Where) -> None:
        self._where = where

    @property
    def config(self) -> Path | None:
        """The configuration file that the command line names; None for the usual one."""
        return self._where.config

    def run(self, work: Callable[[AsyncClient], Awaitable[T]]) -> T:
        """Do some work with a client. Raises what it raises, and what ``remote.connect`` raises."""

        async def whole() -> T:
            async with remote.connect(self._where, os.environ, needs_server=False) as connection:
                return await work(connection.client)

        return asyncio.run(whole())

    def call(self, call: Call[T]) -> T:
        """Make one call."""
        return self.run(lambda client: client.run(call))

    def print_pages(self, listing: Listing[Any], table: Table[Any], output: Output) -> None:
        """Print a long list as its parts arrive."""
        self.run(lambda client: _print_pages(client, listing, table, output))


class AppSession:
    """The same for a command that is about one application, and for its executors to answer.

    Args:
        where: what the command line says about the server.
        application: what it says about the application; None for nothing.
    """

    def __init__(self, where: Where, application: str | None) -> None:
        self._where = where
        self._application = application

    def run(self, work: Callable[[AsyncClient, str], Awaitable[T]]) -> T:
        """Do some work with a client and the application's name."""

        async def whole() -> T:
            async with remote.connect(self._where, os.environ, needs_server=True) as connection:
                named = self._application or os.environ.get("CONDUCTOR_LITE_APP") or connection.application
                return await work(connection.client, named or await _only_application(connection.client))

        return asyncio.run(whole())

    def call(self, call: Callable[[str], Call[T]]) -> T:
        """Make the one call that ``call`` gives for the application's name."""
        return self.run(lambda client, name: client.run(call(name)))

    def print_pages(self, listing: Callable[[str], Listing[Any]], table: Table[Any], output: Output) -> None:
        """Print a long list as its parts arrive."""
        self.run(lambda client, name: _print_pages(client, listing(name), table, output))


async def _print_pages(client: AsyncClient, listing: Listing[Any], table: Table[Any], output: Output) -> None:
    lines = printer(table, output)
    async for page in client.pages(listing):
        lines.add(page)
    lines.end()


async def _only_application(client: AsyncClient) -> str:
    names = [application.name for application in await client.run(calls.list_apps())]
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFoundError(
            "There are no applications yet; register one with 'conductor-lite app register NAME'."
        )
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
    raise ConfigurationError(
        f"There are {len(names)} applications ({shown}); name one with --app, CONDUCTOR_LITE_APP or a "
        "profile."
    )
