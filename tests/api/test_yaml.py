"""What is written as YAML reads back as what it was."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_lite.api.openapi import build_document
from conductor_lite.api.table import TABLE
from conductor_lite.api.yaml import to_yaml

#: What a careless writer leaves bare and a reader takes for something else, or cannot read.
HOSTILE = [
    *["null", "Yes", "NO", "on", "~", "y", "N", "1", "1.5", "1e5", "0x10", "0o7", "1_000", "12:30:00"],
    *[".inf", "2026-08-01", "a: b", "a #b", "- a", "? a", "*a", "&a", "!a", "%a", "@a", "`a", "'a'"],
    *['"a"', "{a}", " a", "a ", "a:", ":", "#", ">", "<<", "=", "...", "---", "/v2/orgs/{orgName}"],
]
CONTROLS = ["", "a\n", "\na", "a\r\nb", "a\tb", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\U0001f600"]
TEXTS = st.text() | st.sampled_from(HOSTILE + CONTROLS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_every_value_of_json_reads_back(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value


def test_the_whole_document_reads_back() -> None:
    document = build_document(TABLE)
    assert yaml.safe_load(to_yaml(document)) == document


def test_it_is_written_in_blocks_for_people() -> None:
    value = {
        "paths": {"/v2/x": [{"name": "limit", "enum": []}, [1, 2]]},
        "description": "Two\nlines: of text.",
        "empty": {},
    }
    assert to_yaml(value) == (
        "paths:\n"
        '  "/v2/x":\n'
        "    - name: limit\n"
        "      enum: []\n"
        "    - - 1\n"
        "      - 2\n"
        'description: "Two\\nlines: of text."\n'
        "empty: {}\n"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_number_that_json_lacks_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="no number"):
        to_yaml([value])


@pytest.mark.parametrize("value", [{1: "a"}, {"a": {1}}, b"a", [object()]])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        to_yaml(value)
