"""What databases spell differently, chosen by the connection: INSERT ... ON CONFLICT, and hints."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec
from sqlalchemy import JSON, ColumnElement, Select, String, Table, cast, column, func, literal, select
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


def members_of(connection: AsyncConnection, texts: Sequence[str]) -> Select[tuple[str]]:
    """Texts as the rows of a query, however many: one parameter, where each would be one by itself."""
    listed = literal(msgspec.json.encode(texts).decode(), String)
    if connection.dialect.name == "sqlite":
        return select(func.json_each(listed).table_valued(column("value", String)).c.value)
    return select(func.json_array_elements_text(cast(listed, JSON)).table_valued("value").c.value)


def following(connection: AsyncConnection, index: str) -> str:
    """What makes a query follow an index, after the name of its table; empty where nothing can."""
    return f"INDEXED BY {index}" if connection.dialect.name == "sqlite" else ""
