"""Assets: hashed names, long caching, compression, and no way out of the folder."""

import gzip
import re
from collections.abc import Iterator

import httpx
import pytest
from console.serving import serving
from starlette.applications import Starlette

from conductor_lite.console import assets
from conductor_lite.console.accepting import takes_gzip


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        serving(Starlette(routes=assets.static_routes())) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def test_name_carries_a_hash_and_is_cached_for_ever(client: httpx.Client) -> None:
    url = assets.asset_url("console.css")
    assert re.fullmatch(r"/static/console\.[0-9a-f]{12}\.css", url)
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.content == (assets.static_folder() / "console.css").read_bytes()


def test_content_is_compressed_only_for_those_who_take_it(client: httpx.Client) -> None:
    url = assets.asset_url("htmx.min.js")
    packed = client.get(url, headers={"Accept-Encoding": "gzip"})
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.2, *;q=0.1", True),
        ("*", True),
        ("x-gzip", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=much", False),
        ("notgzip", False),
    ],
)
def test_what_a_client_says_of_compression_is_weighed(client: httpx.Client, header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes
    answer = client.get(assets.asset_url("console.js"), headers={"Accept-Encoding": header})
    assert ("content-encoding" in answer.headers) is takes


def test_known_etag_is_answered_without_a_body(client: httpx.Client) -> None:
    url = assets.asset_url("console.js")
    etag = client.get(url).headers["etag"]
    again = client.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/console.css",
        "/static/console.000000000000.css",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/pyproject.toml",
        "/static//etc/passwd",
        "/static/",
    ],
)
def test_unknown_names_are_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_misspelt_asset_is_noticed_when_a_page_is_rendered() -> None:
    with pytest.raises(KeyError):
        assets.asset_url("missing.css")


def test_first_load_is_under_100_kb_compressed() -> None:
    names = ("console.css", "console.js", "live.js", "theme.js", "htmx.min.js", "favicon.svg")
    content = [(assets.static_folder() / name).read_bytes() for name in names]
    assert sum(len(gzip.compress(each, 9)) for each in content) < 40_000
