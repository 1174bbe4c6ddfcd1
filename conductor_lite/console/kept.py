"""What was learnt and does not change, kept for a while and within a limit. Pure but for the clock."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key; those that were not asked for the longest go first.

    Args:
        most: weight of all values together.
        secs: how long a value is kept.
    """

    def __init__(self, most: int, secs: float) -> None:
        self._most = most
        self._secs = secs
        # What was used last stands last: the value, its weight, and until when it is kept (monotonic).
        self._values: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        # Weight of all of them.
        self.weight = 0

    def get(self, key: K) -> V | None:
        """The value, if it is still there."""
        found = self._values.get(key)
        if found is None:
            return None
        value, _, until = found
        if time.monotonic() >= until:
            self._drop(key)
            return None
        self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Keep a value; what weighs more than all that may be kept is not."""
        self._drop(key)
        if weight > self._most:
            return
        self._values[key] = (value, weight, time.monotonic() + self._secs)
        self.weight += weight
        while self.weight > self._most:
            self._drop(next(iter(self._values)))

    def _drop(self, key: K) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self.weight -= found[1]
