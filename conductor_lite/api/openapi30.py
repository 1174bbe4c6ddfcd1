"""The OpenAPI 3.0 form of the document, for tools that do not read 3.1: made from it, and from nothing else.

Knows what JSON Schemas made from types contain; anything else that 3.0 has no words for is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]

#: Keywords of JSON Schema 2020-12 that an OpenAPI 3.0 schema does not have, and that nothing here translates.
_UNTRANSLATED = frozenset(
    {
        "$anchor",
        "$defs",
        "$dynamicRef",
        "$id",
        "contains",
        "contentEncoding",
        "contentMediaType",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "if",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_IN_ONE = ("not",)
_IN_LISTS = ("allOf", "oneOf")


def to_openapi_30(document: Mapping[str, Any]) -> dict[str, Any]:
    """Translate an OpenAPI 3.1 document to 3.0.3; the given one is left as it is.

    What is valid under the one is valid under the other, except that a ``const`` or a type list with several
    members becomes an ``enum`` or an ``anyOf`` of the same meaning.

    Args:
        document: OpenAPI 3.1 of plain JSON values, without webhooks or reusable path items.

    Raises:
        ValueError: it contains something that 3.0 cannot say; names it.
    """
    for name in ("webhooks", "jsonSchemaDialect"):
        if name in document:
            raise ValueError(f"OpenAPI 3.0 has no {name!r}.")
    translated: dict[str, Any] = {
        name: _walk(member, name in ("paths", "components")) for name, member in document.items()
    }
    translated["openapi"] = "3.0.3"
    if "license" in translated["info"]:
        # An SPDX identifier is new in 3.1; the name beside it stays.
        translated["info"]["license"].pop("identifier", None)
    return translated


def _walk(value: Any, may_hold_schemas: bool) -> Any:
    """Copy everything around schemas, and translate the schemas in it."""
    if isinstance(value, list):
        return [_walk(item, may_hold_schemas) for item in value]
    if not isinstance(value, dict):
        return value
    walked: dict[str, Any] = {}
    for name, member in value.items():
        if may_hold_schemas and name == "schema":
            walked[name] = _schema(member)
        elif may_hold_schemas and name == "schemas":
            walked[name] = {key: _schema(schema) for key, schema in member.items()}
        else:
            walked[name] = _walk(member, may_hold_schemas)
    return walked


def _schema(schema: Schema | bool) -> Schema:
    """One schema and all that it contains."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if unknown := _UNTRANSLATED & schema.keys():
        raise ValueError(f"OpenAPI 3.0 has no {', '.join(sorted(unknown))}.")
    translated = {name: _member(name, member) for name, member in schema.items()}
    for translate in (_constant, _examples, _exclusive_bounds, _type_list, _alternatives, _reference):
        translate(translated)
    return translated


def _member(name: str, member: Any) -> Any:
    if name == "properties":
        return {key: _schema(schema) for key, schema in member.items()}
    if name == "items" or name in _IN_ONE:
        return _schema(member)
    if name == "additionalProperties":
        return member if isinstance(member, bool) else _schema(member)
    if name in _IN_LISTS:
        return [_schema(schema) for schema in member]
    # `anyOf` is translated as a whole, since a null in it is no schema of 3.0.
    return member


def _constant(schema: Schema) -> None:
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("enum") == [None] or schema.get("type") == "null":
        schema.pop("type", None)
        schema.update(nullable=True, enum=[None])


def _examples(schema: Schema) -> None:
    examples = schema.pop("examples", None)
    if examples:
        schema["example"] = examples[0]


def _exclusive_bounds(schema: Schema) -> None:
    """3.1 has a number of its own for an exclusive bound; 3.0 marks the ordinary bound as exclusive."""
    bounds: tuple[tuple[str, str, Callable[[float, float], float]], ...] = (
        ("exclusiveMinimum", "minimum", max),
        ("exclusiveMaximum", "maximum", min),
    )
    for exclusive, inclusive, stricter in bounds:
        if exclusive not in schema:
            continue
        bound: float = schema.pop(exclusive)
        schema[inclusive] = stricter(bound, schema[inclusive]) if inclusive in schema else bound
        if schema[inclusive] == bound:
            schema[exclusive] = True


def _type_list(schema: Schema) -> None:
    """``type`` with several members: at most one beside null can stand as it is."""
    kinds = schema.get("type")
    if not isinstance(kinds, list):
        return
    del schema["type"]
    others = [kind for kind in kinds if kind != "null"]
    if len(others) == 1:
        schema["type"] = others[0]
    elif others:
        if "anyOf" in schema:
            raise ValueError("OpenAPI 3.0 has no type list beside an anyOf.")
        schema["anyOf"] = [{"type": kind} for kind in others]
    if len(others) < len(kinds):
        _allow_null(schema)


def _alternatives(schema: Schema) -> None:
    """``anyOf`` with a null: one alternative beside it takes its place, several stay alternatives."""
    if "anyOf" not in schema:
        return
    given = schema["anyOf"]
    others = [_schema(part) for part in given if part.get("type") != "null"]
    if len(others) == len(given):
        schema["anyOf"] = others
        return
    del schema["anyOf"]
    if len(others) == 1 and not others[0].keys() & schema.keys():
        schema.update(others[0])
    elif others:
        schema["anyOf"] = others
    _allow_null(schema)


def _allow_null(schema: Schema) -> None:
    schema["nullable"] = True
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if "$ref" in schema:
        return
    if "type" not in schema:
        # In 3.0.3 `nullable` means something only beside a `type`, so here each alternative says it.
        for part in schema.get("anyOf", ()):
            if "type" in part:
                _allow_null(part)


def _reference(schema: Schema) -> None:
    """In 3.0 a reference stands alone: what is beside it goes around it."""
    if "$ref" in schema and len(schema) > 1:
        schema["allOf"] = [*schema.get("allOf", ()), {"$ref": schema.pop("$ref")}]
