"""The API's own parameters as options: named, typed and left out as in its Structs."""

import inspect
import types
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import typer

from conductor_lite.api.fields import Moment

_HELP = {
    "app_version": "Application version",
    "application_name": "Name of the application",
    "attributes": "Attributes, as JSON",
    "automatic_backfill": "Whether missed times are made up for",
    "cancel_children": "Its child workflows too",
    "completed_after": "Completed at or after this time",
    "completed_before": "Completed before this time",
    "delete_children": "Its child workflows too",
    "dequeued_after": "Taken from its queue at or after this time",
    "dequeued_before": "Taken from its queue before this time",
    "end_time": "Until this time",
    "executor_id": "Id of the executor that ran it last",
    "executor_timeout_secs": "Seconds without a connection until an executor counts as dead",
    "export_children": "Its child workflows too",
    "forked_from": "Id of the workflow that it was forked from",
    "from_last_failure": "From the last step that failed",
    "from_last_step": "From the last step",
    "from_step": "From the step of this number",
    "from_step_name": "From the step of this name",
    "gc_rows_threshold": "Workflows to keep at least",
    "gc_time_threshold_ms": "Milliseconds to keep completed workflows",
    "global_timeout_ms": "Milliseconds after which workflows are cancelled",
    "has_parent": "Whether another workflow started it",
    "limit": "How many at most",
    "load_context": "With what is passed to each run",
    "load_input": "With inputs",
    "load_output": "With outputs and errors",
    "max_executors_for_old_application_versions": "Most executors for each version but the latest",
    "max_old_application_versions": "How many versions besides the latest to recommend executors for",
    "new_workflow_id": "Id of the new workflow",
    "offset": "How many to skip",
    "operation": "Name of what was done, such as workflow.cancel",
    "parent_workflow_id": "Id of the workflow that started it",
    "private_mode": "Whether payloads of its workflows stay out of sight",
    "queue_name": "Name of the queue",
    "queue_partition_key": "Partition of the queue",
    "queues_only": "Only those on queues",
    "recover_unknown_executors": "Whether work of executors never on record is recovered without asking",
    "resolution_secs": "Seconds of a step",
    "schedule_name": "Name of the schedule that started it",
    "schedule_name_prefix": "What the name begins with",
    "snapshot_interval_secs": "Seconds between two looks for workflows that changed",
    "snapshot_keep_days": "Days to keep snapshots of workflows after they ended",
    "snapshot_keep_rows": "Snapshots to keep at most",
    "snapshots_enabled": "Whether metadata of workflows is kept for when no executor is connected",
    "sort_desc": "Newest first",
    "start_step": "Number of the step to begin with",
    "start_time": "From this time on",
    "status": "Status",
    "subject": "Who did it",
    "target": "What it was done to",
    "user": "Authenticated user",
    "was_forked_from": "Whether others were forked from it",
    "workflow_id_prefix": "What the id begins with",
    "workflow_ids": "Id of the workflow",
    "workflow_name": "Name of the workflow",
}
_TIME = "TIME"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Given:
    """Says of a Struct among a command's parameters what to make of its fields.

    Args:
        defaults: texts that options have when they are not given, by field name.
        without: fields that get no option.
        helps: what is said of fields here rather than of their name everywhere.
    """

    def __init__(
        self,
        defaults: Mapping[str, str] | None = None,
        without: tuple[str, ...] = (),
        helps: Mapping[str, str] | None = None,
    ) -> None:
        self.defaults = defaults or {}
        self.without = without
        self.helps = helps or {}


def options_of(struct: type[msgspec.Struct], given: Given) -> list[inspect.Parameter]:
    """One option for each field, called as in the API; None is to say not given."""
    return [
        _option(field, given.defaults.get(field.name), given.helps.get(field.name))
        for field in msgspec.structs.fields(struct)
        if field.name not in given.without
    ]


def parse_moment(text: str) -> datetime:
    """A time from RFC 3339, ``now``, or how long ago: ``90s``, ``30m``, ``2h``, ``7d``, ``1w``.

    Raises:
        typer.BadParameter: it is none of these.
    """
    now = datetime.now(UTC)
    if text == "now":
        return now
    try:
        if text[-1:] in _UNITS and text[:-1].isdecimal():
            return now - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        return msgspec.convert(text, Moment)
    except (msgspec.ValidationError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is not a time; write one like 2026-01-31T09:00:00Z, or how long ago, like 2h or 7d."
        ) from None


def _parse_object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise typer.BadParameter(
            f"{text!r} is not a JSON object; write one like '{{\"name\": 1}}'."
        ) from None


def _option(
    field: msgspec.structs.FieldInfo, default: str | None, help_text: str | None
) -> inspect.Parameter:
    kind, meta = core(field.type)
    name = field.name.replace("_", "-")
    declaration = f"--{name}/--no-{name}" if kind is bool else f"--{name}"
    options: dict[str, Any] = {
        "help": _help(help_text or _HELP[field.name], repeats=get_origin(kind) is list)
    }
    if kind is datetime:
        options |= {"parser": parse_moment, "metavar": _TIME}
    elif kind is str or get_origin(kind) is list:
        options |= {"metavar": "TEXT"}
    elif get_origin(kind) is dict:
        options |= {"parser": _parse_object, "metavar": "JSON"}
    elif kind is int and meta is not None:
        options |= {"min": meta.ge, "max": meta.le, "metavar": "NUMBER"}
    if get_origin(kind) is dict:
        kind = dict
    first = ... if field.required and default is None else default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=kind | None,
        default=typer.Option(first, declaration, show_default=default is not None, **options),
    )


def _help(text: str, *, repeats: bool) -> str:
    return text + ("; may be repeated." if repeats else ".")


def core(kind: Any) -> tuple[Any, msgspec.Meta | None]:
    """What is left of a field's type without null, "not given" and annotations; and the latter's bounds."""
    meta = None
    while True:
        if get_origin(kind) is Annotated:
            kind, *annotations = get_args(kind)
            meta = next((item for item in annotations if isinstance(item, msgspec.Meta)), meta)
        elif get_origin(kind) in (Union, types.UnionType):
            kind = next(part for part in get_args(kind) if part not in (types.NoneType, msgspec.UnsetType))
        else:
            return kind, meta
