"""What calls within Python's ``repr`` stand for: times, decimals, named collections, else objects. Pure."""

import re
from collections.abc import Sequence

import msgspec

from conductor_lite.console.formatting import clip
from conductor_lite.console.payloads.tree import Entry, Kind, Node

#: Longer texts of times and the like are no such thing.
_LONGEST = 500
_NUMERIC = {"Decimal", "Fraction"}
_SMALL_NUMBER = re.compile(r"\d{1,9}")
#: Of a time zone that is known by its distance only.
_OFFSET = re.compile(r"datetime\.timedelta\((?:days=(?P<days>-1))?(?:, )?(?:seconds=(?P<seconds>\d{1,5}))?\)")
_COLLECTIONS: dict[str, Kind] = {"set": "set", "frozenset": "set", "OrderedSet": "set"}


def simplify(node: Node, text: str) -> Node:
    """Make of a call what it stands for.

    Args:
        node: an object with the call's arguments as entries.
        text: the whole call.
    """
    values = [entry.value for entry in node.entries]
    plain = all(entry.key is None for entry in node.entries)
    name = node.type_name.rpartition(".")[2]
    if not values:
        return msgspec.structs.replace(node, kind=_COLLECTIONS.get(name, "object"))
    if date := _date(node, name, text):
        return date
    if plain and len(values) == 1 and values[0].kind in ("string", "bytes") and not values[0].type_name:
        kind = "number" if name in _NUMERIC else values[0].kind
        return Node(kind=kind, text=values[0].text, type_name=node.type_name)
    if plain and name in _NUMERIC and len(text) < _LONGEST:
        return Node(kind="number", text="/".join(value.text for value in values), type_name=node.type_name)
    return _collection(node, name, values)


def _collection(node: Node, name: str, values: Sequence[Node]) -> Node:
    """``Counter({…})``, ``deque([…], maxlen=3)`` and ``defaultdict(<class …>, {…})`` are what they hold."""
    held = values[1] if name == "defaultdict" and len(values) == 2 else values[0]
    others = [entry for entry in node.entries if entry.value is not held]
    limits = all(entry.key is not None and entry.key.text == "maxlen" for entry in others)
    if not held.is_collection or held.type_name or not (limits or name == "defaultdict"):
        return node
    entry = next(entry for entry in node.entries if entry.value is held)
    if entry.key is not None:
        return node
    if name == "OrderedDict" and held.kind == "array" and (pairs := _pairs(held)) is not None:
        kind: Kind = "object" if all(pair.key and pair.key.kind == "string" for pair in pairs) else "map"
        return Node(kind=kind, type_name=node.type_name, entries=pairs)
    kind = _COLLECTIONS.get(name, held.kind)
    return Node(kind=kind, type_name=node.type_name, entries=held.entries, truncated=held.truncated)


def _pairs(held: Node) -> tuple[Entry, ...] | None:
    if any(entry.value.kind != "tuple" or len(entry.value.entries) != 2 for entry in held.entries):
        return None
    return tuple(
        Entry(key=entry.value.entries[0].value, value=entry.value.entries[1].value) for entry in held.entries
    )


def _date(node: Node, name: str, text: str) -> Node | None:
    """Dates and times in ISO 8601; spans of time and zones in Python's own words."""
    if not node.type_name.startswith("datetime.") or len(text) > _LONGEST:
        return None
    if name in ("timedelta", "timezone"):
        return Node(kind="date", text=text[len(node.type_name) + 1 : -1], type_name=node.type_name)
    numbers = [entry.value.text for entry in node.entries if entry.key is None]
    if not all(_SMALL_NUMBER.fullmatch(number) for number in numbers):
        return None
    fields = [int(number) for number in numbers]
    written = None
    if name == "date" and len(fields) == 3:
        written = _day(fields)
    elif name == "time" and 2 <= len(fields) <= 4:
        written = _clock(fields)
    elif name == "datetime" and 5 <= len(fields) <= 7:
        written = f"{_day(fields)} {_clock(fields[3:])}"
    if written is None:
        return None
    return Node(kind="date", text=written + _zone(node), type_name=node.type_name)


def _day(fields: Sequence[int]) -> str:
    return f"{fields[0]:04}-{fields[1]:02}-{fields[2]:02}"


def _clock(fields: Sequence[int]) -> str:
    hour, minute, second, microsecond = [*fields, 0, 0][:4]
    text = f"{hour:02}:{minute:02}:{second:02}"
    return f"{text}.{microsecond:06}" if microsecond else text


def _zone(node: Node) -> str:
    zone = next((entry.value for entry in node.entries if entry.label == "tzinfo"), None)
    if zone is None:
        return ""
    if zone.text == "datetime.timezone.utc":
        return "+00:00"
    if match := _OFFSET.fullmatch(zone.text):
        minutes = int(match["days"] or 0) * 1_440 + int(match["seconds"] or 0) // 60
        return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    # zoneinfo.ZoneInfo(key='Europe/Berlin') tells its name that way, others as their only argument.
    texts = [entry.value.text for entry in zone.entries] or [zone.text]
    return clip(f" {' '.join(texts)}", _LONGEST)
