"""Writes plain JSON values as YAML (1.2, and read alike by readers of 1.1). Reads nothing."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

# Texts that no reader takes for anything else; all others are quoted.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
# What JSON leaves as it is in a quoted text, and YAML does not: controls, line ends, byte order marks and
# halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_INDENT = "  "


def to_yaml(value: Any) -> str:
    """Write a value of dicts with text keys, lists, texts, numbers, booleans and None.

    Raises:
        TypeError: it holds something else.
        ValueError: it holds a number that JSON does not have.
    """
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    """The lines of a value that begins on a line of its own."""
    if isinstance(value, dict) and value:
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError(f"A key of YAML is to be a text, not {key!r}.")
            lines = list(_lines(member))
            if _is_block(member):
                # Lists are indented too: some readers insist.
                yield f"{_text(key)}:"
                yield from (_INDENT + line for line in lines)
            else:
                yield f"{_text(key)}: {lines[0]}"
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (_INDENT + line for line in rest)
    else:
        yield _scalar(value)


def _is_block(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isfinite(value):
            text = repr(value)
            # Readers of YAML 1.1 take 1e+16 for a text.
            return text if "." in text else text.replace("e", ".0e")
        case float():
            raise ValueError(f"JSON has no number {value}.")
        case str():
            return _text(value)
        case dict():
            return "{}"
        case list():
            return "[]"
    raise TypeError(f"{type(value).__name__} is no value of JSON.")


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # A text of JSON is one of YAML too.
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
