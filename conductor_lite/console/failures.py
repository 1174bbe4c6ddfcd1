"""The text of an error taken apart: what kind, its message, and where it came from. No HTML."""

import json

import msgspec


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a stack."""

    #: The line as it came, without its indentation.
    text: str
    #: Empty where the line does not tell, as are the following.
    function: str = ""
    file: str = ""
    #: Counted from 1; 0 is unknown.
    line: int = 0
    #: The code there, if the text quotes it.
    source: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One error; those it came from follow it in ``causes``."""

    #: Name of its class, such as ``ValueError``; empty when unknown.
    type_name: str = ""
    message: str = ""
    #: In the order of the text.
    frames: tuple[Frame, ...] = ()
    #: The errors that led to this one, nearest first.
    causes: tuple["Failure", ...] = ()


def read_failure(text: str) -> Failure:
    """Take apart the error of a workflow or a step, of whatever language. Never fails.

    Args:
        text: as the executor sent it: a message, a traceback, or JSON.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return Failure(message=text)
    if not isinstance(fields, dict) or not isinstance(fields.get("message"), str):
        return Failure(message=text)
    lines = str(fields.get("stack") or "").splitlines()
    return Failure(
        type_name=str(fields.get("name") or ""),
        message=fields["message"],
        frames=tuple(Frame(text=line.strip()) for line in lines if line.lstrip().startswith("at ")),
    )
