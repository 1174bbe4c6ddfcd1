"""Keys do not get into logs: neither through messages, nor paths, nor tracebacks."""

import io
import logging
from collections.abc import Callable

import pytest

from conductor_lite.redact import RedactingFilter, redact, redact_path

KEY = "dbos_" + "abc123def456" + "S" * 43 + "chk-_9"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"Bearer {KEY}",
        f"GET /websocket/shop/{KEY} HTTP/1.1",
        f'{{"token":"{KEY}"}}',
        f"x={KEY}&y=1",
        f"{KEY[:50]} cut short",
        f"{KEY}tail",
        f"'{KEY}'\n{KEY}",
    ],
)
def test_key_is_hidden_in_any_text(text: str) -> None:
    assert "SSSS" not in redact(text)
    assert "dbos_***" in redact(text) or "/websocket/shop/***" in redact(text)


@pytest.mark.parametrize(
    "text",
    ["/websocket/shop/plain-key", "ws://127.0.0.1:1/websocket/shop/plain-key/more", "/WebSocket/a/plain-key"],
)
def test_whatever_follows_the_application_in_a_socket_path_is_hidden(text: str) -> None:
    assert "plain" not in redact(text)
    assert redact(text).endswith("/***")


@pytest.mark.parametrize("text", ["", "dbos_transact", "import dbos_workflow_helpers", "/v2/orgs/local/apps"])
def test_other_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/websocket/shop/" + KEY, "/websocket/shop/***"),
        ("/websocket/shop/dev key/with parts", "/websocket/shop/***"),
        ("//websocket//shop//dev", "/websocket/shop/***"),
        ("/websocket%2Fshop%2Fdev", "/websocket/shop/***"),
        ("/websocket/" + KEY, "/websocket/dbos_***"),
        ("/v2/orgs/local/apps", "/v2/orgs/local/apps"),
        ("/a\nb\x1b[31m", "/a%0Ab%1B%5B31m"),
        ("/caf\u00e9", "/caf%C3%A9"),
        ("/\udc80", "/%3F"),
    ],
)
def test_path_in_a_log_line_is_one_line_without_a_key(path: str, shown: str) -> None:
    assert redact_path(path) == shown


def _logged(emit: Callable[[logging.Logger], None]) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(logging.Formatter("%(message)s %(extra_field)s", defaults={"extra_field": ""}))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    emit(logger)
    return stream.getvalue()


def test_key_is_hidden_in_arguments_extras_and_tracebacks() -> None:
    def emit(logger: logging.Logger) -> None:
        logger.warning("connected with %s", KEY, extra={"extra_field": KEY})
        try:
            try:
                raise ValueError(KEY)
            except ValueError as error:
                raise RuntimeError(f"/websocket/shop/{KEY}") from error
        except RuntimeError:
            logger.exception("it failed")

    text = _logged(emit)
    assert "SSSS" not in text
    assert "ValueError: dbos_***" in text
    assert "RuntimeError: /websocket/shop/***" in text


def test_mistaken_format_is_logged_without_the_key() -> None:
    text = _logged(lambda logger: logger.warning("%d of %s", KEY))
    assert "SSSS" not in text
    assert "dbos_***" in text


def test_formatter_that_formats_exceptions_anew_finds_none_to_format() -> None:
    try:
        raise ValueError(KEY)
    except ValueError as error:
        record = logging.makeLogRecord(
            {"msg": "failed", "exc_info": (ValueError, error, error.__traceback__)}
        )
    assert RedactingFilter().filter(record)
    assert record.exc_info is None
    assert "ValueError: dbos_***" in str(record.exc_text)
