"""The workflow table's query string: which workflows it asks for, in what order; addresses that change it.

Pure. What a value means to executors is `WorkflowFilters`; where rows come from is none of its business.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

import msgspec

from conductor_lite.console.preferences import ANY_TIME, RANGES, zone_of
from conductor_lite.errors import FieldError
from conductor_lite.protocol import WorkflowAggregatesBody, WorkflowFilters

#: Known statuses, as people look for them: what goes on first, what went wrong next.
STATUSES = (
    "PENDING",
    "ENQUEUED",
    "DELAYED",
    "ERROR",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED",
    "CANCELLED",
    "SUCCESS",
)

#: Fields whose values are text that must be equal, and what executors call them.
TEXTS: dict[str, str] = {
    "name": "workflow_name",
    "queue": "queue_name",
    "version": "application_version",
    "executor": "executor_id",
    "user": "authenticated_user",
    "parent": "parent_workflow_id",
    "forked_from": "forked_from",
    "schedule": "schedule_name",
    "app": "application_name",
}
#: Fields that are answered with yes or no.
FLAGS: dict[str, str] = {
    "has_parent": "has_parent",
    "was_forked": "was_forked_from",
    "queued": "queues_only",
}
#: Fields that are a moment.
TIMES: dict[str, str] = {
    "start": "start_time",
    "end": "end_time",
    "completed_after": "completed_after",
    "completed_before": "completed_before",
    "dequeued_after": "dequeued_after",
    "dequeued_before": "dequeued_before",
}
_PAIRS = (
    ("start", "end", "created"),
    ("completed_after", "completed_before", "completed"),
    ("dequeued_after", "dequeued_before", "dequeued"),
)
#: What people call a field, where its own name would not do.
LABELS: dict[str, str] = {
    "status": "Status",
    "id": "Id",
    "name": "Name",
    "queue": "Queue",
    "version": "Version",
    "executor": "Executor",
    "user": "User",
    "parent": "Parent",
    "forked_from": "Forked from",
    "schedule": "Schedule",
    "app": "Application name",
    "has_parent": "Has a parent",
    "was_forked": "Was forked",
    "queued": "On a queue",
    "start": "Created from",
    "end": "Created until",
    "completed_after": "Completed from",
    "completed_before": "Completed before",
    "dequeued_after": "Dequeued from",
    "dequeued_before": "Dequeued before",
    "attr": "Attribute",
}
#: The same fields by the names that the HTTP API has for them.
_ALIASES: dict[str, str] = {
    "workflow_id_prefix": "id",
    "attributes": "attr",
    **{wire: field for field, wire in (TEXTS | FLAGS | TIMES).items()},
}
#: In the order that addresses have them.
FIELDS = ("status", "id", *TEXTS, *FLAGS, *TIMES, "attr")

#: Those whose fields are always in sight.
IN_SIGHT = ("status", "id", "name", "queue", "version")

MAX_VALUES = 100
MAX_LENGTH = 1_000
_STATUS = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
#: SDKs cut a time off at the millisecond, and a float may lie a hair below the one that is meant.
_HALF_MS = timedelta(microseconds=500)
#: The last millisecond that a calendar has; executors may tell of later ones.
_LAST_MS = 253_402_300_799_999


class WorkflowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What one address of the workflow table asks for."""

    #: Filters that are given, as pairs of field and value, in the order of `FIELDS`; times in UTC.
    given: tuple[tuple[str, str], ...] = ()
    #: One of `preferences.RANGES`, or `ANY_TIME`; empty between two given times.
    range_name: str = ANY_TIME
    #: What executors are asked; without limit, offset and order.
    filters: WorkflowFilters = WorkflowFilters()
    #: What is wrong with what was given; then ``filters`` is not to be used.
    errors: tuple[FieldError, ...] = ()
    #: Top-level workflows only, with children beneath those that are open.
    tree: bool = False
    #: Ids of workflows whose children are shown.
    opened: tuple[str, ...] = ()
    oldest_first: bool = False

    def values(self, field: str) -> tuple[str, ...]:
        """The values of one field."""
        return tuple(value for name, value in self.given if name == field)

    def first(self, field: str) -> str:
        """The first value of one field; empty when there is none."""
        return next(iter(self.values(field)), "")

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered, other than by when it was created."""
        return bool(self.given)

    @property
    def asked(self) -> WorkflowFilters:
        """What executors are asked for the rows: in a tree, those at the top."""
        filters = self.filters
        if self.tree and filters.has_parent is None and filters.parent_workflow_id is None:
            return msgspec.structs.replace(filters, has_parent=False)
        return filters

    @property
    def fixed(self) -> str:
        """The filters as a query string that means the same whenever it is read."""
        given = list(self.given)
        if self.range_name in RANGES and self.filters.start_time:
            given = _sorted([*given, ("start", self.filters.start_time.replace("+00:00", "Z"))])
        return urlencode([*given, *([("tree", "1")] if self.tree else [])])

    @property
    def words(self) -> str:
        """The filters as people read them."""
        parts = [f"{LABELS[field]} {value}" for field, value in self.given]
        if self.range_name in RANGES:
            parts.append(f"Created within the last {RANGES[self.range_name][1]}")
        if self.tree:
            parts.append("Top level only")
        return ", ".join(parts) or "Every workflow"

    def pairs(
        self,
        changed: Mapping[str, object] = {},
        given: Iterable[tuple[str, str]] | None = None,
        opened: Iterable[str] | None = None,
    ) -> list[tuple[str, str]]:
        """The query string as pairs, with other filters, open workflows or settings."""
        settings: dict[str, object] = {
            "range": "" if self.range_name == ANY_TIME else self.range_name,
            "tree": "1" if self.tree else "",
            "sort": "oldest" if self.oldest_first else "",
            **changed,
        }
        chosen = list(self.given if given is None else given)
        if settings["range"]:
            chosen = [pair for pair in chosen if pair[0] not in ("start", "end")]
        chosen += [(name, str(value)) for name, value in settings.items() if value]
        if settings["tree"]:
            chosen += [("open", id_) for id_ in (self.opened if opened is None else opened)]
        # A bare address means the remembered range; this one is to say any.
        return chosen or [("range", ANY_TIME)]

    def to(self, path: str, **changed: object) -> str:
        """An address with these filters and another setting, such as ``page=2``."""
        return _address(path, self.pairs(changed))

    def setting(self, path: str, field: str, value: str) -> str:
        """An address where a field has just this value."""
        return _address(path, self.pairs(given=_sorted([*self._others(field), (field, value)])))

    def toggled(self, path: str, field: str, value: str) -> str:
        """An address where a field has a value that it has not now, or the other way round."""
        pair = (field, value)
        return self.without(path, field, value) if pair in self.given else self._adding(path, pair)

    def without(self, path: str, field: str, value: str | None = None) -> str:
        """An address without a value of a field, or without all of them."""
        left = [pair for pair in self.given if pair[0] != field or (value is not None and pair[1] != value)]
        return _address(path, self.pairs(given=left))

    def cleared(self, path: str) -> str:
        """An address without filters, in the same order."""
        return _address(path, self.pairs({"range": ""}, ()))

    def folded(self, path: str, workflow_id: str, **changed: object) -> str:
        """An address where a workflow's children are shown that are not now, or the other way round."""
        others = [id_ for id_ in self.opened if id_ != workflow_id]
        opened = others if workflow_id in self.opened else [*others, workflow_id]
        return _address(path, self.pairs(changed, opened=opened))

    def _adding(self, path: str, pair: tuple[str, str]) -> str:
        return _address(path, self.pairs(given=_sorted([*self.given, pair])))

    def _others(self, field: str) -> list[tuple[str, str]]:
        return [pair for pair in self.given if pair[0] != field]


