"""Executors by the thousand in one process: real sockets, real frames, and as little else as possible.

A client library would cost more than the servers under test. Frames are masked with the key 0, which RFC 6455
allows and which leaves the payload as it is.
"""

import asyncio
import json
import struct
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmark.control import serve_commands

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_CONCURRENT_HANDSHAKES = 200
_NO_MASK = b"\x00\x00\x00\x00"


class _Question(msgspec.Struct):
    type: str
    request_id: str
    executor_ids: list[str] = []


_read_question = msgspec.json.Decoder(_Question).decode


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + _NO_MASK + payload


def _workflows(count: int) -> bytes:
    """The rows of a listing as the Python SDK writes them, without inputs and outputs."""
    rows = [
        {
            "WorkflowUUID": f"3f0c8a52-95d1-4b7e-9a6e-{number:012d}",
            "Status": "SUCCESS",
            "WorkflowName": "process_order",
            "WorkflowClassName": None,
            "WorkflowConfigName": None,
            "AuthenticatedUser": None,
            "AssumedRole": None,
            "AuthenticatedRoles": None,
            "Input": None,
            "Output": None,
            "Error": None,
            "CreatedAt": str(1_760_000_000_000 + number),
            "UpdatedAt": str(1_760_000_000_500 + number),
            "QueueName": "orders",
            "ApplicationVersion": "b1946ac92492d2347c6235b4d2611184",
            "ExecutorID": "8b7cbbd2-2f9b-4b06-a1a0-2a1b7ce8e77e",
        }
        for number in range(count)
    ]
    return json.dumps(rows).encode()


class _Executor(asyncio.Protocol):
    """One executor: answers what it is asked, from the moment that the handshake is through."""

    __slots__ = ("_buffer", "_fleet", "_handshake", "executor_id", "ready", "transport")

    def __init__(self, fleet: "_Executors", executor_id: str, handshake: bytes) -> None:
        self._fleet = fleet
        self._handshake: bytes | None = handshake
        self._buffer = b""
        self.executor_id = executor_id
        self.ready: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        if self._handshake is not None:
            head, separator, rest = data.partition(b"\r\n\r\n")
            if not separator:
                self._buffer = data
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._fail(f"refused: {head.splitlines()[0].decode()} {rest[:200].decode()}")
                return
            self._handshake = None
            data = rest
        position = 0
        while (frame := _read_frame(data, position)) is not None:
            opcode, start, position = frame
            self._take(opcode, data[start:position])
        self._buffer = data[position:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")
        self._fleet.gone(self)

    def _take(self, opcode: int, payload: bytes) -> None:
        assert self.transport is not None
        if opcode == _TEXT:
            self._answer(_read_question(payload))
        elif opcode == _PING:
            self.transport.write(_frame(_PONG, payload))
        elif opcode == _PONG and self.ready is not None:
            # The server has read all that was sent before the ping: it knows who this is.
            self.ready.set_result(None)
            self.ready = None
        elif opcode == _CLOSE:
            self.transport.close()

    def _answer(self, question: _Question) -> None:
        assert self.transport is not None
        head = b'{"type":"%b","request_id":"%b",' % (question.type.encode(), question.request_id.encode())
        if question.type == "executor_info":
            body = self._fleet.identity % self.executor_id.encode()
        elif question.type == "exist_pending_workflows":
            body = b'"exist":false}'
        elif question.type == "list_workflows":
            body = b'"output":%b}' % self._fleet.workflows
        else:
            self._fleet.recovery_asked(question.executor_ids)
            body = b'"success":true}'
        frame = _frame(_TEXT, head + body)
        self.transport.write(frame if self.ready is None else frame + _frame(_PING, b""))

    def _fail(self, why: str) -> None:
        if self.ready is not None and not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        self.ready = None


def _read_frame(data: bytes, position: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the frame at ``position``; None when it is not all there."""
    available = len(data) - position
    if available < 2:
        return None
    size, header = data[position + 1] & 0x7F, 2
    if size == 126 and available >= 4:
        size, header = struct.unpack_from("!H", data, position + 2)[0], 4
    elif size == 127 and available >= 10:
        size, header = struct.unpack_from("!Q", data, position + 2)[0], 10
    elif size >= 126:
        return None
    start = position + header
    end = start + size
    return (data[position] & 0x0F, start, end) if end <= len(data) else None


class _Executors:
    """All executors of this process, and what recovery messages they were sent."""

    def __init__(self) -> None:
        self.identity = b""
        self.workflows = b"[]"
        self._here: dict[str, _Executor] = {}
        # Times and ids of the recovery messages that came.
        self._recoveries: list[tuple[float, list[str]]] = []
        self._recovery_came = asyncio.Event()

    async def connect(self, url: str, path: str, prefix: str, count: int) -> float:
        """Connect that many; returns the seconds until the server knew the last of them."""
        address = urlsplit(url)
        host, port = address.hostname or "", address.port or 0
        self.identity = (
            b'"executor_id":"%b","application_version":"v1","hostname":"bench-host","language":"python",'
            b'"dbos_version":"2.31.1","executor_metadata":null}'
        )
        handshake = (
            f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        turns = asyncio.Semaphore(_CONCURRENT_HANDSHAKES)
        loop = asyncio.get_running_loop()

        async def connect_one(executor_id: str) -> None:
            async with turns:
                executor = _Executor(self, executor_id, handshake)
                ready = executor.ready
                assert ready is not None
                await loop.create_connection(lambda: executor, host, port)
                await ready
                self._here[executor_id] = executor

        started = time.perf_counter()
        await asyncio.gather(*(connect_one(f"{prefix}-{number:05d}") for number in range(count)))
        return time.perf_counter() - started

    async def cut(self, prefix: str) -> float:
        """Cut every socket whose executor id begins so, all at once; returns when, on the monotonic clock."""
        self._recoveries.clear()
        leaving = [executor for executor in self._here.values() if executor.executor_id.startswith(prefix)]
        cut_at = time.monotonic()
        for executor in leaving:
            assert executor.transport is not None
            executor.transport.abort()
        return cut_at

    async def recoveries(self, count: int, timeout_secs: float) -> dict[str, float]:
        """Wait until recovery was asked for that many; returns when (monotonic), and in how many messages."""
        async with asyncio.timeout(timeout_secs):
            while len({name for _, names in self._recoveries for name in names}) < count:
                self._recovery_came.clear()
                await self._recovery_came.wait()
        return {"at": self._recoveries[-1][0], "messages": len(self._recoveries)}

    async def hold_workflows(self, count: int) -> None:
        """Answer listings with that many workflows from now on."""
        self.workflows = _workflows(count)

    async def count(self) -> int:
        """How many are connected."""
        return len(self._here)

    def recovery_asked(self, executor_ids: list[str]) -> None:
        """An executor was asked to recover others."""
        self._recoveries.append((time.monotonic(), executor_ids))
        self._recovery_came.set()

    def gone(self, executor: _Executor) -> None:
        """A socket is closed."""
        self._here.pop(executor.executor_id, None)


async def _main() -> None:
    fleet = _Executors()
    await serve_commands(
        {
            "connect": fleet.connect,
            "cut": fleet.cut,
            "recoveries": fleet.recoveries,
            "hold_workflows": fleet.hold_workflows,
            "count": fleet.count,
        }
    )


if __name__ == "__main__":
    uvloop.run(_main())
