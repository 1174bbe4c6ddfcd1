"""What one row of the operation table is, and what a handler is given. No operation stands here."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.operations import Operations
from conductor_lite.operations.once import Attempt, Caution

PathT = TypeVar("PathT", bound=msgspec.Struct)
QueryT = TypeVar("QueryT", bound=msgspec.Struct)
BodyT = TypeVar("BodyT", bound=msgspec.Struct)
ResultT = TypeVar("ResultT")

Method: TypeAlias = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Nothing(msgspec.Struct, frozen=True):
    """Stands for parameters or a body that an operation does not have."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file, which takes the place of JSON."""

    chunks: AsyncGenerator[bytes, None]
    name: str
    size_bytes: int
    #: Called when it is sent, or the caller has left.
    done: Callable[[], None]


class Call(msgspec.Struct, Generic[PathT, QueryT, BodyT], frozen=True, kw_only=True):
    """One request, authenticated, decoded and validated."""

    operations: Operations
    actor: Actor
    path: PathT
    query: QueryT
    body: BodyT
    #: Set where it is to be done once, however often it is sent.
    attempt: Attempt | None = None
    #: Further headers of the answer; to be set before a result or the first page is given.
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class Operation(msgspec.Struct, Generic[PathT, QueryT, BodyT, ResultT], frozen=True, kw_only=True):
    """One row of the table: everything that the routes, the checks and the OpenAPI document need to know."""

    method: Method
    #: Path template such as ``/v2/orgs/{orgName}/apps``; each placeholder is a field of ``path_parameters``.
    path: str
    #: The ``operationId`` that generated clients name their functions after.
    operation_id: str
    #: A few words for the list of operations.
    summary: str
    #: Heading it stands under.
    tag: str
    #: Permission that the called operation demands, for the document; it is checked there, not here. None
    #: when it is not a matter of permissions.
    permission: str | None
    #: Others that it demands besides, for the document as well.
    more_permissions: tuple[str, ...] = ()
    #: What a key that is limited to some applications gets, where that has to be told.
    limited_keys: str = ""
    #: Name under which the called operation writes the audit log; None for reads.
    audit: str | None = None
    path_parameters: type[PathT]
    #: Set where sending it twice does its work twice, unless the caller makes up an idempotency key.
    caution: Caution | None = None
    #: Whether only users who log in can do it. As long as there is no login, nobody is asked what they want:
    #: it answers 404.
    requires_login: bool = False
    #: Scalars only; each is given at most once.
    query_parameters: type[QueryT]
    #: Type of the JSON body; ``Nothing`` when there is none.
    body: type[BodyT]
    #: Whether leaving the body out is an error; otherwise every field then has its default.
    body_required: bool = False
    #: Type of the JSON answer; ``NoneType`` when there is none.
    result: type[ResultT]
    #: The answer as plain text, for whoever asks for that; None when there is only JSON.
    plain_text: Callable[[ResultT], str] | None = None
    #: Media type of an answer that is a file; ``result`` is then ``NoneType``, and the handler gives an
    #: ``Attachment``.
    file_type: str | None = None
    #: Headers of the answer that readers should know of, and what they tell.
    response_headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    #: Status of success.
    status: int = 200
    #: Calls an operation and translates its answer. Every row has this one or ``paged_handler``.
    handler: Callable[[Call[PathT, QueryT, BodyT]], Awaitable[ResultT]] | None = None
    #: The same for a list that may be long: its pages are sent as they come, and never held together.
    paged_handler: Callable[[Call[PathT, QueryT, BodyT]], AsyncGenerator[list[Any], None]] | None = None

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names in the path template, in order."""
        return tuple(_PLACEHOLDER.findall(self.path))

    @property
    def has_body(self) -> bool:
        """Whether a request may carry a body."""
        return self.body is not Nothing


AnyOperation: TypeAlias = Operation[Any, Any, Any, Any]
