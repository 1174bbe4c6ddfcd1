"""What a reader prefers: a time zone and a time range, from cookies that may say anything."""

from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request
from starlette.responses import Response

from conductor_lite.console.formatting import exact
from conductor_lite.console.preferences import (
    preferences,
    remember_range,
    remember_zone,
    time_range,
    zone_of,
)
from conductor_lite.errors import InvalidError

NOW = datetime(2026, 3, 1, 3, 20, 40, tzinfo=UTC)


def request(query: str = "", cookies: str = "") -> Request:
    headers = [(b"cookie", cookies.encode())] if cookies else []
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


def test_times_are_told_in_the_zone_of_the_cookie() -> None:
    assert exact(NOW, preferences(request()).zone) == "2026-03-01 03:20:40 UTC"
    berlin = preferences(request(cookies="conductor_zone=Europe%2FBerlin"))
    assert exact(NOW, berlin.zone) == "2026-03-01 04:20:40 CET"


@pytest.mark.parametrize("name", ["", "Nowhere/Town", "../../etc/passwd", "Europe", 99 * "a"])
def test_what_is_no_zone_counts_as_none(name: str) -> None:
    assert zone_of(name) is None
    assert preferences(request(cookies=f"conductor_zone={name}")).zone is UTC


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_are_told_in_every_zone(moment: datetime, zone: str) -> None:
    found = preferences(request(cookies=f"conductor_zone={zone}")).zone
    assert exact(moment.replace(tzinfo=UTC), found).endswith(("UTC", "LMT", "+14", "PST"))


def test_a_range_that_ends_where_the_calendar_begins_is_refused() -> None:
    with pytest.raises(InvalidError):
        time_range(request("end=0001-01-01T00:00Z"), NOW)


def test_a_zone_is_remembered_and_forgotten() -> None:
    response = Response()
    remember_zone(response, "America/New_York")
    assert "conductor_zone=America%2FNew_York" in response.headers["set-cookie"]
    response = Response()
    remember_zone(response, "")
    assert "Max-Age=0" in response.headers["set-cookie"]
    with pytest.raises(InvalidError):
        remember_zone(Response(), "Nowhere/Town")


def test_a_range_ends_with_the_running_minute_and_is_remembered() -> None:
    asked = time_range(request("range=1h"), NOW)
    assert (asked.end, asked.end - asked.start) == (
        datetime(2026, 3, 1, 3, 21, tzinfo=UTC),
        timedelta(hours=1),
    )
    assert time_range(request("range=nonsense"), NOW).name == "24h"
    assert time_range(request(cookies="conductor_range=7d"), NOW).name == "7d"
    response = Response()
    remember_range(request("range=6h"), response)
    assert "conductor_range=6h" in response.headers["set-cookie"]
    response = Response()
    remember_range(request("range=forever"), response)
    assert "set-cookie" not in response.headers


def test_a_range_that_nobody_asked_for_is_not_mostly_empty() -> None:
    young = NOW - timedelta(minutes=50)
    assert time_range(request(""), NOW, young).name == "1h"
    assert time_range(request(""), NOW, NOW - timedelta(days=50)).name == "24h"
    assert time_range(request("range=7d"), NOW, young).name == "7d"
    assert time_range(request(cookies="conductor_range=6h"), NOW, young).name == "6h"


def test_times_that_were_typed_are_meant_in_their_zone() -> None:
    typed = time_range(request("start=2026-02-28T01:00&end=2026-02-28T02:30&zone=Europe%2FBerlin"), NOW)
    assert (typed.start, typed.end) == (
        datetime(2026, 2, 28, 0, 0, tzinfo=UTC),
        datetime(2026, 2, 28, 1, 30, tzinfo=UTC),
    )


def test_a_range_between_two_times() -> None:
    asked = time_range(request("start=2026-02-28T00:00&end=2026-02-28T12:00%2B01:00"), NOW)
    assert (asked.name, asked.end - asked.start) == ("", timedelta(hours=11))
    for query in ("start=2026-03-02T00:00", "start=x", "end=9999-12-31T23:59-23:00", "start=2026-02-30"):
        with pytest.raises(InvalidError):
            time_range(request(query), NOW)
