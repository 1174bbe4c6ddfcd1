"""What databases spell differently, chosen by the connection: INSERT ... ON CONFLICT, and hints."""

from importlib import import_module
from typing import Any

from sqlalchemy import JSON, ColumnElement, Table, cast, func
from sqlalchemy.ext.asyncio import AsyncConnection


def insert(connection: AsyncConnection, table: Table) -> Any:
    """An INSERT into ``table`` that has ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    # By name: importing a dialect that is not used would cost every start a twentieth of a second.
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)


def member_of(connection: AsyncConnection, column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """A text member of a column that holds a JSON object as text."""
    if connection.dialect.name == "sqlite":
        return func.json_extract(column, f"$.{name}")
    return func.json_extract_path_text(cast(column, JSON), name)


def following(connection: AsyncConnection, index: str) -> str:
    """What makes a query follow an index, after the name of its table; empty where nothing can."""
    return f"INDEXED BY {index}" if connection.dialect.name == "sqlite" else ""
