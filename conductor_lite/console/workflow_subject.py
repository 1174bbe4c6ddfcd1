"""What the views of a workflow's page are made of: whom they are about, and how one view is described."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from starlette.requests import Request

from conductor_lite.auth.actor import Actor
from conductor_lite.console.urls import workflow_url
from conductor_lite.operations import Operations
from conductor_lite.operations.applications import Application
from conductor_lite.operations.snapshots import Served
from conductor_lite.protocol import WorkflowRecord


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow that somebody looks at."""

    operations: Operations
    actor: Actor
    request: Request
    now: datetime
    application: Application
    #: With input, output and error where the view asks for them.
    workflow: WorkflowRecord
    #: Where the workflow came from; a snapshot tells nothing but the workflow itself.
    served: Served
    #: Of the application's executors; None when nobody knows it.
    language: str | None

    @property
    def application_name(self) -> str:
        """Name of the application."""
        return self.application.record.name

    @property
    def private_mode(self) -> bool:
        """Whether payloads are never fetched."""
        return self.application.record.private_mode

    def url(self, *parts: str, **query: object) -> str:
        """The workflow's page, or one below it."""
        return workflow_url(self.application_name, self.workflow.workflow_id, *parts, **query)


class WorkflowView(msgspec.Struct, frozen=True, kw_only=True):
    """One view of the page, chosen with ``?view=``."""

    key: str
    #: What the row of views calls it.
    label: str
    #: Shown below the head of the page; finds what ``load`` gave under the name ``content``.
    template: str
    #: Gets what it shows: a Struct, without anything that differs at each look, for it is compared.
    #: May raise what operations raise; a DispatchError is explained in place.
    load: Callable[[Subject], Awaitable[object]]
    styles: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    #: Whether ``Subject.workflow`` is to come with input, output and error.
    wants_payloads: bool = False
    #: Whether there is nothing to show in private mode.
    is_payload: bool = False
    #: Whether it has something to show while the workflow comes from a snapshot.
    works_offline: bool = False
