"""Printing: results as aligned columns, as JSON or as ids; complaints on standard error.

Everything printed came from elsewhere: none of it may drive the terminal.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec
import typer

from conductor_lite.cli.statuses import BROKEN_PIPE
from conductor_lite.errors import ConductorError

ItemT = TypeVar("ItemT")
ContraItemT = TypeVar("ContraItemT", contravariant=True)


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    IDS = "ids"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")]


class Table(Generic[ItemT]):
    """How items of one kind are shown.

    Args:
        identify: gives an item's id or name, for ``-o ids``.
        columns: headings, and what stands below them.
        empty: said in place of a table without rows.
    """

    def __init__(
        self,
        identify: Callable[[ItemT], object],
        columns: Sequence[tuple[str, Callable[[ItemT], object]]],
        empty: str,
    ) -> None:
        self.identify = identify
        self.columns = columns
        self.empty = empty


class Printer(Protocol[ContraItemT]):
    """Prints a list as its parts arrive."""

    def add(self, items: Sequence[ContraItemT]) -> None:
        """Print some more."""

    def end(self) -> None:
        """Print what ends the list."""


def printer(table: Table[ItemT], output: Output) -> Printer[ItemT]:
    """Something that prints items in the form that was asked for."""
    match output:
        case Output.TABLE:
            return _TablePrinter(table)
        case Output.JSON:
            return _JsonPrinter()
        case Output.IDS:
            return _IdPrinter(table.identify)


def show(items: list[ItemT], table: Table[ItemT], output: Output) -> None:
    """Print a whole list."""
    lines = printer(table, output)
    lines.add(items)
    lines.end()


def show_one(item: msgspec.Struct, identify: str, output: Output) -> None:
    """Print one thing with all its properties.

    Args:
        item: what the API answered.
        identify: its id or name.
        output: the form.
    """
    match output:
        case Output.TABLE:
            members: dict[str, Any] = msgspec.to_builtins(item)
            width = max(len(name) for name in members)
            emit("\n".join(f"{name.ljust(width)}  {_block(value, width)}" for name, value in members.items()))
        case Output.JSON:
            emit(to_json(item))
        case Output.IDS:
            emit(_line(identify))


def to_json(value: object) -> str:
    """A value as indented JSON; what a terminal could take for a command is escaped."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return "".join(
        character if character.isprintable() or character == "\n" else _escaped(character)
        for character in text
    )


def printable(text: str) -> str:
    """The text with every character that could drive the terminal replaced; lines stay lines."""
    return "".join(character if character.isprintable() or character == "\n" else "�" for character in text)


def emit(text: str) -> None:
    """Write a line, or several, to standard output.

    Raises:
        typer.Exit: whoever read it went away.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not fail once more when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None


def note(text: str) -> None:
    """Write a line to standard error."""
    typer.echo(printable(text), err=True)


def complain(error: ConductorError, about: str = "") -> None:
    """Write an error, and each field that is wrong, to standard error."""
    note(f"conductor-lite: {about}{error}")
    for field in getattr(error, "errors", ()):
        note(f"  {field.location}: {field.message}")


class _TablePrinter(Generic[ItemT]):
    """Each column as wide as its widest cell so far: later parts may widen it, what is printed stays."""

    def __init__(self, table: Table[ItemT]) -> None:
        self._table = table
        # Grow with every part.
        self._widths = [len(heading) for heading, _ in table.columns]
        self._has_rows = False

    def add(self, items: Sequence[ItemT]) -> None:
        lines = [[_cell(value(item)) for _, value in self._table.columns] for item in items]
        if not lines:
            return
        if not self._has_rows:
            lines.insert(0, [heading for heading, _ in self._table.columns])
        self._has_rows = True
        self._widths = [
            max(width, *(len(line[index]) for line in lines)) for index, width in enumerate(self._widths)
        ]
        emit("\n".join(self._aligned(line) for line in lines))

    def end(self) -> None:
        if not self._has_rows:
            emit(self._table.empty)

    def _aligned(self, line: Sequence[str]) -> str:
        return "  ".join(text.ljust(width) for text, width in zip(line, self._widths, strict=True)).rstrip()


class _JsonPrinter:
    """One array, however many parts it comes in."""

    def __init__(self) -> None:
        self._has_items = False

    def add(self, items: Sequence[object]) -> None:
        texts = [textwrap.indent(to_json(item), "  ") for item in items]
        if texts:
            emit(("[\n" if not self._has_items else ",\n") + ",\n".join(texts))
            self._has_items = True

    def end(self) -> None:
        emit("]" if self._has_items else "[]")


class _IdPrinter(Generic[ItemT]):
    """One id per line."""

    def __init__(self, identify: Callable[[ItemT], object]) -> None:
        self._identify = identify

    def add(self, items: Sequence[ItemT]) -> None:
        if items:
            emit("\n".join(_line(str(self._identify(item))) for item in items))

    def end(self) -> None:
        pass


def _line(identity: str) -> str:
    """An id as it is, so that the next command finds it; a line break would make two of it."""
    if len(identity.splitlines()) > 1 or identity.endswith(("\n", "\r")):
        raise ConductorError(f"The id {identity!r} does not fit on a line; use -o json.")
    return printable(identity) if sys.stdout.isatty() else identity


def _cell(value: object) -> str:
    return printable(_text(value)).replace("\n", "�")


def _block(value: object, indent: int) -> str:
    """A value that may have several lines, to the right of its name."""
    return printable(_text(value)).replace("\n", "\n" + " " * (indent + 2))


def _text(value: object) -> str:
    if value is None or value == "" or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        return ", ".join(str(item) for item in value)
    return to_json(value) if isinstance(value, dict | list) else str(value)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
