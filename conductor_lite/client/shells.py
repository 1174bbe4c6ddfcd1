"""The two clients: thin shells, blocking and asynchronous, that send what the rest of this package makes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx

from conductor_lite import __version__
from conductor_lite.client.call import Call, ItemT, Listing, ResultT
from conductor_lite.client.exchange import Answer, Attempts, OutgoingRequest, RetryPolicy, decode, encode
from conductor_lite.client.paging import Pager
from conductor_lite.errors import ConfigurationError, UnreachableError

#: Longer than the server takes to ask one executor after another.
DEFAULT_TIMEOUT_SECS = 60.0
_CONNECT_TIMEOUT_SECS = 10.0
_DEFAULT_RETRY = RetryPolicy()
#: A file is made before its first byte comes, and a large one takes its time.
_DOWNLOAD_TIMEOUT = httpx.Timeout(600.0, connect=_CONNECT_TIMEOUT_SECS)


class Client:
    """A client that blocks.

    Args:
        base_url: the server's root, such as ``http://127.0.0.1:8090``.
        key: API key; None where the server runs without login.
        organization: whose applications.
        timeout_secs: seconds that a call may wait for its answer.
        retry: when calls are tried again.
        transport: in place of the network, for tests.

    Raises:
        ConfigurationError: ``base_url`` is not one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        organization: str = "local",
        timeout_secs: float = DEFAULT_TIMEOUT_SECS,
        retry: RetryPolicy = _DEFAULT_RETRY,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._organization = organization
        self._retry = retry
        self._http = httpx.Client(
            base_url=_checked_url(base_url),
            headers=_headers(key),
            timeout=_timeout(timeout_secs),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def run(self, call: Call[ResultT]) -> ResultT:
        """Carry out one call.

        Raises:
            ApiError: the server refused or failed; its subclasses are those of ``conductor_lite.errors`` too.
            UnreachableError: the server did not answer.
            UnexpectedAnswerError: something else answered.
            InvalidError: a name in the path is empty.
        """
        request = encode(call, self._organization)
        attempts = Attempts(call, self._retry)
        while True:
            answer = self._send(request)
            pause_secs = attempts.pause_secs(answer, datetime.now(UTC))
            if pause_secs is None:
                return decode(call, answer)
            time.sleep(pause_secs)

    def pages(self, listing: Listing[ItemT]) -> Iterator[list[ItemT]]:
        """Yield a long list in parts; its ``limit`` bounds the whole. Raises as ``run`` does."""
        pager = Pager(listing)
        while (call := pager.next_call()) is not None:
            if fresh := pager.take(self.run(call)):
                yield fresh

    def stream(self, listing: Listing[ItemT]) -> Iterator[ItemT]:
        """Yield the items of a long list one by one. Raises as ``run`` does."""
        for page in self.pages(listing):
            yield from page

    def download(self, call: Call[None], write: Callable[[bytes], object]) -> None:
        """Carry out a call whose answer is a file, piece by piece; what breaks off is an error.

        Raises as ``run`` does, and what ``write`` raises.
        """
        request = encode(call, self._organization)
        sending = self._http.build_request(
            request.method, request.path, headers=request.headers, timeout=_DOWNLOAD_TIMEOUT
        )
        try:
            response = self._http.send(sending, stream=True)
            try:
                if not response.is_success:
                    decode(call, Answer(response.status_code, response.headers, response.read()))
                for chunk in response.iter_bytes():
                    write(chunk)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error

    def _send(self, request: OutgoingRequest) -> Answer:
        try:
            response = self._http.request(
                request.method,
                request.path,
                params=request.query,
                content=request.content,
                headers=request.headers,
            )
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error
        return Answer(response.status_code, response.headers, response.content)


class AsyncClient:
    """The same for asyncio. Arguments and errors are those of ``Client``."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        organization: str = "local",
        timeout_secs: float = DEFAULT_TIMEOUT_SECS,
        retry: RetryPolicy = _DEFAULT_RETRY,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._organization = organization
        self._retry = retry
        self._http = httpx.AsyncClient(
            base_url=_checked_url(base_url),
            headers=_headers(key),
            timeout=_timeout(timeout_secs),
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def run(self, call: Call[ResultT]) -> ResultT:
        """Carry out one call; raises as ``Client.run`` does."""
        request = encode(call, self._organization)
        attempts = Attempts(call, self._retry)
        while True:
            answer = await self._send(request)
            pause_secs = attempts.pause_secs(answer, datetime.now(UTC))
            if pause_secs is None:
                return decode(call, answer)
            await asyncio.sleep(pause_secs)

    async def pages(self, listing: Listing[ItemT]) -> AsyncIterator[list[ItemT]]:
        """Yield a long list in parts; its ``limit`` bounds the whole. Raises as ``Client.run`` does."""
        pager = Pager(listing)
        while (call := pager.next_call()) is not None:
            if fresh := pager.take(await self.run(call)):
                yield fresh

    async def stream(self, listing: Listing[ItemT]) -> AsyncIterator[ItemT]:
        """Yield the items of a long list one by one. Raises as ``Client.run`` does."""
        async for page in self.pages(listing):
            for item in page:
                yield item

    async def download(self, call: Call[None], write: Callable[[bytes], object]) -> None:
        """Carry out a call whose answer is a file; raises as ``Client.download`` does."""
        request = encode(call, self._organization)
        sending = self._http.build_request(
            request.method, request.path, headers=request.headers, timeout=_DOWNLOAD_TIMEOUT
        )
        try:
            response = await self._http.send(sending, stream=True)
            try:
                if not response.is_success:
                    decode(call, Answer(response.status_code, response.headers, await response.aread()))
                async for chunk in response.aiter_bytes():
                    write(chunk)
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error

    async def _send(self, request: OutgoingRequest) -> Answer:
        try:
            response = await self._http.request(
                request.method,
                request.path,
                params=request.query,
                content=request.content,
                headers=request.headers,
            )
        except httpx.HTTPError as error:
            raise _unreachable(self._http.base_url, error) from error
        return Answer(response.status_code, response.headers, response.content)


def _checked_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        # Not repeated: a key may have got into it.
        raise ConfigurationError(
            "The server's address is not allowed; use an http or https URL without a user, a query or a "
            "fragment, such as http://127.0.0.1:8090."
        )
    return url


def _headers(key: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": f"conductor-lite/{__version__}"}
    if key is None:
        return headers
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("The API key has characters that no key has; take it over once more.")
    return {**headers, "Authorization": f"Bearer {key}"}


def _timeout(timeout_secs: float) -> httpx.Timeout:
    return httpx.Timeout(timeout_secs, connect=min(timeout_secs, _CONNECT_TIMEOUT_SECS))


def _unreachable(base_url: httpx.URL, error: httpx.HTTPError) -> UnreachableError:
    return UnreachableError(f"The server at {base_url} does not answer: {error or type(error).__name__}.")
