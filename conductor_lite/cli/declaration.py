"""From what stands under ``[apps]`` in conductor.toml to what the API takes: checks names and kinds.

Pure: the environment is given to it. Bounds, and what depends on what there is, the server checks.
"""

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from conductor_lite.api.decoding import in_plain_words
from conductor_lite.api.schemas.declaration import ApplyDeclarationInputBody, DeclaredApp
from conductor_lite.cli.fields import core
from conductor_lite.errors import ConfigurationError, FieldError, member

#: What is written for a limit that is not to be; TOML has no null.
OFF = "off"
#: What an address begins with that stands in an environment variable.
FROM_ENVIRONMENT = "env:"

_INT64 = range(-(2**63), 2**63)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Quoted names are passed over.
_HUMP = re.compile(r'"(?:[^"\\]|\\.)*"|(?<=[a-z0-9])[A-Z]')


def read_declaration(
    source: object, tables: object, environment: Mapping[str, str]
) -> ApplyDeclarationInputBody:
    """Read a declaration.

    Args:
        source: the file, for messages.
        tables: what stands under ``[apps]``.
        environment: where addresses may be; usually ``os.environ``.

    Raises:
        ConfigurationError: locates every fault; repeats no address.
    """
    faults: list[FieldError] = []
    apps: dict[str, DeclaredApp] = {}
    if not isinstance(tables, Mapping):
        faults.append(_fault("apps", "expected tables: write [apps.NAME]"))
    else:
        for name, table in tables.items():
            where = member("apps", name)
            resolved = _with_addresses(table, where, environment, faults)
            apps[name] = _read_table(resolved, DeclaredApp, where, faults)
    if faults:
        raise refusal(source, faults)
    return ApplyDeclarationInputBody(apps=apps)


def refusal(source: object, faults: list[FieldError]) -> ConfigurationError:
    """What is said of a declaration that cannot be; nothing was changed then."""
    return ConfigurationError(
        f"What {source} declares cannot be applied; nothing was changed.", tuple(faults)
    )


def in_file(fault: FieldError) -> FieldError:
    """A fault that the server located in the body of the request, located in the file."""
    location = _HUMP.sub(_in_snake_case, fault.location.removeprefix("body."))
    return FieldError(location=location, message=fault.message)


def _in_snake_case(match: re.Match[str]) -> str:
    text = match.group()
    return text if text.startswith('"') else f"_{text.lower()}"


def _with_addresses(
    table: object, where: str, environment: Mapping[str, str], faults: list[FieldError]
) -> object:
    """The table with addresses in the place of the variables that hold them."""
    targets = table.get("notification_targets") if isinstance(table, Mapping) else None
    if not isinstance(table, Mapping) or not isinstance(targets, Mapping):
        return table
    addresses = {}
    for name, text in targets.items():
        addresses[name] = text
        if not isinstance(text, str) or not text.startswith(FROM_ENVIRONMENT):
            continue
        variable = text.removeprefix(FROM_ENVIRONMENT)
        place = member(f"{where}.notification_targets", name)
        if not _VARIABLE.fullmatch(variable):
            faults.append(_fault(place, "expected the name of an environment variable after env:"))
        elif not environment.get(variable):
            faults.append(_fault(place, f"the environment variable {variable} is not set"))
        else:
            addresses[name] = environment[variable]
    return {**table, "notification_targets": addresses}


def _read(value: object, kind: Any, where: str, faults: list[FieldError]) -> Any:
    """A value of that kind; whatever, where it is none."""
    bare, _ = core(kind)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _read_table(value, bare, where, faults)
    if bare is Any:
        return _read_facts(value, where, faults)
    if get_origin(bare) is list and isinstance(value, list):
        return [_read(item, get_args(bare)[0], f"{where}[{i}]", faults) for i, item in enumerate(value)]
    if get_origin(bare) is dict and isinstance(value, Mapping):
        return {
            name: _read(item, get_args(bare)[1], member(where, name), faults) for name, item in value.items()
        }
    try:
        converted = msgspec.convert(None if value == OFF and bare is int else value, kind)
    except msgspec.ValidationError as error:
        faults.append(_fault(where, in_plain_words(str(error))))
        return None
    if isinstance(converted, int) and converted not in _INT64:
        faults.append(_fault(where, "expected a number of at most 64 bits"))
    return converted


def _read_table(value: object, struct: type[msgspec.Struct], where: str, faults: list[FieldError]) -> Any:
    if not isinstance(value, Mapping):
        faults.append(_fault(where, f"expected a table: write [{where}]"))
        return None
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    unknown = f"unknown; expected one of {', '.join(fields)}"
    faults += [_fault(member(where, name), unknown) for name in value if name not in fields]
    values = {}
    before = len(faults)
    for name, field in fields.items():
        if name in value:
            values[name] = _read(value[name], field.type, f"{where}.{name}", faults)
        elif field.required:
            faults.append(_fault(f"{where}.{name}", "it is required"))
    return struct(**values) if len(faults) == before else None


def _read_facts(value: object, where: str, faults: list[FieldError]) -> object:
    """What tells an alerting rule: texts and numbers by name. Which ones, the server knows."""
    if not isinstance(value, Mapping):
        faults.append(_fault(where, "expected a table, such as { threshold = 5, period_secs = 300 }"))
        return None
    return {name: _read(item, str | int, member(where, name), faults) for name, item in value.items()}


def _fault(location: str, message: str) -> FieldError:
    return FieldError(location=location, message=message)
