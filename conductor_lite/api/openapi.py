"""The OpenAPI 3.1 document, made from the operation table. Nothing in it is written by hand twice."""

from collections.abc import Iterable
from types import NoneType
from typing import Any

import msgspec

from conductor_lite import __version__
from conductor_lite.api.accept import JSON, PLAIN
from conductor_lite.api.idempotency import DESCRIPTION, IDEMPOTENCY_HEADER, MAX_KEY_LENGTH
from conductor_lite.api.operation import AnyOperation, Nothing
from conductor_lite.api.problems import MEDIA_TYPE, ErrorModel
from conductor_lite.api.table import by_path
from conductor_lite.auth.permissions import ORGANIZATION_READ, ORGANIZATION_WRITE

_REF = "#/components/schemas/{name}"
_STATUS_WORDS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content"}
_SECURITY_SCHEMES = {
    "ApiKeyAuth": {
        "type": "http",
        "scheme": "bearer",
        "description": 'An API key; it begins with "dbos_". A server without login needs none.',
    },
    "BearerAuth": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A user's token from the OIDC provider, where one is set up.",
    },
}

_IDEMPOTENCY_KEY = {
    "name": IDEMPOTENCY_HEADER,
    "in": "header",
    "required": False,
    "description": DESCRIPTION,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
}


def build_document(table: Iterable[AnyOperation]) -> dict[str, Any]:
    """Describe the table as an OpenAPI 3.1 document of plain JSON values."""
    operations = tuple(table)
    schemas = _Schemas(operations)
    paths = {
        path: {row.method.lower(): _describe(row, schemas) for row in rows}
        for path, rows in by_path(operations).items()
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Conductor API",
            "version": "2.0.0",
            "description": f"Served by conductor-lite {__version__}.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"ApiKeyAuth": []}, {"BearerAuth": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in operations)],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SECURITY_SCHEMES},
    }
    return document


class _Schemas:
    """JSON Schemas of all types that the table names, made in one go so that references agree."""

    def __init__(self, operations: tuple[AnyOperation, ...]) -> None:
        types: list[Any] = [ErrorModel]
        parameters: list[Any] = []
        for row in operations:
            types += [kind for kind in (row.body, row.result) if kind not in (Nothing, NoneType)]
            parameters += [row.path_parameters, row.query_parameters]
        made, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_type = {repr(kind): schema for kind, schema in zip(types, made, strict=True)}
        _, self._parameters = msgspec.json.schema_components(set(parameters), ref_template=_REF)

    def of(self, kind: Any) -> dict[str, Any]:
        """Schema of a body or result type, by reference where it has a name."""
        return self._by_type[repr(kind)]

    def parameters(self, struct: type[msgspec.Struct], place: str) -> list[dict[str, Any]]:
        """Describe each field of a parameter Struct."""
        schema = self._parameters[struct.__name__]
        required = schema.get("required", [])
        return [
            {"name": name, "in": place, "required": name in required, "schema": member}
            for name, member in schema["properties"].items()
        ]


def _describe(row: AnyOperation, schemas: _Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": row.operation_id,
        "summary": row.summary,
        "description": _describe_demands(row),
        "tags": [row.tag],
        "parameters": [
            *schemas.parameters(row.path_parameters, "path"),
            *schemas.parameters(row.query_parameters, "query"),
            *([_IDEMPOTENCY_KEY] if row.caution else ()),
        ],
    }
    if row.requires_login:
        # The published name of the mark, for tools that read it.
        described["x-dbos-requires-oauth"] = True
    if row.has_body:
        described["requestBody"] = {
            "required": row.body_required,
            "content": {JSON: {"schema": schemas.of(row.body)}},
        }
    success: dict[str, Any] = {"description": _STATUS_WORDS[row.status]}
    if row.response_headers:
        success["headers"] = {
            name: {"description": told, "schema": {"type": "string"}}
            for name, told in row.response_headers.items()
        }
    if row.result is not NoneType:
        success["content"] = {JSON: {"schema": schemas.of(row.result)}}
    if row.file_type is not None:
        success["content"] = {row.file_type: {"schema": {"type": "string", "format": "binary"}}}
    if row.plain_text is not None:
        success["content"][PLAIN] = {"schema": {"type": "string"}}
    problem = {"description": "Error", "content": {MEDIA_TYPE: {"schema": schemas.of(ErrorModel)}}}
    described["responses"] = {str(row.status): success, "default": problem}
    return described


def _describe_demands(row: AnyOperation) -> str:
    sentences = []
    if row.requires_login:
        sentences.append("Needs a login; where the server has none, it answers 404.")
    if row.permission:
        sentences.append(f"Needs the permission `{row.permission}`.")
    if row.more_permissions:
        sentences.append(f"Needs besides: {', '.join(f'`{name}`' for name in row.more_permissions)}.")
    if row.limited_keys:
        sentences.append(row.limited_keys)
    elif row.permission in (ORGANIZATION_READ, ORGANIZATION_WRITE):
        sentences.append("A key that is limited to some applications is refused.")
    if row.audit:
        sentences.append(f"Written to the audit log as `{row.audit}`.")
    return " ".join(sentences)
