"""The OpenAPI 3.0 form says the same as the 3.1 form, in words that 3.0 has."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from conductor_lite.api.openapi import build_document
from conductor_lite.api.openapi30 import to_openapi_30
from conductor_lite.api.table import TABLE


def translate(schema: Any) -> Any:
    """One schema by itself."""
    document = {"openapi": "3.1.0", "info": {}, "components": {"schemas": {"It": schema}}}
    return to_openapi_30(document)["components"]["schemas"]["It"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["null"]}, {"nullable": True}),
        ({"type": ["string"]}, {"type": "string"}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (
            {"type": ["string", "integer", "null"]},
            {
                "anyOf": [{"type": "string", "nullable": True}, {"type": "integer", "nullable": True}],
                "nullable": True,
            },
        ),
        ({"type": "null"}, {"nullable": True, "enum": [None]}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"const": None}, {"nullable": True, "enum": [None]}),
        (
            {"type": ["string", "null"], "enum": ["a", "b"]},
            {"type": "string", "nullable": True, "enum": ["a", "b", None]},
        ),
        ({"type": "integer", "examples": [1, 2]}, {"type": "integer", "example": 1}),
        ({"type": "integer", "examples": []}, {"type": "integer"}),
        (
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9},
            {
                "type": "number",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 9,
                "exclusiveMaximum": True,
            },
        ),
        ({"minimum": 5, "exclusiveMinimum": 3}, {"minimum": 5}),
        ({"maximum": 5, "exclusiveMaximum": 3}, {"maximum": 3, "exclusiveMaximum": True}),
        (
            {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}], "title": "T"},
            {"type": "string", "format": "date-time", "nullable": True, "title": "T"},
        ),
        (
            {"anyOf": [{"$ref": "#/components/schemas/X"}, {"type": "null"}]},
            {"allOf": [{"$ref": "#/components/schemas/X"}], "nullable": True},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
            {
                "anyOf": [{"type": "string", "nullable": True}, {"type": "integer", "nullable": True}],
                "nullable": True,
            },
        ),
        (
            {"anyOf": [{"type": "string"}, {"const": 1}]},
            {"anyOf": [{"type": "string"}, {"enum": [1]}]},
        ),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        ({"$ref": "#/x", "description": "d"}, {"allOf": [{"$ref": "#/x"}], "description": "d"}),
        (
            {"type": "array", "items": {"type": ["integer", "null"]}},
            {"type": "array", "items": {"type": "integer", "nullable": True}},
        ),
        (
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            {"type": "object", "additionalProperties": {"type": "string", "nullable": True}},
        ),
        (
            {"properties": {"type": {"type": ["string", "null"]}, "const": {"const": 1}}},
            {"properties": {"type": {"type": "string", "nullable": True}, "const": {"enum": [1]}}},
        ),
        (
            {"allOf": [{"const": 1}], "oneOf": [True], "not": {"type": ["string"]}},
            {"allOf": [{"enum": [1]}], "oneOf": [{}], "not": {"type": "string"}},
        ),
        (False, {"not": {}}),
    ],
)
def test_schema_is_said_in_the_words_of_3_0(schema: Any, expected: Any) -> None:
    before = copy.deepcopy(schema)
    assert translate(schema) == expected
    assert schema == before


@pytest.mark.parametrize("keyword", ["prefixItems", "patternProperties", "if", "$defs", "contentEncoding"])
def test_what_3_0_cannot_say_is_refused_by_name(keyword: str) -> None:
    with pytest.raises(ValueError, match=keyword.replace("$", r"\$")):
        translate({"properties": {"a": {keyword: {}}}})


def test_webhooks_are_refused() -> None:
    with pytest.raises(ValueError, match="webhooks"):
        to_openapi_30({"openapi": "3.1.0", "info": {}, "webhooks": {}})


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from _schemas(member)
    elif isinstance(value, list):
        for item in value:
            yield from _schemas(item)


def test_our_document_keeps_its_operations_and_properties_and_nothing_of_3_1() -> None:
    newer = build_document(TABLE)
    older = to_openapi_30(newer)
    assert older["openapi"] == "3.0.3"
    assert older["info"]["license"] == {"name": "MIT"}
    for path, members in newer["paths"].items():
        for method, operation in members.items():
            translated = older["paths"][path][method]
            assert translated["operationId"] == operation["operationId"]
            assert [p["name"] for p in translated["parameters"]] == [
                p["name"] for p in operation["parameters"]
            ]
            assert translated["responses"].keys() == operation["responses"].keys()
    for name, schema in newer["components"]["schemas"].items():
        translated = older["components"]["schemas"][name]
        assert translated.get("properties", {}).keys() == schema.get("properties", {}).keys()
        assert translated.get("required") == schema.get("required")
    for schema in _schemas(older["components"]["schemas"]):
        assert schema.get("type") != "null"
        assert not isinstance(schema.get("type"), list)
        if "$ref" in schema:
            assert len(schema) == 1
