"""What runs here and how it is: versions, settings in effect, the health of the process and its database."""

import platform
import shlex
import shutil
import sqlite3
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec

from conductor_lite import __version__
from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import ORGANIZATION_READ
from conductor_lite.config import ENVIRONMENT_PREFIX, MEANINGS, Settings
from conductor_lite.operations.context import Context
from conductor_lite.store.schema import HEAD_REVISION
from conductor_lite.telemetry import PolicyHealth

# So that a page which shows it does not change at each look.
_DISK_STEP_BYTES = 16 << 20


class SdkVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of an SDK that executors on record run."""

    language: str
    version: str
    executors: int
    application_names: tuple[str, ...]


class SettingInEffect(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as the server was started with it."""

    name: str
    #: As it would stand in conductor.toml; empty where nothing is set.
    value: str
    default: str
    meaning: str
    #: The environment variable that sets it.
    variable: str

    @property
    def is_changed(self) -> bool:
        """Whether it differs from the default."""
        return self.value != self.default


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the process and its database are."""

    #: Sockets of executors.
    connections: int
    #: Transactions that wait for their turn to write.
    writes_waiting: int
    database_bytes: int
    write_ahead_log_bytes: int
    #: Room left on the disk of the data folder, told in steps of `_DISK_STEP_BYTES`.
    disk_free_bytes: int
    policies: tuple[PolicyHealth, ...]


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """One running server."""

    version: str
    python_version: str
    sqlite_version: str
    schema_revision: str
    started_at: datetime
    #: Whole path of the data folder.
    data_dir: str
    sdks: tuple[SdkVersion, ...]
    settings: tuple[SettingInEffect, ...]
    health: Health

    def restore_command(self, file: str) -> str:
        """What to type to put a backup in place of this server's database."""
        return f"conductor-lite restore {shlex.quote(file)} --data-dir {shlex.quote(self.data_dir)}"


class Installations:
    """Operations on the server itself."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._started_at = context.now()

    async def describe(self, actor: Actor) -> Installation:
        """Tell what runs here and how it is.

        Raises:
            ForbiddenError: organization.read is missing, or the actor is limited to some applications.
            StoreError: the applications cannot be read.
        """
        actor.require_whole(ORGANIZATION_READ)
        settings = self._context.settings
        return Installation(
            version=__version__,
            python_version=platform.python_version(),
            sqlite_version=sqlite3.sqlite_version,
            schema_revision=HEAD_REVISION,
            started_at=self._started_at,
            data_dir=str(settings.data_dir.absolute()),
            sdks=await self._sdks(actor),
            settings=settings_in_effect(settings),
            health=self._health(),
        )

    def _health(self) -> Health:
        report = self._context.report()
        free = shutil.disk_usage(self._context.settings.data_dir).free
        return Health(
            connections=report.connections,
            writes_waiting=report.writes_waiting,
            database_bytes=report.database_bytes,
            write_ahead_log_bytes=report.write_ahead_log_bytes,
            disk_free_bytes=free - free % _DISK_STEP_BYTES,
            policies=report.policies,
        )

    async def _sdks(self, actor: Actor) -> tuple[SdkVersion, ...]:
        counts: Counter[tuple[str, str]] = Counter()
        names: dict[tuple[str, str], set[str]] = {}
        for application in await self._context.applications.list(actor.organization_id):
            if not actor.sees(application.id):
                continue
            for view in self._context.fleet.executors(application.id):
                sdk = (view.language or "unknown", view.dbos_version or "unknown")
                counts[sdk] += 1
                names.setdefault(sdk, set()).add(application.name)
        return tuple(
            SdkVersion(
                language=language,
                version=version,
                executors=counts[language, version],
                application_names=tuple(sorted(names[language, version])),
            )
            for language, version in sorted(counts)
        )


def settings_in_effect(settings: Settings) -> tuple[SettingInEffect, ...]:
    """Every setting that may be shown. One that holds a secret has no entry in `MEANINGS`."""
    default = Settings()
    return tuple(
        SettingInEffect(
            name=name,
            value=_as_toml(getattr(settings, name)),
            default=_as_toml(getattr(default, name)),
            meaning=meaning,
            variable=ENVIRONMENT_PREFIX + name.upper(),
        )
        for name, meaning in MEANINGS.items()
    )


def _as_toml(value: object) -> str:
    """A setting's value; JSON writes these kinds as TOML does."""
    if value is None:
        return ""
    return msgspec.json.encode(str(value) if isinstance(value, Path) else value).decode()
