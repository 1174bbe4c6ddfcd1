"""Keeps API keys out of logs and messages. Knows what a key looks like and nothing about who logs."""

import logging
import re
import traceback
from urllib.parse import quote, unquote

HIDDEN = "***"

# The whole key has 66 characters; from half of one on, what is left of a secret is worth hiding as well.
_KEY = re.compile(r"dbos_[a-z0-9]{12}[A-Za-z0-9_-]{20,}")
# Whatever follows the application counts: with any key accepted, keys need not look like keys.
_SOCKET_PATH = re.compile(r"(/websocket/+[^/\s\"'?#<>]*/)[^\s\"'?#<>]+", re.IGNORECASE)
_LOG_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def redact(text: str) -> str:
    """Hide every API key in a text: those of our form, and what follows ``/websocket/<application>/``."""
    return _KEY.sub(f"dbos_{HIDDEN}", _SOCKET_PATH.sub(rf"\g<1>{HIDDEN}", text))


def redact_path(path: str) -> str:
    """A request's path (decoded, without its query) fit for a log line: keys hidden, one line of ASCII."""
    decoded = unquote(path)
    segments = [segment for segment in decoded.split("/") if segment]
    if len(segments) > 2 and segments[0].lower() == "websocket":
        return f"/websocket/{_quoted(segments[1])}/{HIDDEN}"
    return _quoted(path)


def _quoted(text: str) -> str:
    return quote(redact(text), safe="/:@!$&'()*+,;=~", errors="replace")


class RedactingFilter(logging.Filter):
    """Put on each handler: no record passes with a key in its message, traceback, stack or extra fields."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; never drops one."""
        record.msg = redact(_message(record))
        record.args = None
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
            # Formatters print the text when there is one; the exception itself would bring the key back.
            record.exc_info = None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in vars(record).items():
            if name not in _LOG_RECORD_FIELDS and isinstance(value, str):
                setattr(record, name, redact(value))
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # A mistaken format string: logging would print the arguments raw, key and all.
        return f"{record.msg!s} {record.args!r}"
