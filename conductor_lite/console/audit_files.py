"""The audit log as a file: CSV for spreadsheets, JSON Lines for programs. Knows entries and formats only."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing

import msgspec

from conductor_lite.console.formatting import iso
from conductor_lite.operations.audit import AuditEntry

#: Names of the formats in addresses, and their media types.
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}

_COLUMNS = (
    "id",
    "time",
    "operation",
    "status",
    "subject_type",
    "subject_id",
    "subject",
    "target_type",
    "target_id",
    "source_ip",
    "details",
)
#: What makes a spreadsheet take a text for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_PART_SIZE = 50

_encoder = msgspec.json.Encoder()


async def written(
    pages: AsyncGenerator[list[AuditEntry], None], file_format: str
) -> AsyncGenerator[bytes, None]:
    """The file, piece by piece.

    Args:
        pages: entries, as ``AuditLog.everything`` yields them; closed at the end.
        file_format: one of `FORMATS`.
    """
    write = _as_csv if file_format == "csv" else _as_lines
    if file_format == "csv":
        yield _rows([_COLUMNS])
    async with aclosing(pages):
        async for page in pages:
            # In parts, between which the loop turns to others.
            for start in range(0, len(page), _PART_SIZE):
                yield write(page[start : start + _PART_SIZE])
                await asyncio.sleep(0)


def _as_lines(entries: Sequence[AuditEntry]) -> bytes:
    return b"".join(_encoder.encode(entry) + b"\n" for entry in entries)


def _as_csv(entries: Sequence[AuditEntry]) -> bytes:
    return _rows([_harmless(cell) for cell in _cells(entry)] for entry in entries)


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    return (
        str(entry.id),
        iso(entry.emitted_at),
        entry.operation,
        entry.status,
        entry.subject_type,
        entry.subject_id,
        entry.subject_display,
        entry.target_type or "",
        entry.target_id or "",
        entry.source_ip or "",
        _encoder.encode(entry.details).decode() if entry.details else "",
    )


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet runs: names come from whoever made them."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
