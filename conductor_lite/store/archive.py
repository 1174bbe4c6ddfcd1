"""The zip of a backup: its manifest, writing it, reading it with suspicion. Knows nothing of a live store."""

import hashlib
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from conductor_lite.errors import BackupError, StartupError
from conductor_lite.store.failures import translated
from conductor_lite.store.revisions import read_state
from conductor_lite.store.schema import KNOWN_REVISIONS

DATABASE_MEMBER = "conductor.db"
MANIFEST_MEMBER = "manifest.json"

_CHUNK_BYTES = 1 << 20
_MOST_MANIFEST_BYTES = 64 * 1024
#: A database shrinks to a fifth or so; past this it is a bomb. Small ones may be mostly empty pages.
_MOST_RATIO = 200
_RATIO_FREE_BYTES = 16 << 20


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file in the zip, as it was when the backup was made."""

    #: Its name in the zip.
    name: str
    #: Its length in bytes, unpacked.
    size_bytes: int
    #: SHA-256 of its contents, in hexadecimal.
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says about itself."""

    #: Version of conductor-lite that made it.
    conductor_lite_version: str
    #: Revision of the database's schema.
    schema_revision: str
    #: When it was made.
    created_at: datetime
    #: Everything in the zip but the manifest.
    files: tuple[ManifestFile, ...]


def write(
    zip_path: Path, database: Path, describe: Callable[[ManifestFile], Manifest], check: Callable[[], None]
) -> Manifest:
    """Pack a database file and its manifest.

    Args:
        zip_path: the zip to write.
        database: the file to pack, which nobody changes meanwhile.
        describe: makes the manifest once the file's size and checksum are known.
        check: called after each piece; raises to give up.
    """
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        with database.open("rb") as source, archive.open(DATABASE_MEMBER, "w", force_zip64=True) as member:
            size, sha256 = _copy(source, member, database.stat().st_size, check)
        manifest = describe(ManifestFile(name=DATABASE_MEMBER, size_bytes=size, sha256=sha256))
        archive.writestr(MANIFEST_MEMBER, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def extract(zip_path: Path, target: Path) -> Manifest:
    """Unpack the database of a backup after checking everything about it that can be checked.

    Args:
        zip_path: the backup.
        target: the file to write; worthless when this raises.

    Raises:
        BackupError: it is damaged, not a backup, made by a newer version, or made to harm.
    """
    if not zip_path.is_file():
        raise BackupError(f"There is no backup {zip_path}. Check the file's name.")
    try:
        with zipfile.ZipFile(zip_path) as archive:
            members = _members(zip_path, archive)
            manifest = _manifest(zip_path, archive, members[MANIFEST_MEMBER])
            _unpack(zip_path, archive, members[DATABASE_MEMBER], manifest.files[0], target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused(zip_path, f"it is damaged or not a zip file ({error})") from error
    except OSError as error:
        raise BackupError(
            f"{zip_path} could not be unpacked to {target}: {error.strerror or error}. "
            "Check that both can be accessed and that the disk has room."
        ) from error
    with translated(target, BackupError):
        _check_database(zip_path, target, manifest)
    return manifest


def check_integrity(connection: sqlite3.Connection) -> str | None:
    """The first thing wrong with an open database, or None when it is sound."""
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if finding != "ok":
        return str(finding)
    orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    return None if orphan is None else f"a row of {orphan[0]} refers to nothing"


def _members(zip_path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    if sorted(member.filename for member in members) != [DATABASE_MEMBER, MANIFEST_MEMBER]:
        raise _refused(zip_path, f"it must hold {DATABASE_MEMBER} and {MANIFEST_MEMBER} and nothing else")
    for member in members:
        encrypted = member.flag_bits & 0x1
        if encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(zip_path, f"{member.filename} is packed in a way that conductor-lite does not use")
    return {member.filename: member for member in members}


def _manifest(zip_path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Manifest:
    if member.file_size > _MOST_MANIFEST_BYTES:
        raise _refused(zip_path, f"{MANIFEST_MEMBER} is far too large")
    with archive.open(member) as file:
        content = file.read(_MOST_MANIFEST_BYTES)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise _refused(zip_path, f"{MANIFEST_MEMBER} is not a manifest ({error})") from error
    if manifest.schema_revision not in KNOWN_REVISIONS:
        raise BackupError(
            f"{zip_path} was made by conductor-lite {manifest.conductor_lite_version}, which is newer "
            f"(schema {manifest.schema_revision}; known up to {KNOWN_REVISIONS[-1]}). "
            "Install that version to restore it."
        )
    if [file.name for file in manifest.files] != [DATABASE_MEMBER]:
        raise _refused(zip_path, f"{MANIFEST_MEMBER} lists other files than {DATABASE_MEMBER}")
    return manifest


def _unpack(
    zip_path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, promised: ManifestFile, target: Path
) -> None:
    if member.file_size != promised.size_bytes:
        raise _refused(zip_path, f"{member.filename} is not as long as the manifest says")
    if member.file_size > max(_RATIO_FREE_BYTES, member.compress_size * _MOST_RATIO):
        raise _refused(zip_path, f"{member.filename} would unpack to more than any database packs from")
    if member.file_size > shutil.disk_usage(target.parent).free:
        raise BackupError(
            f"{zip_path} needs {member.file_size} bytes under {target.parent}, which has not that much room. "
            "Free some space, then try again."
        )
    with archive.open(member) as source, target.open("wb") as file:
        _, sha256 = _copy(source, file, promised.size_bytes, lambda: None)
    if sha256 != promised.sha256:
        raise _refused(zip_path, f"the checksum of {member.filename} is not the manifest's")


def _check_database(zip_path: Path, database: Path, manifest: Manifest) -> None:
    # immutable: nobody else has this file, and SQLite is to make no -wal or -shm beside it.
    uri = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        finding = check_integrity(connection)
        if finding is not None:
            raise _refused(zip_path, f"its database is damaged: {finding}")
        try:
            state = read_state(connection)
        except StartupError as error:
            raise _refused(zip_path, "its database is not conductor-lite's") from error
    if state.revision != manifest.schema_revision:
        raise _refused(
            zip_path,
            f"its database has schema {state.revision}, its manifest says {manifest.schema_revision}",
        )


def _copy(source: IO[bytes], target: IO[bytes], limit: int, check: Callable[[], None]) -> tuple[int, str]:
    """Copy at most ``limit`` bytes; gives how many and their SHA-256."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(min(_CHUNK_BYTES, limit - size)):
        target.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        check()
    return size, digest.hexdigest()


def _refused(zip_path: Path, why: str) -> BackupError:
    return BackupError(f"{zip_path} is not a usable backup: {why}. Nothing was changed; use another backup.")
