"""``GET /v1/metrics``, as text or OpenMetrics: what Prometheus scrapes. What is in it, operations know."""

import asyncio
import logging
from collections.abc import Iterator

from prometheus_client import exposition
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from conductor_lite.api.accept import PLAIN, quality
from conductor_lite.api.limits import Turnstile, name_of_address, name_of_caller
from conductor_lite.api.middleware import REQUEST_ID
from conductor_lite.api.problems import internal_problem, problem_from_error
from conductor_lite.api.route import DocumentRoute, query_pairs
from conductor_lite.auth.actor import Actor
from conductor_lite.auth.authenticate import Authenticator
from conductor_lite.errors import ConductorError, UnauthenticatedError
from conductor_lite.operations import Operations
from conductor_lite.operations.scrape import Scraped, ScrapedFamily
from conductor_lite.telemetry import BUCKETS_SECS, ConductorReport, DurationsView

logger = logging.getLogger(__name__)

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OWN = "conductor_lite_"


class MetricsRoute(DocumentRoute):
    """The one path.

    Args:
        path: where it is.
        operations: what it calls.
        authenticator: tells who is asking.
        turnstile: keeps one caller from crowding the others out.
    """

    def __init__(
        self, path: str, operations: Operations, authenticator: Authenticator, turnstile: Turnstile
    ) -> None:
        self._operations = operations
        self._authenticator = authenticator
        self._turnstile = turnstile
        super().__init__(path, self._answer)

    async def _answer(self, request: Request) -> Response:
        try:
            actor = await self._actor(request)
            async with self._turnstile.turn(name_of_caller(actor)):
                return await self._scrape(request, actor)
        except ConductorError as error:
            return problem_from_error(error)
        except Exception:
            # The outermost loop of a request: no other face shall answer it with a page.
            request_id = request.scope[REQUEST_ID]
            logger.exception("A scrape failed, request id %s", request_id)
            return internal_problem(request_id)

    async def _actor(self, request: Request) -> Actor:
        source_ip = request.client.host if request.client else None
        try:
            return await self._authenticator.actor(request.headers.get("authorization"), source_ip)
        except UnauthenticatedError:
            await self._turnstile.count_refused(name_of_address(source_ip))
            raise

    async def _scrape(self, request: Request, actor: Actor) -> Response:
        pairs = query_pairs(request)

        def given(name: str) -> frozenset[str]:
            return frozenset(value for key, value in pairs if key == name)

        metrics = given("metrics")
        scraped = await self._operations.scrape.collect(
            actor,
            applications=given("applications"),
            workflow_names=given("workflow_names"),
            metrics=metrics,
        )
        media_type = OPENMETRICS if _prefers_openmetrics(request.headers.get("accept", "")) else TEXT
        # In a thread, since thousands of samples take tenths of a second.
        content = await asyncio.to_thread(_render, scraped, metrics, media_type)
        return Response(
            content, headers={"Cache-Control": "no-store", "Content-Type": media_type, "Vary": "Accept"}
        )


class _Families(Collector):
    """Families in the form that ``prometheus_client`` writes."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _render(scraped: Scraped, metrics: frozenset[str], media_type: str) -> bytes:
    families = [_gauges(family) for family in scraped.families]
    if scraped.conductor is not None:
        own = _own(scraped.conductor, scraped.bases)
        families += [family for family in own if not metrics or family.name in metrics]
    encode, _ = exposition.choose_encoder(media_type)
    return encode(_Families(families))


def _gauges(family: ScrapedFamily) -> Metric:
    gauges = GaugeMetricFamily(family.name, family.documentation, labels=family.labels)
    for sample in family.samples:
        gauges.add_metric(sample.labels, sample.value, timestamp=sample.at)
    return gauges


def _own(report: ConductorReport, bases: dict[str, int]) -> Iterator[Metric]:
    """The conductor's own health; nothing here names an application."""
    yield _gauge("info", "The conductor's version.", 1, version=report.version)
    yield _gauge("connections", "Sockets of executors.", report.connections)
    yield _gauge(
        "event_loop_lag_seconds",
        "Longest that anything waited for the event loop within the last one to two minutes.",
        report.loop_lag_secs,
    )
    yield _gauge("writes_waiting", "Transactions that wait for their turn to write.", report.writes_waiting)
    yield _gauge("database_size_bytes", "Size of the database file.", report.database_bytes)
    yield _gauge(
        "database_log_size_bytes", "Size of the write-ahead log beside it.", report.write_ahead_log_bytes
    )
    yield _histogram("http_request_duration_seconds", "Until an HTTP answer begins.", report.http_requests)
    yield _histogram(
        "executor_request_duration_seconds", "Until an executor has answered.", report.executor_requests
    )
    lag, failures, duration = (
        GaugeMetricFamily(f"{_OWN}policy_{name}", documentation, labels=("policy",))
        for name, documentation in (
            ("lag_seconds", "How much later than it should be the next good round of a policy is."),
            ("failures", "Rounds of a policy that failed since the last good one."),
            ("last_round_seconds", "How long the last round of a policy took."),
        )
    )
    for policy in report.policies:
        lag.add_metric((policy.name,), policy.lag_secs)
        failures.add_metric((policy.name,), policy.failures)
        if policy.duration_secs is not None:
            duration.add_metric((policy.name,), policy.duration_secs)
    yield from (lag, failures, duration)
    applications = GaugeMetricFamily(
        f"{_OWN}applications",
        "Applications by what their last minute was worked out from: aggregates, listings, or none.",
        labels=("metrics_from",),
    )
    for basis, count in bases.items():
        applications.add_metric((basis,), count)
    yield applications


def _gauge(name: str, documentation: str, value: float, **labels: str) -> Metric:
    gauge = GaugeMetricFamily(_OWN + name, documentation, labels=tuple(labels))
    gauge.add_metric(tuple(labels.values()), value)
    return gauge


def _histogram(name: str, documentation: str, durations: DurationsView) -> Metric:
    histogram = HistogramMetricFamily(_OWN + name, documentation)
    bounds = [*map(str, BUCKETS_SECS), "+Inf"]
    histogram.add_metric((), list(zip(bounds, durations.counts, strict=True)), durations.total_secs)
    return histogram


def _prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is welcome, and no less than plain text."""
    return quality(accept, "application/openmetrics-text") >= max(quality(accept, PLAIN), 0.001)
