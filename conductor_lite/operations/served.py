"""Where an answer came from: an executor, or what was kept of what executors had said."""

from datetime import datetime
from typing import Literal

import msgspec


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer came from."""

    source: Literal["executor", "snapshot"]
    #: When what was kept was last up to date; None when it never was, and for an executor's answer.
    snapshot_at: datetime | None = None
