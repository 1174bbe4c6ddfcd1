"""API keys: their form, how a secret is stored, and how a presented key is verified quickly and safely.

A key reads ``dbos_`` + public id (12) + secret (43) + checksum (6). Only the id and an Argon2id hash of the
secret are stored; the checksum tells a typing mistake from a forgery without touching the database.
"""

import asyncio
import base64
import hashlib
import re
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from conductor_lite.errors import UnauthenticatedError
from conductor_lite.store.records import ApiKeyRecord

KEY_PREFIX = "dbos_"
_ID_LENGTH = 12
_SECRET_LENGTH = 43
_KEY_PATTERN = re.compile(r"dbos_([a-z0-9]{12})([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})")
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

# The secret has 256 random bits, so the hash need not slow a guesser down: OWASP's smallest profile will do.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_CONCURRENT_HASHES = 2
_REMEMBERED_REFUSALS = 4096
_REMEMBERED_KEYS = 16_384


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made. ``key`` is shown to its maker once and never stored."""

    id: str
    key: str
    secret_hash: str


async def make_key() -> NewKey:
    """Make a fresh random key; the hash is computed in a thread."""
    key_id = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    secret_hash = await asyncio.to_thread(_HASHER.hash, secret)
    body = key_id + secret
    return NewKey(id=key_id, key=KEY_PREFIX + body + _checksum(body), secret_hash=secret_hash)


def _checksum(body: str) -> str:
    digest = zlib.crc32(body.encode()).to_bytes(4, "big")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def parse_key(key: str) -> tuple[str, str]:
    """Split a presented key into public id and secret.

    Raises:
        UnauthenticatedError: it is not a key, or has a typing mistake in it.
    """
    match = _KEY_PATTERN.fullmatch(key)
    if match is None:
        raise UnauthenticatedError("This is not an API key of this server; create one and use it as it is.")
    key_id, secret, checksum = match.groups()
    if not secrets.compare_digest(checksum, _checksum(key_id + secret)):
        raise UnauthenticatedError("This API key has a typing mistake or was cut short; copy it again.")
    return key_id, secret


class KeyVerifier:
    """Verifies presented keys; a verified one is remembered, so a storm of reconnects costs one Argon2.

    Args:
        find: looks a stored key up by its public id.
        now: the calendar.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[ApiKeyRecord | None]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._find = find
        self._now = now
        # When each key was last presented and good, by public id. Not written down: that would bring the disk
        # into the way of every request.
        self._used: dict[str, datetime] = {}
        # Digests are keyed, so that memory never holds anything a key could be recovered or replayed from.
        self._digest_key = secrets.token_bytes(32)
        # Digest of the key -> its record; entries leave by revocation or when a newer one needs the room.
        self._verified: OrderedDict[bytes, ApiKeyRecord] = OrderedDict()
        # Digests refused lately; a key that was wrong once stays wrong, for secrets never change.
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        # Verifications under way, shared by everyone who presents the same key meanwhile.
        self._under_way: dict[bytes, asyncio.Task[ApiKeyRecord]] = {}
        # Raised by each revocation, so that a verification that began before it is not remembered.
        self._generation = 0
        self._hashes = asyncio.Semaphore(_CONCURRENT_HASHES)

    async def verify(self, key: str) -> ApiKeyRecord:
        """Find the record of a presented key.

        Raises:
            UnauthenticatedError: malformed, unknown, revoked, or the secret is wrong.
        """
        key_id, secret = parse_key(key)
        digest = hashlib.blake2b(key.encode(), key=self._digest_key, digest_size=32).digest()
        if (record := self._verified.get(digest)) is not None:
            self._verified.move_to_end(digest)
            self._used[record.id] = self._now()
            return record
        if digest in self._refused:
            raise _refusal()
        task = self._under_way.get(digest)
        if task is None:
            task = asyncio.create_task(self._verify(key_id, secret, digest))
            self._under_way[digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(digest, None))
        # Shielded: one impatient caller must not cancel the answer that others wait for.
        record = await asyncio.shield(task)
        self._used[record.id] = self._now()
        return record

    def last_used_at(self, key_id: str) -> datetime | None:
        """When a key was last good for something; None: not since the start."""
        return self._used.get(key_id)

    def forget(self, key_id: str) -> None:
        """Stop accepting a revoked key at once."""
        self._generation += 1
        for digest in [digest for digest, record in self._verified.items() if record.id == key_id]:
            del self._verified[digest]

    def refresh(self) -> None:
        """Drop what is remembered, after keys changed in ways other than one revocation."""
        self._generation += 1
        self._verified.clear()

    async def _verify(self, key_id: str, secret: str, digest: bytes) -> ApiKeyRecord:
        generation = self._generation
        record = await self._find(key_id)
        if record is None:
            raise _refusal()
        async with self._hashes:
            matches = await asyncio.to_thread(_matches, record.secret_hash, secret)
        if generation != self._generation:
            # Something was revoked meanwhile: ask the database again rather than trust the older reading.
            if await self._find(key_id) is None:
                raise _refusal()
        elif matches:
            self._verified[digest] = record
            if len(self._verified) > _REMEMBERED_KEYS:
                self._verified.popitem(last=False)
        if not matches:
            self._refused[digest] = None
            if len(self._refused) > _REMEMBERED_REFUSALS:
                self._refused.popitem(last=False)
            raise _refusal()
        return record


def _matches(secret_hash: str, secret: str) -> bool:
    try:
        return _HASHER.verify(secret_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def _refusal() -> UnauthenticatedError:
    return UnauthenticatedError("This API key is unknown or revoked; create a new one and use that.")
