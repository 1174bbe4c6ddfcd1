"""How often, and how many at once, one caller of the API may ask, so that no script crowds the others out.

``CallerLimits`` decides and knows neither clock nor event loop; ``Turnstile`` lets requests wait by its word.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from conductor_lite.auth.actor import Actor
from conductor_lite.errors import ConductorError

#: Seconds that a request waits for others of its caller to end before it is refused.
MAX_WAIT_SECS = 2.0
#: Seconds after which a refusal is given: whoever asks again at once is slowed down by it, and nobody else.
REFUSAL_PAUSE_SECS = 0.1
#: Callers that are remembered while they have nothing under way.
MAX_IDLE_CALLERS = 4_096


class TooManyRequestsError(ConductorError):
    """The caller asked too often, or for too much at once. Nothing was done."""

    def __init__(self, message: str, retry_after_secs: float) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs


class Ticket:
    """One request that was let in; it may still have to wait for its turn."""

    __slots__ = ("_caller", "has_turn", "on_turn")

    def __init__(self, caller: "_Caller", *, has_turn: bool) -> None:
        self._caller = caller
        # Set once, when others of its caller have made room.
        self.has_turn = has_turn
        # Called when that happens; set by whoever waits.
        self.on_turn: Callable[[], None] | None = None


class _Caller:
    __slots__ = ("counted_at_secs", "name", "tokens", "under_way", "waiting")

    def __init__(self, name: str, tokens: float, now_secs: float) -> None:
        self.name = name
        # Requests it may begin at once, as of the time below.
        self.tokens = tokens
        self.counted_at_secs = now_secs
        # Requests that have their turn.
        self.under_way = 0
        # Requests that have not, the first to come in front.
        self.waiting: deque[Ticket] = deque()


class CallerLimits:
    """A token bucket per caller, and the requests that each has under way.

    Args:
        per_second: requests that a caller may begin, in the long run.
        burst: requests that it may begin at once after a rest.
        at_once: requests that it may have under way; further ones wait for their turn.
        max_idle: callers to remember that have nothing under way; the one seen longest ago is forgotten.
    """

    def __init__(self, per_second: float, burst: int, at_once: int, max_idle: int = MAX_IDLE_CALLERS) -> None:
        self._per_second = per_second
        self._burst = burst
        self._at_once = at_once
        self._max_idle = max_idle
        # Callers with something under way or waiting: never more than there are connections.
        self._busy: dict[str, _Caller] = {}
        # All others, the one seen longest ago first.
        self._idle: OrderedDict[str, _Caller] = OrderedDict()

    def __len__(self) -> int:
        """Callers that are remembered."""
        return len(self._busy) + len(self._idle)

    def spend(self, name: str, now_secs: float) -> None:
        """Count one request of a caller, without letting it in.

        Raises:
            TooManyRequestsError: it asked too often.
        """
        caller = self._find(name, now_secs)
        try:
            self._take_token(caller, now_secs)
        finally:
            self._put_away(caller)

    def enter(self, name: str, now_secs: float) -> Ticket:
        """Count one request of a caller and let it in; ``leave`` must follow, whatever happens to it.

        Args:
            name: of the caller.
            now_secs: on a clock that never goes back.

        Raises:
            TooManyRequestsError: it asked too often.
        """
        caller = self._find(name, now_secs)
        try:
            self._take_token(caller, now_secs)
            has_turn = caller.under_way < self._at_once
            ticket = Ticket(caller, has_turn=has_turn)
            if has_turn:
                caller.under_way += 1
            else:
                caller.waiting.append(ticket)
        finally:
            self._put_away(caller)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The request is over, or waits no longer; the next one that waits has its turn."""
        caller = ticket._caller
        if not ticket.has_turn:
            caller.waiting.remove(ticket)
        elif caller.waiting:
            successor = caller.waiting.popleft()
            successor.has_turn = True
            if successor.on_turn is not None:
                successor.on_turn()
        else:
            caller.under_way -= 1
        self._put_away(caller)

    def _find(self, name: str, now_secs: float) -> _Caller:
        if (caller := self._busy.get(name)) is None:
            caller = self._idle.pop(name, None) or _Caller(name, self._burst, now_secs)
            self._busy[name] = caller
        return caller

    def _take_token(self, caller: _Caller, now_secs: float) -> None:
        earned = (now_secs - caller.counted_at_secs) * self._per_second
        caller.tokens = min(self._burst, caller.tokens + earned)
        caller.counted_at_secs = now_secs
        if caller.tokens < 1:
            raise TooManyRequestsError(
                f"Too many requests: {self._per_second:g} per second are allowed, and {self._burst} at once "
                "after a rest. Ask less often, or raise the setting api_requests_per_second.",
                (1 - caller.tokens) / self._per_second,
            )
        caller.tokens -= 1

    def _put_away(self, caller: _Caller) -> None:
        if caller.under_way or caller.name not in self._busy:
            return
        del self._busy[caller.name]
        self._idle[caller.name] = caller
        if len(self._idle) > self._max_idle:
            self._idle.popitem(last=False)


class Turnstile:
    """Lets the requests of each caller in as ``limits`` says; those that cannot go on yet wait here.

    Args:
        limits: what is allowed.
        clock: seconds that never go back.
        max_wait_secs: how long a request waits for its turn.
        refusal_pause_secs: how long one is kept that asks too often.
    """

    def __init__(
        self,
        limits: CallerLimits,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_wait_secs: float = MAX_WAIT_SECS,
        refusal_pause_secs: float = REFUSAL_PAUSE_SECS,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._max_wait_secs = max_wait_secs
        self._refusal_pause_secs = refusal_pause_secs

    @asynccontextmanager
    async def turn(self, caller: str) -> AsyncIterator[None]:
        """Hold one of the caller's places for as long as the block runs.

        Raises:
            TooManyRequestsError: it asked too often, or too many others of it did not end in time.
        """
        try:
            ticket = self._limits.enter(caller, self._clock())
        except TooManyRequestsError:
            await asyncio.sleep(self._refusal_pause_secs)
            raise
        try:
            if not ticket.has_turn:
                await self._wait(ticket)
            yield
        finally:
            self._limits.leave(ticket)

    async def count_refused(self, caller: str) -> None:
        """Count a request that was refused for its credentials: guessing is not to be free.

        Raises:
            TooManyRequestsError: the caller asked too often.
        """
        try:
            self._limits.spend(caller, self._clock())
        except TooManyRequestsError:
            await asyncio.sleep(self._refusal_pause_secs)
            raise

    async def _wait(self, ticket: Ticket) -> None:
        turn = asyncio.Event()
        ticket.on_turn = turn.set
        try:
            async with asyncio.timeout(self._max_wait_secs):
                await turn.wait()
        except TimeoutError:
            raise TooManyRequestsError(
                "Too many requests at once: wait for some to be answered before you send more, or raise the "
                "setting api_concurrent_requests.",
                self._max_wait_secs,
            ) from None


def name_of_caller(actor: Actor) -> str:
    """Who counts as one caller: an API key wherever it is used, and otherwise a network address."""
    if actor.subject_type == "api_key":
        return f"key {actor.subject_id}"
    return name_of_address(actor.source_ip)


def name_of_address(source_ip: str | None) -> str:
    """The name under which the callers of one network address that show no key count as one."""
    return f"address {source_ip}"


def retry_after(error: TooManyRequestsError) -> str:
    """The Retry-After header's value: whole seconds, rounded up (RFC 9110, section 10.2.3)."""
    return str(max(1, math.ceil(error.retry_after_secs)))
