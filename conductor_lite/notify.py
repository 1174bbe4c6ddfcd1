"""Telling people, through Apprise: checks, shows and uses addresses. Knows no alerts, and keeps nothing.

An address is a secret as a whole: for many services even its host is a token. Nothing here repeats one in an
error or a log line; Apprise's own log lines, which do, are read for a status and go no further.
"""

import asyncio
import contextlib
import logging
import re
import sys
import threading
import warnings
from types import ModuleType
from urllib.parse import urlsplit

from conductor_lite.errors import DeliveryError

#: Seconds that one message may take.
SEND_TIMEOUT_SECS = 30.0
#: Messages under way at the same time; also the threads that a service which hangs can hold.
MAX_CONCURRENT = 4
MAX_URL_LENGTH = 4_096

#: Schemes whose host is a host, so that showing it tells no secret.
_HOSTED = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.+-]{0,31}):/")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")
_STATUS = re.compile(r"\berror=(\d{3})\b")


class Notifier:
    """Sends messages to addresses. Apprise is imported by the first use, in a thread: it takes its time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_CONCURRENT)
        # Threads that are still busy with a message that was given up.
        self._abandoned = 0

    async def check(self, url: str) -> bool:
        """Tell whether an address is one that Apprise understands. Sends nothing."""
        if not 0 < len(url) <= MAX_URL_LENGTH:
            return False
        return await asyncio.to_thread(_understood, url)

    async def send(
        self, url: str, *, title: str, body: str, good_news: bool = False, secs: float = SEND_TIMEOUT_SECS
    ) -> None:
        """Send one message.

        Args:
            url: the address, in Apprise's form.
            title: a few words.
            body: the text.
            good_news: whether it tells of something that is over.
            secs: how long it may take.

        Raises:
            DeliveryError: it was refused, did not get through or took too long. It may have arrived all the
                same in the last case.
        """
        async with self._turns:
            if self._abandoned >= MAX_CONCURRENT:
                raise DeliveryError("Earlier messages still hang at services that do not answer; wait.")
            done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            self._spawn(done, url, title, body, good_news)
            try:
                async with asyncio.timeout(secs):
                    error = await asyncio.shield(done)
            except TimeoutError:
                self._abandoned += 1
                done.add_done_callback(self._returned)
                raise DeliveryError(f"The service did not answer within {secs:g} s.") from None
        if error is not None:
            raise DeliveryError(error)

    def _returned(self, _done: object) -> None:
        self._abandoned -= 1

    def _spawn(self, done: asyncio.Future[str | None], url: str, title: str, body: str, good: bool) -> None:
        loop = asyncio.get_running_loop()

        def finish(error: str | None) -> None:
            if not done.done():
                done.set_result(error)

        def work() -> None:
            error = _send(url, title, body, good)
            # The server may have stopped meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, error)

        # A thread of its own, which dies with the process: a pool's would hold up the end of the server.
        threading.Thread(target=work, name="notification", daemon=True).start()


def shown(url: str) -> str:
    """What of an address may be shown: its scheme, and its host where that is no secret."""
    match = _SCHEME.match(url)
    if match is None:
        return "***"
    scheme = match.group(1).lower()
    if scheme in _HOSTED:
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = None
        if host and _HOST.fullmatch(host):
            return f"{scheme}://{host}/***"
    return f"{scheme}://***"


class _Statuses(logging.Filter):
    """Lets no log line pass; remembers the HTTP status that a thread's last complaint mentions."""

    def __init__(self) -> None:
        super().__init__()
        self.by_thread: dict[int | None, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        match = _STATUS.search(record.getMessage()) if record.levelno >= logging.WARNING else None
        if match is not None:
            self.by_thread[record.thread] = match.group(1)
        return False


_statuses = _Statuses()
_loading = threading.Lock()


def _apprise() -> ModuleType:
    # Imported here: it takes most of a second, and a server without targets never needs it.
    with _loading, warnings.catch_warnings():
        if "apprise" not in sys.modules:
            # Its plug-ins use what Python is going to remove; that is for its authors to hear.
            warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        logger = logging.getLogger("apprise")
        if _statuses not in logger.filters:
            logger.addFilter(_statuses)
            # What it sends with prints paths, and those hold tokens.
            logging.getLogger("urllib3").setLevel(logging.CRITICAL)
            # Loads the plug-ins.
            apprise.Apprise.instantiate("json://localhost")
    return apprise


def _understood(url: str) -> bool:
    return _apprise().Apprise.instantiate(url, suppress_exceptions=True) is not None


def _send(url: str, title: str, body: str, good_news: bool) -> str | None:
    """Send from a thread; gives what went wrong, without anything secret."""
    thread = threading.get_ident()
    try:
        apprise = _apprise()
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            return "The address is not understood; delete the notification target and make it anew."
        kind = apprise.NotifyType.SUCCESS if good_news else apprise.NotifyType.FAILURE
        # Plain text, so that no service reads a workflow's name as a piece of HTML or Markdown.
        service.notify_format = apprise.NotifyFormat.TEXT
        # Not through Apprise itself, which uses threads that hold up the end of the process.
        if service.notify(title=title, body=body, notify_type=kind):
            return None
        status = _statuses.by_thread.get(thread)
        told = f"the service answered {status}" if status else "the service refused it or was not reached"
        return f"The message was not delivered: {told}. Check the address and its tokens."
    except Exception as error:  # noqa: BLE001 - the outermost of a thread; plug-ins raise what they like
        # Whatever a plug-in raises may quote the address.
        return f"The message was not delivered: the way to this service failed ({type(error).__name__})."
    finally:
        _statuses.by_thread.pop(thread, None)
