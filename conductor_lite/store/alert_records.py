"""What the store hands out about alerts: frozen Structs. No SQL and no behaviour here."""

from datetime import datetime
from typing import Final, Literal

import msgspec

FIRED: Final = "fired"
RESOLVED: Final = "resolved"

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"

#: Channels: an application's own alert handler, or a notification target.
HANDLER: Final = "handler"
TARGET: Final = "target"


class NotificationTargetRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Someone to tell of an application's alerts."""

    #: Stable identifier.
    id: str
    #: The application whose alerts it is told of.
    application_id: str
    #: Name given by people, unique in the application.
    name: str
    #: Address in Apprise's form. A secret as a whole: show it by ``notify.shown`` only.
    url: str
    #: When it was made.
    created_at: datetime
    #: Whether it is declared in a file.
    declared: bool = False

    def __repr__(self) -> str:
        """Leaves the address out, whoever prints or logs it."""
        return f"NotificationTargetRecord(id={self.id!r}, name={self.name!r})"


class AlertText(msgspec.Struct, frozen=True, kw_only=True):
    """What receivers are told."""

    #: Name of the alert, as handlers tell alerts apart.
    name: str
    #: One or two sentences.
    message: str
    #: The figures, as text.
    metadata: dict[str, str]


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One firing of a rule."""

    #: Its number; grows with time.
    id: int
    #: The application that was watched.
    application_id: str
    #: The rule, which may be gone by now.
    rule_id: str
    #: Its type.
    rule_type: str
    #: What was told.
    message: str
    #: The figures that were told.
    alert_metadata: dict[str, str]
    #: When it fired.
    fired_at: datetime
    #: When the condition was over; None while it holds.
    resolved_at: datetime | None


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one receiver."""

    #: Its number; those of one rule to one receiver are delivered in this order.
    id: int
    #: The firing that it is about.
    alert_id: int
    rule_id: str
    kind: Literal["fired", "resolved"]
    channel: Literal["handler", "target"]
    #: The application or the notification target.
    receiver_id: str
    #: What it was called then.
    receiver_name: str
    #: What to tell, as in `AlertText`.
    name: str
    message: str
    delivery_metadata: dict[str, str]
    #: ``failed`` is to say given up.
    state: Literal["pending", "delivered", "failed"]
    #: How often it was tried.
    attempts: int
    created_at: datetime
    #: When it is to be tried next; means nothing once it has ended.
    next_attempt_at: datetime
    #: When it was delivered or given up.
    ended_at: datetime | None
    #: Why the last attempt failed, without anything secret.
    error: str | None


class AlertHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A firing and what became of its messages."""

    alert: AlertRecord
    deliveries: tuple[DeliveryRecord, ...]
