"""API keys, which the published API calls tokens, as the API shows them."""

from typing import Annotated

import msgspec

from conductor_lite.api.fields import Timestamp

_UniqueNames = Annotated[list[str], msgspec.Meta(extra_json_schema={"uniqueItems": True})]


class Token(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An API key, without its secret. No application ids means that it is not limited to any."""

    token_name: str
    created_at: Timestamp
    permissions: list[str]
    app_ids: list[str]


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A new API key; ``token`` is shown this once and never again."""

    token: str
    token_name: str


class CreateTokenInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What a key may do and where; left out, it may connect executors, and reaches every application."""

    app_names: _UniqueNames | None = None
    permissions: list[str] | None = None


class RenameTokenInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What the key is to be called; the key itself stays as it is."""

    new_name: str
