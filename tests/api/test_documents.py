"""The description as it is served: in three forms that agree, and named to readers."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from support.api import Api

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/openapi.json", "application/json"),
        ("/openapi-3.0.json", "application/json"),
        ("/openapi.yaml", "application/yaml"),
        ("/docs", "text/html; charset=utf-8"),
    ],
)
def test_each_form_is_open_to_everyone_and_linked_from_the_page(run: Run, path: str, media_type: str) -> None:
    async def body(api: Api) -> None:
        answer = await api.client.get(path, headers={"Authorization": "Bearer dbos_nope"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        assert answer.headers["cache-control"] == "no-cache"
        assert path == "/docs" or f'href="{path}"' in (await api.client.get("/docs")).text
        refused = await api.client.delete(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")

    run(body)


def test_the_forms_agree(run: Run) -> None:
    async def body(api: Api) -> None:
        newer = (await api.client.get("/openapi.json")).json()
        older = (await api.client.get("/openapi-3.0.json")).json()
        assert yaml.safe_load((await api.client.get("/openapi.yaml")).content) == newer
        assert (newer["openapi"], older["openapi"]) == ("3.1.0", "3.0.3")
        assert older["paths"].keys() == newer["paths"].keys()

    run(body)
