"""From path segments, a query string and a JSON body to validated Structs, with every fault located.

msgspec stops at the first fault; here each field is converted by itself, so a caller learns of all at once.
"""

import re
import types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from conductor_lite.errors import ConductorError, FieldError, InvalidError, member
from conductor_lite.redact import redact

StructT = TypeVar("StructT", bound=msgspec.Struct)

#: Property that generated clients may add to any body; it means nothing to us.
_SCHEMA_PROPERTY = "$schema"
#: Request header in which a caller may say for how many seconds executors are to be asked.
DEADLINE_HEADER = "Conductor-Deadline-Secs"
MAX_DEADLINE_SECS = 3_600

_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MAX_ECHO_LENGTH = 200
_INT64 = range(-(2**63), 2**63)
_PATH_SUFFIX = re.compile(r" - at `\$(.*)`$", re.DOTALL)
_WORDS = {
    "int": "whole number",
    "float": "number",
    "str": "text",
    "bool": "true or false",
    "array": "list",
}


class MalformedError(ConductorError):
    """The request is not what HTTP or JSON allow, before its values even matter."""


def decode_path(values: Mapping[str, str], parameters: type[StructT]) -> StructT:
    """Validate the placeholders' values.

    Raises:
        InvalidError: locates every fault as ``path.<name>``.
    """
    return _decode(values, parameters, "path", "The path is not valid.")


def decode_query(pairs: Sequence[tuple[str, str]], parameters: type[StructT]) -> StructT:
    """Validate a query string. Names that the operation does not know are ignored.

    Raises:
        InvalidError: locates every fault as ``query.<name>``.
    """
    errors: list[FieldError] = []
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(parameters):
        given = [value for name, value in pairs if name == field.encode_name]
        if len(given) > 1:
            errors.append(_fault(f"query.{field.encode_name}", "expected it once", None))
        elif given:
            values[field.encode_name] = given[0]
    return _decode(values, parameters, "query", "The query is not valid.", errors, strict=False)


def decode_body(content: bytes, body: type[StructT]) -> StructT:
    """Decode and validate a JSON body.

    Raises:
        MalformedError: it is not JSON.
        InvalidError: locates every fault as ``body.<name>``.
    """
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise MalformedError("The body is nested too deeply.") from None
    return _decode(value, body, "body", "The body is not valid.")


def decode_deadline(text: str) -> float:
    """Seconds that a caller will wait, from the header of that name.

    Raises:
        InvalidError: it is no number, or out of bounds.
    """
    secs = float(text) if _DECIMAL.fullmatch(text) else 0.0
    if 0 < secs <= MAX_DEADLINE_SECS:
        return secs
    message = f"expected a number of seconds above 0, at most {MAX_DEADLINE_SECS}"
    raise InvalidError("The deadline is not valid.", (_fault(f"header.{DEADLINE_HEADER}", message, text),))


def safe_echo(value: object) -> object:
    """What of an offending value may be repeated to the caller: short scalars, without keys; else None.

    An address is not: those of notification targets are secrets, and one may stand where it does not belong.
    """
    if isinstance(value, str):
        return redact(value) if len(value) <= _MAX_ECHO_LENGTH and "://" not in value else None
    return value if isinstance(value, bool | int | float) else None


def _decode(
    value: object,
    struct: type[StructT],
    location: str,
    summary: str,
    errors: list[FieldError] | None = None,
    *,
    strict: bool = True,
) -> StructT:
    faults = errors if errors is not None else []
    _find_faults(value, struct, location, faults, strict=strict)
    if faults:
        raise InvalidError(summary, tuple(faults))
    if isinstance(value, dict) and _SCHEMA_PROPERTY in value:
        value = {name: member for name, member in value.items() if name != _SCHEMA_PROPERTY}
    try:
        return msgspec.convert(value, struct, strict=strict)
    except msgspec.ValidationError as error:
        # Faults that only the whole shows, such as those that a Struct's own check finds.
        raise InvalidError(summary, (_fault(location, in_plain_words(str(error)), value),)) from None


def _find_faults(value: object, kind: Any, location: str, faults: list[FieldError], *, strict: bool) -> None:
    """Descend along the type, as far as the value follows it, and collect what does not fit."""
    narrowed = _narrow(kind, value)
    if _is_struct(narrowed) and isinstance(value, Mapping):
        _find_field_faults(value, narrowed, location, faults, strict=strict)
        return
    found_before = len(faults)
    if get_origin(narrowed) in (list, tuple) and isinstance(value, list):
        for index, item in enumerate(value):
            item_kind = get_args(narrowed)[0]
            _find_faults(item, item_kind, f"{location}[{index}]", faults, strict=strict)
    if get_origin(narrowed) is dict and isinstance(value, Mapping):
        item_kind = get_args(narrowed)[1]
        for name, item in value.items() if item_kind is not Any else ():
            _find_faults(item, item_kind, redact(member(location, name)), faults, strict=strict)
    if len(faults) > found_before:
        return
    try:
        # Leniently, a number would be a time too.
        converted = msgspec.convert(value, kind, strict=strict or narrowed is datetime)
    except msgspec.ValidationError as error:
        message = str(error)
        suffix = _PATH_SUFFIX.search(message)
        inner = suffix.group(1) if suffix else ""
        if get_origin(narrowed) is Literal and isinstance(value, str):
            known = ", ".join(map(str, get_args(narrowed)))
            faults.append(_fault(location, f"unknown; expected one of {known}", value))
            return
        offending = None if inner else value
        faults.append(_fault(location + inner, in_plain_words(_PATH_SUFFIX.sub("", message)), offending))
        return
    if isinstance(converted, int) and converted not in _INT64:
        faults.append(_fault(location, "expected a number of at most 64 bits", None))


def _find_field_faults(
    value: Mapping[str, object],
    struct: type[msgspec.Struct],
    location: str,
    faults: list[FieldError],
    *,
    strict: bool,
) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in fields.items():
        where = f"{location}.{name}"
        if name in value:
            _find_faults(value[name], field.type, where, faults, strict=strict)
        elif field.required:
            faults.append(_fault(where, "it is required", None))
    if struct.__struct_config__.forbid_unknown_fields:
        known = ", ".join(fields) or "none"
        for name in value:
            if name not in fields and name != _SCHEMA_PROPERTY:
                shown = name if len(name) <= _MAX_ECHO_LENGTH else name[:_MAX_ECHO_LENGTH] + "…"
                faults.append(
                    _fault(f"{location}.{redact(shown)}", f"unknown; expected one of {known}", None)
                )


def _narrow(kind: Any, value: object) -> Any:
    """The part of ``X | None`` or ``X | UnsetType`` to descend into, without its annotations."""
    if get_origin(kind) is Annotated:
        return _narrow(get_args(kind)[0], value)
    if get_origin(kind) in (Union, types.UnionType) and value is not None:
        parts = [part for part in get_args(kind) if part not in (types.NoneType, msgspec.UnsetType)]
        if len(parts) == 1:
            return _narrow(parts[0], value)
    return kind


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _fault(location: str, message: str, value: object) -> FieldError:
    return FieldError(location=location, message=message, value=safe_echo(value))


def in_plain_words(message: str) -> str:
    """A message of msgspec in the words of JSON rather than Python's."""
    text = re.sub(r"`([^`]*)`", _in_words, message)
    return redact(text[:1].lower() + text[1:])


def _in_words(match: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in match.group(1).split(" | "))
