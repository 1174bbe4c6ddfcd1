"""One executor's socket: requests out, replies in, matched by request id. Knows nothing of other executors.

The transport is two callables, so that this file needs no web framework; frames come in through ``received``.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar, cast

from conductor_lite.errors import ConductorError, ProtocolError
from conductor_lite.protocol import (
    Envelope,
    ExecutorInfo,
    ExistPendingWorkflows,
    Recovery,
    Reply,
    Request,
    decode_long_reply,
    encode,
    is_unknown_message,
    message_type,
    read_envelope,
    reply_type,
)
from conductor_lite.turns import PIECE_SIZE, to_the_end

logger = logging.getLogger("conductor_lite.fleet")

R = TypeVar("R", bound=Reply)

#: Looks once more, as late as can be, whether a request may be sent.
BeforeSending: TypeAlias = Callable[[], Awaitable[None]]

#: WebSocket close codes (RFC 6455, section 7.4) and those of our own.
GOING_AWAY = 1001
POLICY_VIOLATION = 1008
REPLACED = 4000

#: What keeps work going has turns of its own: it never waits behind what people and programs ask for.
URGENT = (ExecutorInfo, ExistPendingWorkflows, Recovery)
URGENT_IN_FLIGHT = 4

#: Frames in a row that are no messages before the peer is taken for something else than an executor.
MAX_BAD_FRAMES = 16


class ConnectionLostError(ConductorError):
    """The socket closed before the reply came. ``sent`` tells whether the request may have been read."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UnansweredError(ConductorError):
    """The executor is connected but did not answer in time. ``sent`` as in :class:`ConnectionLostError`."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ExecutorConnection:
    """One accepted socket.

    Args:
        send: sends one text frame; waits while the peer does not read.
        close: starts the closing handshake with a code and a reason; may be called twice.
        max_in_flight: requests under way at once; further ones wait for their turn. What is urgent does not
            count.
        address: the peer's network address.
        api_key_id: public id of the key it connected with; None in development mode.
    """

    __slots__ = (
        "_bad_frames",
        "_close",
        "_lost",
        "_numbers",
        "_pending",
        "_send",
        "_turns",
        "_unknown",
        "_urgent_turns",
        "address",
        "answers",
        "api_key_id",
        "label",
    )

    def __init__(
        self,
        *,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        max_in_flight: int,
        address: str | None,
        api_key_id: str | None,
    ) -> None:
        self._send = send
        self._close = close
        # Set once, when the socket is gone.
        self._lost: str | None = None
        # Numbers the requests of this connection.
        self._numbers = itertools.count(1)
        # Requests sent and not answered yet, with the frames that will answer them.
        self._pending: dict[str, asyncio.Future[str]] = {}
        # Turns to send; waiters queue in order.
        self._turns = asyncio.Semaphore(max_in_flight)
        self._urgent_turns = asyncio.Semaphore(URGENT_IN_FLIGHT)
        # What it answered to messages that its SDK does not know, by their kind; None while it knows all.
        self._unknown: dict[type[Request[Reply]], Reply] | None = None
        # Frames since the last good one that were no messages.
        self._bad_frames = 0
        self.address = address
        self.api_key_id = api_key_id
        # What the log calls it; becomes the executor's id once that is known.
        self.label = address or "unknown"
        # Replies received so far: whoever waits can tell a silent executor from a busy one.
        self.answers = 0

    @property
    def in_flight(self) -> int:
        """Requests now under way."""
        return len(self._pending)

    @property
    def is_open(self) -> bool:
        """Whether the socket was not lost yet."""
        return self._lost is None

    def refusal(self, request: Request[R]) -> R | None:
        """What the executor answered to such a message before, if its SDK does not know it.

        The process behind a socket never learns one, and some SDKs log each that they do not know.
        """
        known = self._unknown.get(type(request)) if self._unknown is not None else None
        return cast(R | None, known)

    async def request(
        self, request: Request[R], timeout_secs: float, before_sending: BeforeSending | None = None
    ) -> R:
        """Ask the executor and wait for its reply.

        Args:
            request: any message of the protocol.
            timeout_secs: for everything together: the turn, sending, and the answer.
            before_sending: called when its turn has come; what it raises keeps the request from being sent.

        Raises:
            ConnectionLostError: the socket closed first.
            UnansweredError: no reply came in time.
            ProtocolError: what came is not that message's reply.
        """
        sent = False
        turns = self._urgent_turns if isinstance(request, URGENT) else self._turns
        try:
            async with asyncio.timeout(timeout_secs), turns:
                if before_sending is not None:
                    await before_sending()
                self._require_open()
                request_id = str(next(self._numbers))
                frame = encode(request, request_id)
                if len(frame) > PIECE_SIZE:
                    # Writing it took its time, and sending it will: others come in between.
                    await asyncio.sleep(0)
                    self._require_open()
                answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
                self._pending[request_id] = answer
                try:
                    sent = True
                    await self._send(frame)
                    reply_frame = await answer
                finally:
                    # A reply that comes later than this is counted as late and dropped.
                    self._pending.pop(request_id, None)
        except TimeoutError:
            kind = message_type(type(request))
            raise UnansweredError(
                f"The executor {self.label} did not answer {kind} within {timeout_secs:g} s.", sent=sent
            ) from None
        reply = await to_the_end(decode_long_reply(reply_type(request), reply_frame))
        # What recovery depends on is asked each time, whatever was answered before.
        if is_unknown_message(reply) and not isinstance(request, URGENT):
            self._unknown = {**(self._unknown or {}), type(request): reply}
        return reply

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        while answers := [answer for answer in self._pending.values() if not answer.done()]:
            await asyncio.wait(answers)

    async def received(self, frame: str) -> None:
        """Take one text frame. Whatever it holds, nothing but this connection can suffer from it."""
        try:
            envelope = read_envelope(frame)
        except ProtocolError as error:
            await self.received_nonsense(str(error))
            return
        self._bad_frames = 0
        answer = self._pending.get(envelope.request_id)
        if answer is None or answer.done():
            logger.info("Executor %s sent a %s for a request that is over.", self.label, _kind(envelope))
            return
        self.answers += 1
        answer.set_result(frame)

    async def received_nonsense(self, what: str) -> None:
        """Take note of a frame that is no message; a peer that sends nothing else is shown out."""
        self._bad_frames += 1
        logger.warning("Executor %s sent a frame that was dropped: %s", self.label, what)
        if self._bad_frames >= MAX_BAD_FRAMES:
            await self.close(POLICY_VIOLATION, "too many frames that are not messages")

    async def close(self, code: int, reason: str) -> None:
        """Close the socket; requests under way fail at once."""
        self.lost(reason)
        await self._close(code, reason)

    def lost(self, reason: str) -> None:
        """The socket is gone: fail what is under way. Calling it again changes nothing."""
        if self._lost is not None:
            return
        self._lost = reason
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self._loss(sent=True))

    def _require_open(self) -> None:
        if self._lost is not None:
            raise self._loss(sent=False)

    def _loss(self, *, sent: bool) -> ConnectionLostError:
        return ConnectionLostError(
            f"The connection of executor {self.label} closed: {self._lost}.", sent=sent
        )


def _kind(envelope: Envelope) -> str:
    return "late refusal" if is_unknown_message(envelope) else "late or unknown reply"