def parse_query(
    pairs: Iterable[tuple[str, str]], *, zone: tzinfo, now: datetime, usual_range: str = ANY_TIME
) -> WorkflowQuery:
    """Read a query string; what is wrong with it is told in the result.

    Args:
        pairs: of field and value.
        zone: of times that say none themselves, unless ``zone=`` names another.
        now: ranges count back from the whole minute after it.
        usual_range: shown when nothing at all is asked for.
    """
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if value.strip():
            fields.setdefault(_ALIASES.get(name, name), []).append(value.strip())
    reading = _Reading(zone_of((fields.get("zone") or [""])[0]) or zone)
    reading.read(fields)
    asked = (fields.get("range") or [""])[0]
    between = "start" in fields or "end" in fields
    usual = usual_range if usual_range in RANGES and not fields else ANY_TIME
    range_name = "" if between else asked if asked in RANGES else usual
    if range_name in RANGES:
        end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        reading.filters["start_time"] = (end - timedelta(seconds=RANGES[range_name][0])).isoformat()
    return WorkflowQuery(
        given=tuple(reading.given),
        range_name=range_name,
        filters=WorkflowFilters(**reading.filters),
        errors=tuple(reading.errors),
        tree=fields.get("tree") == ["1"],
        opened=tuple(dict.fromkeys(fields.get("open", ())))[:MAX_VALUES],
        oldest_first=fields.get("sort") == ["oldest"],
    )


