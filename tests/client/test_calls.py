"""The client's calls beside the server's table: same operations, paths, parameters, bodies and answers."""

import inspect
import re
import subprocess
import sys
import types
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from conductor_lite.api.operation import AnyOperation, Nothing
from conductor_lite.api.schemas.applications import PatchAppInputBody
from conductor_lite.api.table import TABLE
from conductor_lite.client import Call, Listing, calls
from conductor_lite.operations.applications import BOUNDS

SERVER_PARTS = (
    "alembic",
    "argon2",
    "jinja2",
    "sqlalchemy",
    "starlette",
    "typer",
    "uvicorn",
    "uvloop",
    "websockets",
    "conductor_lite.auth",
    "conductor_lite.fleet",
    "conductor_lite.operations",
    "conductor_lite.protocol",
    "conductor_lite.server",
    "conductor_lite.store",
)


def function_name(operation_id: str) -> str:
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), operation_id)


def struct_of(hint: Any) -> type | None:
    """The Struct of ``X`` or ``X | None``; None for text."""
    parts = get_args(hint) or (hint,)
    structs = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    return structs[0] if structs else None


def an_instance(struct: type) -> Any:
    """Any instance: what is in its required fields does not matter here."""
    required = {field.name: "x" for field in msgspec.structs.fields(struct) if field.required}
    return struct(**required)


def call_of(operation: AnyOperation) -> tuple[Call[Any], dict[str, Any]]:
    """The client's call for a row, made with every argument; and the arguments."""
    function = getattr(calls, function_name(operation.operation_id))
    hints = get_type_hints(function)
    arguments: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        struct = struct_of(hints[name])
        arguments[name] = f"the-{name}" if struct is None else an_instance(struct)
    return function(**arguments), arguments


def test_there_is_a_call_for_every_operation_and_no_other() -> None:
    assert sorted(calls.__all__) == sorted(function_name(row.operation_id) for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.operation_id)
def test_call_is_what_the_table_says(row: AnyOperation) -> None:
    call, arguments = call_of(row)
    assert (call.operation_id, call.method, call.path) == (row.operation_id, row.method, row.path)
    assert ["orgName", *call.names] == list(row.placeholders) or list(call.names) == list(row.placeholders)
    texts = [value for value in arguments.values() if isinstance(value, str)]
    assert list(call.names.values()) == texts
    assert type(call.query) is (types.NoneType if row.query_parameters is Nothing else row.query_parameters)
    assert type(call.body) is (row.body if row.has_body else types.NoneType)
    assert call.result == row.result


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.has_body], ids=lambda row: f"{row.operation_id}-{row.body_required}"
)
def test_a_body_may_be_left_out_where_the_server_lets_it(row: AnyOperation) -> None:
    function = getattr(calls, function_name(row.operation_id))
    default = inspect.signature(function).parameters["body"].default
    assert (default is inspect.Parameter.empty) == row.body_required


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in TABLE
        if row.paged_handler or {"limit", "offset"} <= set(row.query_parameters.__struct_fields__)
    ],
    ids=lambda row: row.operation_id,
)
def test_what_the_server_lists_in_parts_can_be_listed_in_parts(row: AnyOperation) -> None:
    assert isinstance(call_of(row)[0], Listing)


@pytest.mark.parametrize("row", [row for row in TABLE if row.audit], ids=lambda row: row.operation_id)
def test_what_makes_something_new_each_time_is_sent_twice_only_with_a_key(row: AnyOperation) -> None:
    call = call_of(row)[0]
    assert call.keyed == (row.caution is not None)
    makes = ("fork", "restart", "trigger", "backfill", "create", "import", "rewind", "bulkFork", "generate")
    if row.operation_id.startswith(makes):
        assert call.idempotent == call.keyed


def test_bounds_of_settings_are_told_as_the_operation_has_them() -> None:
    schema = msgspec.json.schema(PatchAppInputBody)["$defs"]["PatchAppInputBody"]["properties"]
    for field, low, high in BOUNDS.values():
        # That a number has 64 bits at most is told by its format.
        told = schema[field]["minimum"], schema[field].get("maximum", 2**63 - 1)
        assert told == (low, high), field


@pytest.mark.parametrize("module", ["conductor_lite.client", "conductor_lite.client.calls"])
def test_importing_the_client_pulls_in_nothing_of_the_server(module: str) -> None:
    program = f"import {module}, sys; print(*sys.modules)"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = finished.stdout.split()
    assert module in loaded
    assert not [
        name for name in loaded if any(name == part or name.startswith(f"{part}.") for part in SERVER_PARTS)
    ]
