"""Telling people through a real Apprise and a real web server, and what of an address is ever shown."""

import asyncio
import logging

import pytest
from support.inbox import PASSWORD, TOKEN, inbox

from conductor_lite.errors import DeliveryError
from conductor_lite.notify import Notifier, shown


def test_message_arrives_with_title_and_text() -> None:
    with inbox() as box:
        asyncio.run(Notifier().send(box.url, title="SlowQueue: shop", body="3 wait.\nqueue_name: mail"))
    (message,) = box.messages
    assert (message["title"], message["type"]) == ("SlowQueue: shop", "failure")
    assert message["message"] == "3 wait.\nqueue_name: mail"


def test_good_news_is_told_as_such() -> None:
    with inbox() as box:
        asyncio.run(Notifier().send(box.url, title="t", body="b", good_news=True))
    assert box.messages[0]["type"] == "success"


def test_refusal_is_told_with_its_status_and_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with inbox() as box:
        box.status = 500
        with pytest.raises(DeliveryError, match="answered 500") as failure:
            asyncio.run(Notifier().send(box.url, title="t", body="b"))
    for text in (str(failure.value), caplog.text):
        assert PASSWORD not in text
        assert TOKEN not in text


def test_nobody_there_is_told_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with inbox() as box:
        url = box.url
    with pytest.raises(DeliveryError, match="not delivered") as failure:
        asyncio.run(Notifier().send(url, title="t", body="b"))
    assert PASSWORD not in str(failure.value) + caplog.text


def test_service_that_hangs_is_given_up_in_time() -> None:
    async def body() -> None:
        with inbox() as box:
            box.delay_secs = 1.0
            with pytest.raises(DeliveryError, match=r"within 0\.2 s"):
                await Notifier().send(box.url, title="t", body="b", secs=0.2)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("url", "understood"),
    [
        ("json://localhost/x", True),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", True),
        ("mailto://user:pass@example.com", True),
        ("nonsense", False),
        ("nosuchservice://a/b", False),
        ("", False),
        ("json://" + "x" * 5_000, False),
    ],
)
def test_only_addresses_that_apprise_understands_are_taken(url: str, understood: bool) -> None:
    assert asyncio.run(Notifier().check(url)) is understood


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("json://user:pass@hooks.example.com:8080/secret?x=y", "json://hooks.example.com/***"),
        ("mailtos://user:pass@example.com", "mailtos://example.com/***"),
        # For most services, what looks like a host is a token.
        ("slack://TokenA/TokenB/TokenC", "slack://***"),
        ("discord://123456/abcdef", "discord://***"),
        ("SLACK://TokenA", "slack://***"),
        ("json://[::1", "json://***"),
        ("json://us er:p@ss/x", "json://ss/***"),
        ("just a password", "***"),
        ("https://hooks.slack.com/services/T/B/secret", "https://***"),
    ],
)
def test_nothing_secret_of_an_address_is_shown(url: str, expected: str) -> None:
    assert shown(url) == expected
