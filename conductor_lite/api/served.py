"""Where an answer came from, an executor or snapshots, as the API tells it."""

from typing import Any

from conductor_lite.api.fields import timestamp
from conductor_lite.api.operation import Call
from conductor_lite.operations.snapshots import Served

#: The headers that tell it, for the description of the API.
SERVED_HEADERS = {
    "Served-From": "`executor` or `snapshot`.",
    "Snapshot-At": "When the snapshots that were read were last up to date.",
}


def tell_source(call: Call[Any, Any, Any], served: Served) -> None:
    """Say it in the headers of an answer."""
    call.headers["Served-From"] = served.source
    if served.snapshot_at is not None:
        call.headers["Snapshot-At"] = timestamp(served.snapshot_at)
