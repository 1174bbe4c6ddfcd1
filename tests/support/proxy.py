"""A TCP proxy between executors and a conductor that does to their connections what networks do."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from enum import Enum
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES = 65_536


class Mode(Enum):
    """What becomes of bytes and newcomers."""

    #: Everything goes through.
    PASS = "pass"
    #: Bytes and ends of connections vanish both ways while all sockets stay open; newcomers too get nothing.
    SWALLOW = "swallow"
    #: Nothing is read any more, so that the senders' buffers fill up; newcomers wait.
    STALL = "stall"
    #: Newcomers are turned away; those who are connected stay so until ``cut``.
    REFUSE = "refuse"


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to another one, on a thread of its own.

    Args:
        target_port: where the conductor listens.
        small_buffers: keep the kernel from buffering more than some kilobytes of what the conductor sends.
    """

    def __init__(self, target_port: int, *, small_buffers: bool = False) -> None:
        self._target_port = target_port
        self._small_buffers = small_buffers
        # Read and written on the loop only, like everything below.
        self._mode = Mode.PASS
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        #: Newcomers turned away since the mode was last changed.
        self.refused = 0
        self.port = 0

    @property
    def ws_url(self) -> str:
        """What executors connect to."""
        return f"ws://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def set(self, mode: Mode) -> None:
        """Change what it does, for connections that are open as well."""

        async def change() -> None:
            self._mode = mode
            self.refused = 0
            if mode is Mode.STALL:
                self._flowing.clear()
            else:
                self._flowing.set()

        self._run(change())

    def cut(self) -> None:
        """Break every open connection off, with a reset at both ends."""

        async def abort() -> None:
            for writer in list(self._writers):
                _abort(writer)

        self._run(abort())

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _shut_down(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            _abort(writer)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._mode is Mode.REFUSE:
                self.refused += 1
                return
            await self._flowing.wait()
            await self._forward(reader, writer)
        except OSError:
            pass
        finally:
            _abort(writer)
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_connection(
            sock=await self._connect(), limit=_CHUNK_BYTES
        )
        self._writers.add(target_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, target_writer)),
            asyncio.create_task(self._pump(target_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            _abort(target_writer)
            self._writers.discard(target_writer)

    async def _connect(self) -> socket.socket:
        connection = socket.socket()
        connection.setblocking(False)
        if self._small_buffers:
            # The sender's buffer follows the segment size, which is 64 KiB on the loopback interface.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        try:
            await self._loop.sock_connect(connection, ("127.0.0.1", self._target_port))
        except OSError:
            connection.close()
            raise
        return connection

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._flowing.wait()
            try:
                chunk = await reader.read(_CHUNK_BYTES)
            except OSError:
                chunk = b""
            if self._mode is Mode.SWALLOW:
                if not chunk:
                    # The other side is not to learn of it as long as the network is gone.
                    await asyncio.Event().wait()
                continue
            await self._flowing.wait()
            if not chunk:
                return
            writer.write(chunk)
            with contextlib.suppress(OSError):
                await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of a farewell."""
    peer = writer.get_extra_info("socket")
    if peer is not None and peer.fileno() != -1:
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    writer.transport.abort()
