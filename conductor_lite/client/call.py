"""One call of the API as a value: what to send, and what comes back. No I/O, and nothing of a server.

The functions of ``calls`` make them; ``Client`` and ``AsyncClient`` carry them out.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, Literal, TypeAlias, TypeVar

import msgspec

ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")

Method: TypeAlias = Literal["GET", "PUT", "POST", "PATCH", "DELETE"]

#: Methods that may be repeated without changing the outcome (RFC 9110, section 9.2.2).
_IDEMPOTENT_METHODS = frozenset({"GET", "PUT", "DELETE"})


class Call(msgspec.Struct, Generic[ResultT], frozen=True, kw_only=True):
    """One call of one operation."""

    #: As in the API's description.
    operation_id: str
    method: Method
    #: Path template; the client that carries the call out fills in ``{orgName}``.
    path: str
    #: Values of the other placeholders.
    names: Mapping[str, str] = {}
    query: msgspec.Struct | None = None
    body: msgspec.Struct | None = None
    #: Type of the answer; ``NoneType`` when there is none.
    result: type[ResultT]
    #: Says of a POST or PATCH that it may be repeated too.
    repeatable: bool = False

    #: Says of a POST that it is sent with an idempotency key, and may therefore be repeated.
    keyed: bool = False

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.repeatable or self.keyed or self.method in _IDEMPOTENT_METHODS


class Listing(Call[list[ItemT]], Generic[ItemT], frozen=True, kw_only=True):
    """A call whose list can be asked for in parts: its query or body has ``limit`` and ``offset``."""

    #: What tells an item from every other, so that one that slips to the next page is not listed twice.
    identify: Callable[[ItemT], Hashable]
    #: Items to ask for at once.
    page_size: int = 500
