"""The composition root: builds every part once, wires, starts and stops them. No part's logic is here."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from conductor_lite import __version__
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.auth.keys import KeyVerifier
from conductor_lite.clock import Clock
from conductor_lite.config import Settings
from conductor_lite.errors import StartupError
from conductor_lite.fleet.changes import Changes
from conductor_lite.fleet.endpoint import ExecutorEndpoint
from conductor_lite.fleet.fleet import Fleet
from conductor_lite.fleet.measurer import Measurer
from conductor_lite.fleet.recommender import Recommender
from conductor_lite.fleet.sockets import ExecutorSocketProtocol
from conductor_lite.loop_lag import LoopLag
from conductor_lite.notify import Notifier
from conductor_lite.operations import Operations
from conductor_lite.operations.context import Context
from conductor_lite.operations.remembered import Remembered
from conductor_lite.policies.alert_delivery import AlertDelivery
from conductor_lite.policies.alerts import AlertWatch
from conductor_lite.policies.audit_retention import AuditRetention
from conductor_lite.policies.autoscaling import AutoscalingWatch
from conductor_lite.policies.metrics import MetricCollection
from conductor_lite.policies.orphans import OrphanSweep
from conductor_lite.policies.retention import RetentionPolicy
from conductor_lite.policies.runner import PolicyRunner
from conductor_lite.policies.snapshots import Snapshots
from conductor_lite.policies.trusted_time import TrustedTime
from conductor_lite.store.alerting_rules import AlertingRules
from conductor_lite.store.alerts import Alerts
from conductor_lite.store.applications import Applications
from conductor_lite.store.audit import AuditLog
from conductor_lite.store.autoscaling import AutoscalingPolicies
from conductor_lite.store.database import Database
from conductor_lite.store.definitions import Definitions
from conductor_lite.store.executors import Executors
from conductor_lite.store.folder import DataFolder
from conductor_lite.store.idempotency_keys import IdempotencyKeys
from conductor_lite.store.keys import ApiKeys
from conductor_lite.store.metric_points import MetricPoints
from conductor_lite.store.metric_reading import MetricReading
from conductor_lite.store.notification_targets import NotificationTargets
from conductor_lite.store.organizations import Organizations
from conductor_lite.store.retention import RetentionRuns
from conductor_lite.store.roles import Roles
from conductor_lite.store.snapshot_counts import SnapshotCounts
from conductor_lite.store.snapshot_search import SnapshotSearch
from conductor_lite.store.snapshots import Snapshots as SnapshotStore
from conductor_lite.telemetry import ConductorReport, Durations

#: Seconds that HTTP requests get to finish once the server was told to stop.
GRACEFUL_SHUTDOWN_SECS = 5
#: Connections that may wait to be accepted: a fleet reconnects all at once after a restart.
BACKLOG = 4_096

#: How long a thread that writes a page may go on while the event loop wants its turn.
SWITCH_SECS = 0.001

#: Allocations between two collections of the youngest objects; how many of those make one of the middle ones,
#: which shall take milliseconds only; and how many of these one of everything.
COLLECTION_THRESHOLDS = (3_000, 2, 80)


class Conductor:
    """Every part of one server.

    Args:
        settings: checked settings.
        db: the open database.
    """

    def __init__(self, settings: Settings, db: Database, clock: Clock | None = None) -> None:
        clock = clock or Clock(db.last_written_at)
        self.settings = settings
        self.db = db
        self._http_durations = Durations()
        self._loop_lag = LoopLag()
        #: Set when the server begins to stop; ends long-lived answers such as event streams.
        self.closing = asyncio.Event()
        applications = Applications(db)
        api_keys = ApiKeys(db)
        organizations = Organizations(db)
        audit_log = AuditLog(db)
        snapshots = SnapshotStore(db)
        changes = Changes()
        verifier = KeyVerifier(api_keys.by_id, clock.now)
        self.fleet = Fleet(settings, applications, Executors(db), audit_log, changes, clock)
        rules, alerts, targets = AlertingRules(db), Alerts(db), NotificationTargets(db)
        retention_runs, notifier = RetentionRuns(db), Notifier()
        self._retention = RetentionPolicy(self.fleet, applications, retention_runs, audit_log, changes, clock)
        measurer, recommender = Measurer(self.fleet, clock), Recommender(clock)
        autoscaling_policies = AutoscalingPolicies(db)
        self._remembered = Remembered(Definitions(db))
        # What the conductor does by itself on a clock, beside the fleet's own loops.
        self._policies = PolicyRunner(
            [
                AuditRetention(organizations, audit_log, changes, clock),
                OrphanSweep(self.fleet, applications, changes, clock),
                AlertWatch(
                    self.fleet,
                    applications,
                    rules,
                    alerts,
                    audit_log,
                    changes,
                    clock,
                    lambda: self._policies.nudge(AlertDelivery.name),
                ),
                AlertDelivery(self.fleet, applications, alerts, targets, notifier, changes, clock),
                self._retention,
                AutoscalingWatch(self.fleet, recommender, applications, autoscaling_policies, clock),
                MetricCollection(
                    self.fleet, measurer, recommender, applications, audit_log, MetricPoints(db), clock
                ),
                Snapshots(self.fleet, applications, snapshots, clock),
                self._remembered,
            ],
            clock,
        )
        self.authenticator = Authenticator(verifier)
        self.operations = Operations(
            Context(
                settings=settings,
                applications=applications,
                keys=api_keys,
                organizations=organizations,
                roles=Roles(db),
                alerting_rules=rules,
                alerts=alerts,
                notification_targets=targets,
                notifier=notifier,
                retention_runs=retention_runs,
                retention=self._retention,
                autoscaling_policies=autoscaling_policies,
                audit_log=audit_log,
                idempotency_keys=IdempotencyKeys(db),
                snapshots=snapshots,
                snapshot_search=SnapshotSearch(db),
                snapshot_counts=SnapshotCounts(db),
                remembered=self._remembered,
                fleet=self.fleet,
                metric_reading=MetricReading(db),
                measurer=measurer,
                recommender=recommender,
                report=self.report,
                verifier=verifier,
                changes=changes,
                now=clock.now,
                trusted_now=TrustedTime(clock).now,
            )
        )
        self.executor_endpoint = ExecutorEndpoint(settings, self.fleet, self.operations.connecting.admit)

    async def start(self) -> None:
        """Take over what is on record and begin to watch.

        Raises:
            StoreError: the records cannot be read.
        """
        await self.fleet.start()
        self._policies.start()
        self._loop_lag.start()

    async def stop(self) -> None:
        """End long-lived answers, say goodbye to the executors, write what is noted. May be called twice."""
        self.closing.set()
        self._loop_lag.stop()
        await self.operations.bulk_jobs.stop_all()
        await self.operations.refusals.stop()
        await self._policies.stop()
        await self._remembered.stop()
        await self._retention.stop()
        await self.fleet.stop()

    def report(self) -> ConductorReport:
        """How the conductor is, for those who watch it."""
        database_bytes, log_bytes = self.db.sizes_bytes()
        return ConductorReport(
            version=__version__,
            connections=self.fleet.connection_count(),
            http_requests=self._http_durations.picture(),
            executor_requests=self.fleet.request_durations(),
            loop_lag_secs=self._loop_lag.worst_secs(),
            writes_waiting=self.db.writes_waiting,
            database_bytes=database_bytes,
            write_ahead_log_bytes=log_bytes,
            policies=tuple(self._policies.health()),
        )

    def around(self, app: ASGIApp) -> ASGIApp:
        """What stands between the network and the faces; counts how long requests take."""
        # Imported here, for the offline commands of the terminal need no face.
        from conductor_lite.api.routes import with_middleware

        return with_middleware(app, self.settings, self._http_durations)

    def health(self) -> dict[str, object]:
        """What ``/healthz`` answers."""
        return {"status": "ok", "version": __version__}


@asynccontextmanager
async def open_conductor(settings: Settings) -> AsyncIterator[Conductor]:
    """Hold the data folder and open its database, without serving: for the server and for offline commands.

    Raises:
        StartupError: another process holds the folder, or it or its database cannot be used.
    """
    with DataFolder.open(settings.data_dir):
        db = await Database.open(settings.data_dir)
        try:
            yield Conductor(settings, db)
        finally:
            await db.close()


def build_app(conductor: Conductor) -> ASGIApp:
    """The ASGI application: every face of one conductor behind the loopback guard."""
    # Imported here, for the offline commands of the terminal need neither face.
    from conductor_lite.api.routes import build_routes
    from conductor_lite.console.assets import asset_url
    from conductor_lite.console.pages import Console

    operations, authenticator = conductor.operations, conductor.authenticator
    settings = conductor.settings
    console = Console(operations, authenticator, settings, conductor.closing)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket/{app}/{key:path}", conductor.executor_endpoint.serve),
            *build_routes(operations, authenticator, settings, conductor.health, asset_url),
            *console.routes(),
        ],
        exception_handlers={HTTPException: console.error_page, Exception: console.error_page},
    )
    return conductor.around(app)


class _Server(uvicorn.Server):
    """uvicorn, told how to announce itself and what to do before it closes connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            # Newcomers would be sent away one by one otherwise.
            server.close()
        await self._on_stop()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The original raises the signal again afterwards; a server that was asked to stop has not failed.
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(
    settings: Settings,
    on_ready: Callable[[str], Awaitable[None]],
    on_stop: Callable[[], Awaitable[None]],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: checked settings.
        on_ready: called with the server's URL when it answers requests.
        on_stop: called when it begins to stop.

    Raises:
        StartupError: the port is taken, or the data folder cannot be used.
        StoreError: the database cannot be read.
    """
    with _listener(settings) as listener, DataFolder.open(settings.data_dir) as folder:
        db = await Database.open(settings.data_dir)
        try:
            conductor = Conductor(settings, db)
            await conductor.start()

            async def announce() -> None:
                _resume_garbage_collection()
                sys.setswitchinterval(SWITCH_SECS)
                url = _url(settings, listener)
                folder.write_runtime(url)
                await on_ready(url)

            async def stop() -> None:
                await on_stop()
                await conductor.stop()

            try:
                await _Server(_uvicorn_config(settings, conductor), announce, stop).serve([listener])
            finally:
                await conductor.stop()
        finally:
            await db.close()


def _resume_garbage_collection() -> None:
    """Collect garbage, without stopping the event loop for tenths of a second while a fleet connects.

    What the start made stays for good, so no collection need look through it again; and as sockets make many
    objects that live long, young ones are looked through less often than every 700 allocations.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    gc.enable()


def _uvicorn_config(settings: Settings, conductor: Conductor) -> uvicorn.Config:
    return uvicorn.Config(
        build_app(conductor),
        http="httptools",
        ws=ExecutorSocketProtocol,
        ws_max_size=settings.max_frame_bytes,
        ws_ping_interval=settings.ping_interval_secs,
        ws_ping_timeout=settings.ping_timeout_secs,
        # Its windows would cost more memory per executor than everything else.
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECS,
    )


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    with listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise StartupError(
                f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Another server may use "
                "that port; stop it, or choose another with --port."
            ) from error
        yield listener


def _url(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"
