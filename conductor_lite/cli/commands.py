"""How commands are declared: parameters that are more than one option are spelled out here.

A command names what it needs: a ``Session`` or ``AppSession``, a Struct of the API. It is given exactly that;
the command line shows the options which make it up.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import typer

from conductor_lite.cli.fields import Given, options_of
from conductor_lite.cli.options import ApplicationOption, ConfigOption, DataDirOption, ProfileOption
from conductor_lite.cli.remote import Where
from conductor_lite.cli.session import AppSession, Session

CommandT = TypeVar("CommandT", bound=Callable[..., None])

_WHERE = {"config": ConfigOption, "data_dir": DataDirOption, "profile": ProfileOption}
_APPLICATION = "application"


def command(group: typer.Typer, name: str) -> Callable[[CommandT], CommandT]:
    """Add a command to a group."""

    def add(function: CommandT) -> CommandT:
        group.command(name)(spelled_out(function))
        return function

    return add


def spelled_out(function: Callable[..., None]) -> Callable[..., None]:
    """The function as Typer is to see it: every parameter one argument or option."""
    builders: dict[str, tuple[list[str], Callable[..., Any]]] = {}
    own: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        kind, extras = _parts(hints[parameter.name])
        options = []
        if kind in (Session, AppSession):
            options = shared = _session_options(about_application=kind is AppSession)
            builders[parameter.name] = _names(options), _session_builder(kind)
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            given = next((extra for extra in extras if isinstance(extra, Given)), Given())
            options = options_of(kind, given)
            own += options
            builders[parameter.name] = _names(options), functools.partial(_build, kind)
        else:
            own.append(
                parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            )

    @functools.wraps(function)
    def call(**values: Any) -> None:
        for name, (options, build) in builders.items():
            values[name] = build(**{option: values.pop(option) for option in options})
        function(**values)

    parameters = [*own, *shared]
    # Typer looks at both.
    vars(call)["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(hint) is Annotated:
        kind, *extras = get_args(hint)
        return kind, tuple(extras)
    return hint, ()


def _names(options: list[inspect.Parameter]) -> list[str]:
    return [option.name for option in options]


def _session_options(*, about_application: bool) -> list[inspect.Parameter]:
    kinds: dict[str, Any] = {_APPLICATION: ApplicationOption, **_WHERE} if about_application else _WHERE
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=None)
        for name, kind in kinds.items()
    ]


def _session_builder(kind: Any) -> Callable[..., Session | AppSession]:
    if kind is Session:
        return lambda **where: Session(Where(**where))
    return lambda application, **where: AppSession(Where(**where), application)


def _build(struct: type[msgspec.Struct], **values: Any) -> msgspec.Struct:
    """The Struct of what was given; the rest keeps its defaults."""
    return struct(**{name: value for name, value in values.items() if value not in (None, [])})
