"""Tells listeners, such as open console pages, that something changed. Carries topics, never data."""

import asyncio
from collections.abc import AsyncGenerator


def application_topic(application_id: str) -> str:
    """Topic of one application: its executors, versions and recoveries."""
    return f"application:{application_id}"


#: Topic of the list of applications and of everything shown across them.
APPLICATIONS = "applications"
#: Topic of API keys.
KEYS = "keys"
#: Topic of the audit log.
AUDIT = "audit"


class Changes:
    """Fan-out of change topics. Publishing never waits; a slow listener gets topics merged, no backlog."""

    def __init__(self) -> None:
        # Listeners now subscribed; each leaves when its iteration ends.
        self._subscriptions: set[_Subscription] = set()

    def publish(self, *topics: str) -> None:
        """Announce that what these topics stand for has changed."""
        for subscription in self._subscriptions:
            subscription.offer(topics)

    async def subscribe(self, topics: frozenset[str]) -> AsyncGenerator[frozenset[str], None]:
        """Yield the topics that changed, merged since the last turn, until the caller stops iterating."""
        subscription = _Subscription(topics)
        self._subscriptions.add(subscription)
        try:
            while True:
                await subscription.wakened.wait()
                yield subscription.take()
        finally:
            self._subscriptions.discard(subscription)

    @property
    def listeners(self) -> int:
        """Number of subscriptions now open."""
        return len(self._subscriptions)


class _Subscription:
    def __init__(self, topics: frozenset[str]) -> None:
        self._topics = topics
        self._pending: set[str] = set()
        self.wakened = asyncio.Event()

    def offer(self, topics: tuple[str, ...]) -> None:
        matching = self._topics.intersection(topics)
        if matching:
            self._pending |= matching
            self.wakened.set()

    def take(self) -> frozenset[str]:
        taken = frozenset(self._pending)
        self._pending.clear()
        self.wakened.clear()
        return taken
