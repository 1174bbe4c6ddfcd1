"""The form of an alerting rule: what it begins with, what was typed into it, and what is wrong with that.

Reads forms only; the pages are in ``alerts/rules``.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from conductor_lite.console.alerts.kinds import Kind, Setting
from conductor_lite.console.forms import Form
from conductor_lite.errors import FieldError, InvalidError
from conductor_lite.operations.alerting_rules import AlertingRuleRecord

RECEIVER = "receiver"
INTERVAL = "min_interval"
#: Units that a span of time is typed in, by their length in seconds.
UNITS: dict[str, str] = {"1": "seconds", "60": "minutes", "3600": "hours", "86400": "days"}
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
_EVERY = "*"
_NO_COUNT = "a whole number from 1 is needed"
_NO_SPAN = "a number of at least one second is needed, and no fractions of seconds"
#: Where operations say that a fault is, and the field that it belongs to.
_PLACES = {"body.receivingAppName": RECEIVER, "body.minIntervalSecs": INTERVAL}
_SETTINGS = "body.ruleMetadata."


class FilledForm(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the fields, and what is wrong with it."""

    values: dict[str, str]
    #: What is wrong as a whole; empty for nothing.
    problem: str = ""
    #: What is wrong, by field.
    faults: dict[str, str] = {}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as a form asks for it."""

    metadata: dict[str, object]
    receiver: str
    #: Seconds that it stays quiet after firing; None leaves that to the conductor.
    min_interval_secs: int | None


def begin(kind: Kind) -> FilledForm:
    """What the form of a new rule begins with."""
    usual: dict[str, object] = {setting.name: setting.usual for setting in kind.settings}
    return FilledForm(values=_values(kind, usual, None, ""))


def of_rule(kind: Kind, rule: AlertingRuleRecord, receiver: str) -> FilledForm:
    """What the form of a rule that is there begins with."""
    settings = msgspec.structs.asdict(rule.rule_metadata)
    return FilledForm(values=_values(kind, settings, rule.min_interval_secs, receiver))


def typed(kind: Kind, form: Form) -> dict[str, str]:
    """What was typed, as it was typed."""
    names = [RECEIVER, INTERVAL, _unit(INTERVAL)]
    for setting in kind.settings:
        names += [setting.name, _unit(setting.name)] if setting.kind == "secs" else [setting.name]
    return {name: form.text(name) for name in names}


def read(kind: Kind, values: Mapping[str, str]) -> Wanted:
    """Read a form.

    Raises:
        InvalidError: a number is none; every fault is located as operations locate theirs.
    """
    errors: list[FieldError] = []
    metadata: dict[str, object] = {}
    for setting in kind.settings:
        try:
            metadata[setting.name] = _setting(setting, values)
        except ValueError as error:
            errors.append(FieldError(location=f"{_SETTINGS}{setting.name}", message=str(error)))
    interval: int | None = None
    if values[INTERVAL]:
        try:
            interval = _secs(values, INTERVAL, least=0)
        except ValueError as error:
            errors.append(FieldError(location="body.minIntervalSecs", message=str(error)))
    if errors:
        raise InvalidError("The rule cannot be like this.", tuple(errors))
    return Wanted(metadata=metadata, receiver=values[RECEIVER], min_interval_secs=interval)


def faulty(values: dict[str, str], error: InvalidError) -> FilledForm:
    """The form as it was typed, with what is wrong beside its fields."""
    faults: dict[str, str] = {}
    unplaced: list[str] = []
    for fault in error.errors:
        name = _PLACES.get(fault.location, fault.location.removeprefix(_SETTINGS))
        if name in values:
            faults[name] = fault.message
        else:
            unplaced.append(fault.message)
    return FilledForm(values=values, problem=" ".join([str(error), *unplaced]), faults=faults)


def units() -> Iterable[tuple[str, str]]:
    """The choices of a unit: value and label."""
    return UNITS.items()


def _values(
    kind: Kind, settings: Mapping[str, object], min_interval_secs: int | None, receiver: str
) -> dict[str, str]:
    values = {RECEIVER: receiver, **_span(INTERVAL, min_interval_secs)}
    for setting in kind.settings:
        value = settings[setting.name]
        if setting.kind == "secs" and isinstance(value, int):
            values |= _span(setting.name, value)
        else:
            values[setting.name] = "" if value == _EVERY else str(value)
    return values


def _span(name: str, secs: int | None) -> dict[str, str]:
    """A span in the largest unit that it is a whole number of."""
    if secs is None:
        return {name: "", _unit(name): "60"}
    unit = next((unit for unit in reversed(UNITS) if secs and secs % int(unit) == 0), "1")
    return {name: str(secs // int(unit)), _unit(name): unit}


def _unit(name: str) -> str:
    return f"{name}_unit"


def _setting(setting: Setting, values: Mapping[str, str]) -> object:
    text = values[setting.name]
    match setting.kind:
        case "name":
            return text or _EVERY
        case "count":
            if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) >= 1):
                raise ValueError(_NO_COUNT)
            return int(text)
        case "secs":
            return _secs(values, setting.name, least=1)


def _secs(values: Mapping[str, str], name: str, *, least: int) -> int:
    text, unit = values[name], values[_unit(name)]
    if not _NUMBER.fullmatch(text) or unit not in UNITS:
        raise ValueError(_NO_SPAN)
    secs = Decimal(text) * int(unit)
    if secs != int(secs) or secs < least:
        raise ValueError(_NO_SPAN)
    return int(secs)
