"""The API's description in every form in which it is served. Each is made for the first who asks for it."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from conductor_lite.api.docs import render_docs
from conductor_lite.api.openapi import build_document
from conductor_lite.api.openapi30 import to_openapi_30
from conductor_lite.api.operation import AnyOperation
from conductor_lite.api.yaml import to_yaml


class Documents:
    """The forms of one table's description.

    Making one takes long enough to be done in a thread; none changes afterwards.

    Args:
        table: the operations.
        asset_url: from the name of a static file to the address it is served at.
    """

    def __init__(self, table: Iterable[AnyOperation], asset_url: Callable[[str], str]) -> None:
        self._table = tuple(table)
        self._asset_url = asset_url

    @functools.cached_property
    def json(self) -> bytes:
        """OpenAPI 3.1 as JSON."""
        return msgspec.json.encode(self._document)

    @functools.cached_property
    def json_30(self) -> bytes:
        """OpenAPI 3.0 as JSON."""
        return msgspec.json.encode(to_openapi_30(self._document))

    @functools.cached_property
    def yaml(self) -> bytes:
        """OpenAPI 3.1 as YAML."""
        return to_yaml(self._document).encode()

    @functools.cached_property
    def page(self) -> bytes:
        """HTML for people."""
        return render_docs(self._document, self._asset_url).encode()

    @functools.cached_property
    def _document(self) -> dict[str, Any]:
        return build_document(self._table)
