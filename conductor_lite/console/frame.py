"""What every page of an application has around it: the application's name and state, and its tabs."""

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_READ, APPLICATION_WRITE
from conductor_lite.console.urls import app_url
from conductor_lite.operations.applications import Application


class Tab(msgspec.Struct, frozen=True, kw_only=True):
    """One page of an application."""

    key: str
    label: str
    url: str
    #: Second key of its ``g`` shortcut.
    shortcut: str


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The part that an application's pages share."""

    application_name: str
    #: ``available``, ``unavailable`` (executors are known, none is connected) or ``waiting`` (none was ever).
    state: str
    private_mode: bool
    tabs: tuple[Tab, ...]
    #: The tab that is shown.
    current: str
    #: Why nothing can be done to its workflows now; empty when something can.
    inert_reason: str
    #: Why its settings cannot be changed by whoever looks; empty when they can.
    locked_reason: str


#: Key, label, path below the application, shortcut, permission.
_TABS = (
    ("overview", "Overview", (), "o", APPLICATION_READ),
    ("workflows", "Workflows", ("workflows",), "w", APPLICATION_READ),
    ("queues", "Queues", ("queues",), "q", APPLICATION_READ),
    ("schedules", "Schedules", ("schedules",), "s", APPLICATION_READ),
    ("executors", "Executors", ("executors",), "e", APPLICATION_READ),
    ("versions", "Versions", ("versions",), "v", APPLICATION_READ),
    ("alerts", "Alerts", ("alerts",), "l", APPLICATION_READ),
    ("retention", "Retention", ("retention",), "r", APPLICATION_READ),
    ("autoscaling", "Autoscaling", ("autoscaling",), "c", APPLICATION_READ),
    ("settings", "Settings", ("settings",), ",", APPLICATION_READ),
)
_READ_ONLY = "You may look at this application, not change it: application.write is missing."
_OFFLINE = "No executor is connected; this can be done when one is."


def frame(application: Application, actor: Actor, current: str) -> Frame:
    """Build the frame of one page.

    Args:
        application: as its operation gives it.
        actor: tabs that he may not open are left out.
        current: key of the tab that is shown.
    """
    name = application.record.name
    known = bool(application.versions)
    return Frame(
        application_name=name,
        state="available" if application.available else "unavailable" if known else "waiting",
        private_mode=application.record.private_mode,
        tabs=tuple(
            Tab(key=key, label=label, url=app_url(name, *parts), shortcut=shortcut)
            for key, label, parts, shortcut, permission in _TABS
            if permission in actor.permissions
        ),
        current=current,
        inert_reason=_locked_reason(actor) or ("" if application.available else _OFFLINE),
        locked_reason=_locked_reason(actor),
    )


def tab_url(application_name: str, key: str, **query: object) -> str:
    """A page of an application by the key of its tab."""
    parts = next(parts for tab, _, parts, _, _ in _TABS if tab == key)
    return app_url(application_name, *parts, **query)


def _locked_reason(actor: Actor) -> str:
    return "" if APPLICATION_WRITE in actor.permissions else _READ_ONLY
