"""The generated document: it says what the published API says, and what the server does."""

import json
from pathlib import Path
from typing import Any

import pytest

from conductor_lite.api.openapi import build_document
from conductor_lite.api.operation import Nothing
from conductor_lite.api.table import TABLE, check

PUBLISHED = json.loads(Path(__file__).with_name("published_operations.json").read_text())
DOCUMENT = build_document(TABLE)


def _name(schema: dict[str, Any] | None) -> Any:
    if schema is None:
        return None
    if schema.get("type") == "array":
        return [_name(schema["items"])]
    return schema.get("$ref", schema.get("type", "")).rpartition("/")[2]


def _summary(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    (status, success) = next(item for item in operation["responses"].items() if item[0] != "default")
    body = operation.get("requestBody")
    summary = {
        "operationId": operation["operationId"],
        "method": method,
        "path": path,
        "parameters": [parameter["name"] for parameter in operation["parameters"]],
        "body": _name(body["content"]["application/json"]["schema"]) if body else None,
        "status": status,
        "answer": _name(success.get("content", {}).get("application/json", {}).get("schema")),
    }
    return summary | ({"bodyRequired": True} if body and body["required"] else {})


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        kinds = [_kind(part) for part in schema["anyOf"]]
        return "".join(kind for kind in kinds if kind != "null") + ("?" if "null" in kinds else "")
    return "enum" if "enum" in schema else str(schema["type"])


@pytest.mark.parametrize("published", PUBLISHED["operations"], ids=lambda row: row["operationId"])
def test_operation_has_the_published_path_parameters_bodies_and_status(published: dict[str, Any]) -> None:
    operation = DOCUMENT["paths"][published["path"]][published["method"]]
    assert _summary(published["method"], published["path"], operation) == published


@pytest.mark.parametrize("name", PUBLISHED["schemas"])
def test_schema_has_the_published_properties_with_their_types(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    kinds = {field: _kind(member) for field, member in schema["properties"].items()}
    assert kinds == PUBLISHED["schemas"][name]


@pytest.mark.parametrize("name", PUBLISHED["schemas"])
def test_answers_have_every_property_and_bodies_may_leave_each_out(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    expected = set(PUBLISHED["schemas"][name]) if name in PUBLISHED["responseSchemas"] else set()
    assert set(schema["required"]) == expected


def test_problems_have_the_published_properties_and_one_extension() -> None:
    properties = DOCUMENT["components"]["schemas"]["ErrorModel"]["properties"]
    assert set(properties) == {*PUBLISHED["problem"], "report"}


def test_nothing_is_served_that_is_not_published() -> None:
    served = {operation.operation_id for operation in TABLE}
    assert served >= {row["operationId"] for row in PUBLISHED["operations"]}
    assert len(served) == sum(len(members) for members in DOCUMENT["paths"].values())


def test_every_reference_leads_somewhere() -> None:
    names = set(DOCUMENT["components"]["schemas"])
    text = json.dumps(DOCUMENT)
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references
    assert references <= names


def test_every_operation_describes_its_errors_as_problems() -> None:
    for members in DOCUMENT["paths"].values():
        for operation in members.values():
            content = operation["responses"]["default"]["content"]
            assert content == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/ErrorModel"}}
            }


def test_security_schemes_are_the_published_ones() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {name: (scheme["type"], scheme["scheme"]) for name, scheme in schemes.items()} == {
        "ApiKeyAuth": ("http", "bearer"),
        "BearerAuth": ("http", "bearer"),
    }


def test_bounds_that_the_operations_check_are_in_the_document() -> None:
    properties = DOCUMENT["components"]["schemas"]["PatchAppInputBody"]["properties"]
    timeout = properties["executorTimeoutSecs"]
    assert (timeout["minimum"], timeout["maximum"], timeout["format"]) == (1, 86_400, "int64")
    assert properties["gcRowsThreshold"]["minimum"] == 0


def test_application_names_may_have_256_characters() -> None:
    parameters = DOCUMENT["paths"]["/v2/orgs/{orgName}/apps/{appName}"]["get"]["parameters"]
    schema = next(p["schema"] for p in parameters if p["name"] == "appName")
    assert (schema["minLength"], schema["maxLength"]) == (3, 256)


def test_table_with_a_route_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="stands twice"):
        check([TABLE[0], TABLE[0]])


def test_table_whose_path_does_not_match_its_parameters_is_refused() -> None:
    row = TABLE[0]
    broken = type(row)(
        **{name: getattr(row, name) for name in row.__struct_fields__} | {"path_parameters": Nothing}
    )
    with pytest.raises(ValueError, match="does not match"):
        check([broken])
