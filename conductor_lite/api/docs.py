"""The page at /docs: the OpenAPI document for people, rendered here, without scripts or foreign addresses."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_REF_PREFIX = "#/components/schemas/"
_EXAMPLES = {"integer": 60, "number": 1.5, "boolean": True, "null": None}


def render_docs(document: Mapping[str, Any], asset_url: Callable[[str], str]) -> str:
    """Render the document as one page.

    Args:
        document: what ``build_document`` made.
        asset_url: from an asset's name to the address it is served at.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    schemas = document["components"]["schemas"]
    groups: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, members in document["paths"].items():
        for method, operation in members.items():
            groups[operation["tags"][0]].append(_present(method.upper(), path, operation, schemas))
    return environment.get_template("docs.html").render(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=document["info"]["description"],
        groups=groups,
        schemas={name: _rows(schema) for name, schema in sorted(schemas.items())},
        schema_texts={name: schema.get("description", "") for name, schema in schemas.items()},
        stylesheet=asset_url("docs.css"),
    )


def _present(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    body = operation.get("requestBody")
    status, success = next(item for item in operation["responses"].items() if item[0] != "default")
    answer = success.get("content", {}).get("application/json", {}).get("schema")
    body_schema = body["content"]["application/json"]["schema"] if body else None
    return {
        "id": operation["operationId"],
        "method": method,
        "path": path,
        "summary": operation["summary"],
        "description": operation["description"].replace("`", ""),
        "parameters": [
            {**parameter, "type": _type(parameter["schema"])} for parameter in operation["parameters"]
        ],
        "body": _type(body_schema) if body_schema else None,
        "body_link": _link(body_schema),
        "body_required": bool(body and body.get("required")),
        "status": status,
        "status_words": success["description"],
        "answer": _type(answer) if answer else None,
        "answer_link": _link(answer),
        "curl": _curl(method, path, body_schema, schemas),
    }


def _rows(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "type": _type(member), "link": _link(member), "required": name in required}
        for name, member in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, such as ``list of Application`` or ``integer or null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF_PREFIX)
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [
        f"{word} {schema[name]}"
        for name, word in (
            ("minimum", "from"),
            ("maximum", "to"),
            ("minLength", "at least"),
            ("maxLength", "at most"),
        )
        if name in schema
    ]
    words = f"{kind} ({schema['format']})" if "format" in schema else str(kind)
    return ", ".join([words, *limits])


def _link(schema: Mapping[str, Any] | None) -> str | None:
    """Name of the schema that a type refers to, directly, in a list, or unless null."""
    if schema is None:
        return None
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF_PREFIX)
    parts = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())]
    return next((link for link in map(_link, parts) if link), None)


def _curl(method: str, path: str, body: Mapping[str, Any] | None, schemas: Mapping[str, Any]) -> str:
    lines = ["curl" if method == "GET" else f"curl -X {method}"]
    lines.append(f'"$CONDUCTOR_LITE_URL{path.replace("{orgName}", "local")}"')
    lines.append('-H "Authorization: Bearer $CONDUCTOR_LITE_KEY"')
    if body is not None:
        lines.append('-H "Content-Type: application/json"')
        lines.append(f"-d '{json.dumps(_example(body, schemas))}'")
    return " \\\n  ".join(lines)


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _example(schemas[str(schema["$ref"]).removeprefix(_REF_PREFIX)], schemas)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        return {name: _example(member, schemas) for name, member in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(schema.get("items", {}), schemas)]
    return _EXAMPLES.get(str(kind), "…")
