"""The lines that the console shows are those of the samples, which are built and run against real SDKs."""

import re

import pytest
from support.samples import SOURCES

from conductor_lite.console.snippets import Snippet, alert_handlers, snippets

SOURCE_FILES = {
    "python": "python/app.py",
    "typescript": "typescript/app.ts",
    "go": "go/main.go",
    "java": "java/src/main/java/sample/App.java",
}
#: Our own name for a text, whose value each sample takes from its environment.
VALUES = {"my-app", "ws://127.0.0.1:8090"}
_TEXT = re.compile(r"""(["'])(.*?)\1""")
_NAME = re.compile(r"[A-Za-z_][\w.]*")


def names_and_texts(code: str) -> tuple[set[str], set[str]]:
    """What code calls by name (dotted names whole), and its literal texts."""
    return set(_NAME.findall(_TEXT.sub(" ", code))), {text for _, text in _TEXT.findall(code)}


@pytest.mark.parametrize("snippet", snippets("ws://127.0.0.1:8090"), ids=lambda snippet: snippet.key)
def test_a_snippet_names_nothing_that_its_sample_does_not(snippet: Snippet) -> None:
    sample_names, sample_texts = names_and_texts((SOURCES / SOURCE_FILES[snippet.key]).read_text())
    names, texts = names_and_texts(snippet.code)
    assert names <= sample_names
    assert texts - VALUES <= sample_texts
    assert texts >= VALUES


@pytest.mark.parametrize("snippet", alert_handlers(), ids=lambda snippet: snippet.key)
def test_an_alert_handler_is_that_of_its_sample(snippet: Snippet) -> None:
    sample = (SOURCES / SOURCE_FILES[snippet.key]).read_text()
    assert "".join(snippet.code.split()) in "".join(sample.split())
