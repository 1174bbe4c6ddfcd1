"""The generated document: whole in itself, and saying what the server does."""

import json

import pytest

from conductor_lite.api.openapi import build_document
from conductor_lite.api.operation import Nothing
from conductor_lite.api.table import TABLE, check

DOCUMENT = build_document(TABLE)


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
