"""The one statement that databases spell differently, INSERT ... ON CONFLICT, chosen by the connection."""

from importlib import import_module
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT into ``table`` that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    # By name: importing a dialect that is not used would cost every start a twentieth of a second.
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)
