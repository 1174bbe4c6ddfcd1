"""What every message shares: the two directions as base classes, and how a request knows its reply.

Nothing here names a particular message; those live in ``requests`` and ``replies``.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, get_args

import msgspec

#: A whole number that fits a column of any database; on the wire a JSON number or a numeric string.
Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

#: A filter that matches one value or any of several.
OneOrMany: TypeAlias = str | list[str]

T = TypeVar("T")


def always_sent(default: Callable[[], T]) -> T:
    """A field with a default that is on the wire even when it holds that default.

    Some SDKs index these keys instead of looking for them, so leaving one out fails the whole request.
    """
    # msgspec omits a default it can compare; one made by a factory it always writes.
    field: T = msgspec.field(default_factory=default)
    return field


def no_text() -> str | None:
    """Null, for a text field that is always sent."""
    return None


def no_number() -> int | None:
    """Null, for a numeric field that is always sent."""
    return None


class Reply(msgspec.Struct, kw_only=True, frozen=True, tag_field="type"):
    """An executor's answer. Every field has a default, since executors leave out what they do not know.

    Those defaults also stand in an answer that is only an error: look at ``error_message`` first.
    """

    #: Null or absent when all went well; otherwise often a whole traceback.
    error_message: str | None = None


R_co = TypeVar("R_co", bound=Reply, covariant=True)


class Request(msgspec.Struct, Generic[R_co], frozen=True, tag_field="type", omit_defaults=True):
    """A question to an executor, whose answer is an ``R_co``. Optional fields left alone are not sent."""


def message_type(message: type[Request[Reply]] | type[Reply]) -> str:
    """The wire's name of a message class, such as ``recovery``."""
    tag = message.__struct_config__.tag
    # msgspec gives a class that states no tag its own name for one.
    if not isinstance(tag, str) or tag == message.__name__:
        raise TypeError(f"{message.__name__} is a base class and has no message type of its own.")
    return tag


def reply_type(request: Request[R_co]) -> type[R_co]:
    """The class of the answer to ``request``, as its own class declares it."""
    answer: type[R_co] = _declared_reply(type(request))
    return answer


@functools.cache
def _declared_reply(kind: type[Request[Any]]) -> Any:
    for ancestor in kind.__mro__:
        for base in getattr(ancestor, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Reply):
                    return argument
    raise TypeError(f"{kind.__name__} does not say which reply it has: derive it from Request[...].")
