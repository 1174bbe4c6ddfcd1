"""Alerts that fired, and whom they are sent to, as the API shows them."""

from typing import Annotated, Literal

import msgspec

from conductor_lite.api.fields import Int64, Timestamp


class AlertDelivery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One message of an alert: to an application's handler or to a notification target."""

    kind: Literal["fired", "resolved"]
    channel: Literal["handler", "target"]
    receiver_id: str
    receiver_name: str
    state: Literal["pending", "delivered", "failed"]
    attempts: Int64
    created_at: Timestamp
    #: When it is tried again; null once it has ended.
    next_attempt_at: Timestamp | None
    ended_at: Timestamp | None
    error: str | None


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One firing of an alerting rule."""

    id: str
    app_id: str
    rule_id: str
    rule_type: str
    message: str
    metadata: dict[str, str]
    fired_at: Timestamp
    #: When the condition was over; null while it holds.
    resolved_at: Timestamp | None
    deliveries: list[AlertDelivery]


class AlertsQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many, and how many to pass over first."""

    limit: Int64 = 100
    offset: Int64 = 0


class NotificationTarget(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Someone to tell of an application's alerts. What is secret of the address is left out."""

    id: str
    app_id: str
    name: str
    url: str
    created_at: Timestamp
    #: Whether ``conductor-lite apply`` puts it back.
    declared: bool


class CreateNotificationTargetInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Whom to tell: a name for people, and the address in Apprise's form."""

    name: str
    url: Annotated[
        str, msgspec.Meta(description="Such as slack://… or mailto://…; never shown again in full.")
    ]

    def __repr__(self) -> str:
        """Leaves the address out, whoever prints or logs it."""
        return f"CreateNotificationTargetInputBody(name={self.name!r})"
