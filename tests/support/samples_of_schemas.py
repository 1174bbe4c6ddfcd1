"""Smallest values that fit a JSON Schema: enough to make a valid request of every operation."""

from collections.abc import Mapping
from typing import Any

_REF_PREFIX = "#/components/schemas/"
_PLAIN: Mapping[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None, "array": []}


def sample(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Make one value.

    Args:
        schema: a JSON Schema as the OpenAPI document has them.
        schemas: those that references lead to, by name.
    """
    if "$ref" in schema:
        return sample(schemas[schema["$ref"].removeprefix(_REF_PREFIX)], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], schemas)
    kind = schema.get("type", "object")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: sample(members[name], schemas) for name in schema.get("required", [])}
    if kind == "string":
        return _text(schema)
    if kind == "array" and schema.get("minItems"):
        return [sample(schema["items"], schemas)] * schema["minItems"]
    return _PLAIN[kind]


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    return "fresh"