class _Reading:
    """Reads the fields one after another."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.given: list[tuple[str, str]] = []
        self.filters: dict[str, Any] = {}
        self.errors: list[FieldError] = []

    def read(self, fields: Mapping[str, list[str]]) -> None:
        for name in FIELDS:
            values = list(dict.fromkeys(self._split(name, fields.get(name, ()))))
            if len(values) > MAX_VALUES or any(len(value) > MAX_LENGTH for value in values):
                self._refuse(name, f"at most {MAX_VALUES} values of {MAX_LENGTH} characters")
            elif values:
                self._field(name, values)
        moments = self.filters
        for begin, end, what in _PAIRS:
            first, last = moments.get(TIMES[begin]), moments.get(TIMES[end])
            if first and last and last <= first:
                self._refuse(end, f"the end of the time when workflows were {what} is not after its start")

    @staticmethod
    def _split(name: str, values: Iterable[str]) -> Iterable[str]:
        """Several statuses may stand side by side, and several ids that somebody pasted."""
        for value in values:
            if name == "status":
                yield from value.upper().replace(",", " ").split()
            elif name == "id":
                yield from value.split()
            else:
                yield value

    def _field(self, name: str, values: list[str]) -> None:
        if name in TIMES:
            self._moment(name, values[0])
        elif name in FLAGS:
            self._flag(name, values[0])
        elif name == "attr":
            self._attributes(values)
        elif name == "status" and not all(_STATUS.fullmatch(value) for value in values):
            self.given += [(name, value) for value in values]
            self._refuse(name, f"expected words such as {STATUSES[0]} or {STATUSES[3]}")
        else:
            self.given += [(name, value) for value in values]
            self.filters[{"status": "status", "id": "workflow_id_prefix"}.get(name) or TEXTS[name]] = values

    def _moment(self, name: str, text: str) -> None:
        try:
            moment = datetime.fromisoformat(text)
            moment = (moment.replace(tzinfo=self._zone) if moment.tzinfo is None else moment).astimezone(UTC)
        except (ValueError, OverflowError):
            self.given.append((name, text))
            self._refuse(name, f"{text[:40]!r} is no time; write one such as 2026-11-25T03:00Z")
            return
        self.given.append((name, moment.isoformat().replace("+00:00", "Z")))
        self.filters[TIMES[name]] = moment.isoformat()

    def _flag(self, name: str, text: str) -> None:
        self.given.append((name, text))
        if name == "queued" and text != "yes":
            # Executors cannot look for those on no queue, and nothing else is to be acted on instead.
            self._refuse(name, "expected yes, or nothing")
        elif text not in ("yes", "no"):
            self._refuse(name, "expected yes or no")
        else:
            self.filters[FLAGS[name]] = text == "yes"

    def _attributes(self, values: list[str]) -> None:
        attributes: dict[str, Any] = {}
        for value in values:
            self.given.append(("attr", value))
            key, equals, text = value.partition("=")
            if not (key.strip() and equals):
                self._refuse("attr", f"{value[:40]!r} is no attribute; write one such as country=DE")
            attributes[key.strip()] = _attribute_value(text.strip())
        self.filters["attributes"] = attributes

    def _refuse(self, name: str, message: str) -> None:
        self.errors.append(FieldError(location=f"query.{name}", message=message))


def _attribute_value(text: str) -> object:
    """Numbers, true, false and null are that; text may stand in quotes, and must where it looks so."""
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text
    return value if value is None or isinstance(value, str | bool | int | float) else text


def field_of(wire_name: str) -> str:
    """What this page calls a filter of executors."""
    return _ALIASES.get(wire_name, wire_name)


def aggregates_of(filters: WorkflowFilters) -> WorkflowAggregatesBody | None:
    """The same filters for counting by status, whatever it is; None where counting does not know them."""
    if filters.queues_only:
        return None
    values = {
        name: getattr(filters, name)
        for name in WorkflowAggregatesBody.__struct_fields__
        if name != "status" and getattr(filters, name, None) is not None
    }
    return WorkflowAggregatesBody(group_by_status=True, select_count=True, **values)


def up_to(filters: WorkflowFilters, created_epoch_ms: int) -> WorkflowFilters:
    """The same filters, for what was created until then only."""
    bound = moment_text(created_epoch_ms)
    if filters.end_time is not None and filters.end_time < bound:
        return filters
    return msgspec.structs.replace(filters, end_time=bound)


def moment_text(epoch_ms: int) -> str:
    """A time for a filter, by which a workflow created in that very millisecond is still found."""
    known = min(max(epoch_ms, 0), _LAST_MS)
    return (datetime.fromtimestamp(known // 1_000, UTC) + _within(known % 1_000)).isoformat()


def _within(ms: int) -> timedelta:
    return timedelta(milliseconds=ms) + _HALF_MS


def _sorted(given: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(given, key=lambda pair: FIELDS.index(pair[0]))


def _address(path: str, pairs: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path
