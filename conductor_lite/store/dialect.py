"""What databases spell differently, chosen by the connection: INSERT ... ON CONFLICT, and hints."""

from importlib import import_module
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT into ``table`` that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    # By name: importing a dialect that is not used would cost every start a twentieth of a second.
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)


def following(connection: AsyncConnection, index: str) -> str:
    """What makes a query follow an index, after the name of its table; empty where nothing can."""
    return f"INDEXED BY {index}" if connection.dialect.name == "sqlite" else ""
