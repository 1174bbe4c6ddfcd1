"""The second look at a frame that is JSON but not quite of our types: what executors may get away with.

Used only when the strict reading failed, so that usual frames pay nothing for it. Never raises for a value it
cannot help; the reading after it then does.
"""

import functools
import json
import math
import re
from typing import Any

import msgspec
from msgspec import inspect

# An even number of backslashes, which stand for themselves, and then a row of surrogate escapes.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[dD][89a-fA-F][0-9a-fA-F]{2})+)")
_PAIR_OR_LONE = re.compile(r"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u....")


def without_lone_surrogates(frame: str) -> str:
    """The same frame with each half of a surrogate pair that stands alone replaced by U+FFFD.

    JavaScript and Python write such escapes when a text was cut in the middle of an emoji; JSON parsers may
    refuse the whole frame for it.
    """
    return _SURROGATES.sub(lambda row: row[1] + _PAIR_OR_LONE.sub(_pair_or_replacement, row[2]), frame)


def _pair_or_replacement(escape: re.Match[str]) -> str:
    return escape[1] or "\\ufffd"


def fitted(value: Any, kind: type[msgspec.Struct]) -> Any:
    """``value`` (decoded JSON) brought as near to the Struct ``kind`` as can be done without guessing.

    A null where none is allowed counts as missing; anything but text in a text field becomes its JSON text; a
    whole-number field loses its fraction; one value where a list belongs becomes a list of it.
    """
    return _fit(value, _shape(kind))


@functools.cache
def _shape(kind: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(kind)


def _fit(value: Any, shape: inspect.Type) -> Any:
    match shape:
        case inspect.UnionType():
            return None if value is None else _fit(value, _member(value, shape))
        case inspect.StructType() if isinstance(value, dict):
            return _fit_struct(value, shape)
        case inspect.ListType():
            return [_fit(item, shape.item_type) for item in (value if isinstance(value, list) else [value])]
        case inspect.DictType() if isinstance(value, dict):
            return {key: _fit(item, shape.value_type) for key, item in value.items()}
        case inspect.StrType():
            return value if isinstance(value, str) else _as_text(value)
        case inspect.IntType():
            return _as_whole_number(value)
    return value


def _member(value: Any, union: inspect.UnionType) -> inspect.Type:
    """The member that a value that is not null is meant for; a list wins only for lists."""
    members = [member for member in union.types if not isinstance(member, inspect.NoneType)]
    lists = [member for member in members if isinstance(member, inspect.ListType)]
    if isinstance(value, list) and lists:
        return lists[0]
    return next((member for member in members if member not in lists), members[0])


def _fit_struct(value: dict[str, Any], shape: inspect.StructType) -> dict[str, Any]:
    kept = {}
    if shape.tag_field is not None and shape.tag_field in value:
        kept[shape.tag_field] = value[shape.tag_field]
    for field in shape.fields:
        if field.encode_name not in value:
            continue
        found = value[field.encode_name]
        found = None if found is None else _fit(found, field.type)
        if found is not None or field.required or _nullable(field.type):
            kept[field.encode_name] = found
    return kept


def _nullable(shape: inspect.Type) -> bool:
    return isinstance(shape, inspect.UnionType) and shape.includes_none


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_whole_number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None
        except ValueError:
            return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return value
