"""Which of a workflow's payloads an address means, and what that one is called."""

import re
from typing import get_args

from starlette.datastructures import QueryParams

from conductor_lite.console.formatting import clip
from conductor_lite.console.payloads.samples import Address, Part
from conductor_lite.errors import NotFoundError

_PARTS: tuple[Part, ...] = get_args(Part)
_TITLES: dict[Part, str] = {
    "input": "Input",
    "output": "Output",
    "error": "Error",
    "attributes": "Attributes",
    "step-output": "Output of step {step}",
    "step-error": "Error of step {step}",
    "event": "Event {key}",
    "notification": "Message {number}",
    "stream": "Value {number} of stream {key}",
}
_NUMBER = re.compile(r"[0-9]{1,9}")


def payload_address(query: QueryParams) -> Address:
    """Which payload a query string means.

    Raises:
        NotFoundError: there is no such kind of payload.
    """
    part = next((part for part in _PARTS if part == query.get("of")), None)
    if part is None:
        raise NotFoundError("The address names no payload.")
    return Address(
        of=part,
        step=_number(query, "step"),
        at=_number(query, "at"),
        key=query.get("key"),
        number=_number(query, "number"),
    )


def title_of(address: Address) -> str:
    """What a payload is, for a heading."""
    return _TITLES[address.of].format(
        step=address.step, key=clip(address.key or "", 80), number=address.number
    )


def file_name(id_: str, address: Address) -> str:
    """What a payload is called as a file."""
    numbers = [str(number) for number in (address.step, address.number) if number is not None]
    words = "-".join([id_, address.of, address.key or "", *numbers])
    return re.sub(r"[^A-Za-z0-9_.-]+|-{2,}", "-", words)[:120].strip("-.") + ".txt"


def _number(query: QueryParams, name: str) -> int | None:
    text = query.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None
