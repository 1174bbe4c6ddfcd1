"""The second look at a frame that is JSON but not quite of our types: what executors may get away with.

Used only when the strict reading failed, so that usual frames pay nothing for it. Never raises for a value it
cannot help; the reading after it then does.
"""

import functools
import json
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import inspect

Fitter = Callable[[Any], Any]

_HALF = r"u[dD][89a-fA-F][0-9a-fA-F]{2}"
# Pairs of backslashes, which stand for themselves and must be stepped over, or a row of surrogate escapes.
_SURROGATES = re.compile(rf"\\(?:\\(?:\\\\)*|{_HALF}(?:\\{_HALF})*)")
_PAIR_OR_LONE = re.compile(r"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u....")


def without_lone_surrogates(frame: str) -> str:
    """The same frame with each half of a surrogate pair that stands alone replaced by U+FFFD.

    JavaScript and Python write such escapes when a text was cut in the middle of an emoji; JSON parsers may
    refuse the whole frame for it.
    """
    return _SURROGATES.sub(_mended, frame)


def _mended(row: re.Match[str]) -> str:
    found = row[0]
    if found.startswith("\\\\"):
        return found
    return _PAIR_OR_LONE.sub(lambda escape: escape[1] or "\\ufffd", found)


def fitted(value: Any, kind: type[msgspec.Struct]) -> Any:
    """``value`` (decoded JSON) brought as near to the Struct ``kind`` as can be done without guessing.

    A null where none is allowed counts as missing; anything but text in a text field becomes its JSON text; a
    whole-number field loses its fraction; one value where a list belongs becomes a list of it.
    """
    return _fitter_of(kind)(value)


@functools.cache
def _fitter_of(kind: type[msgspec.Struct]) -> Fitter:
    return _fitter(inspect.type_info(kind))


def _fitter(shape: inspect.Type) -> Fitter:
    """The function that fits a value to ``shape``, made once so that large listings cost little per field."""
    match shape:
        case inspect.UnionType():
            return _union_fitter(shape)
        case inspect.StructType():
            return _struct_fitter(shape)
        case inspect.ListType():
            return _list_fitter(_fitter(shape.item_type))
        case inspect.DictType():
            return _dict_fitter(_fitter(shape.value_type))
        case inspect.StrType():
            return _as_text
        case inspect.IntType():
            return _as_whole_number
    return _as_it_is


def _union_fitter(union: inspect.UnionType) -> Fitter:
    """For unions of null, one other type, and perhaps lists of it, which is all that messages have."""
    members = [member for member in union.types if not isinstance(member, inspect.NoneType)]
    of_lists = [_fitter(member) for member in members if isinstance(member, inspect.ListType)]
    of_others = [_fitter(member) for member in members if not isinstance(member, inspect.ListType)]
    for_list, for_other = (of_lists or of_others)[0], (of_others or of_lists)[0]

    def fit(value: Any) -> Any:
        if value is None:
            return None
        return for_list(value) if isinstance(value, list) else for_other(value)

    return fit


def _struct_fitter(struct: inspect.StructType) -> Fitter:
    fields = {field.encode_name: _fitter(field.type) for field in struct.fields}
    not_null = {
        field.encode_name
        for field in struct.fields
        if not field.required and not (isinstance(field.type, inspect.UnionType) and field.type.includes_none)
    }

    def fit(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # Names of no field stay: the tag is among them, and the reading after this ignores the others.
        return {
            name: fields[name](item) if name in fields else item
            for name, item in value.items()
            if item is not None or name not in not_null
        }

    return fit


def _list_fitter(fit_item: Fitter) -> Fitter:
    return lambda value: [fit_item(item) for item in (value if isinstance(value, list) else [value])]


def _dict_fitter(fit_item: Fitter) -> Fitter:
    return lambda value: (
        {key: fit_item(item) for key, item in value.items()} if isinstance(value, dict) else value
    )


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_whole_number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
        try:
            value = float(value) if value.strip() else None
        except ValueError:
            return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    return value


def _as_it_is(value: Any) -> Any:
    return value
