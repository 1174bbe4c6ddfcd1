"""``conductor-lite metrics``: how often things happened."""

from typing import Annotated

from conductor_lite.api.schemas.metrics import Metric, RangeQuery
from conductor_lite.cli.commands import spelled_out
from conductor_lite.cli.fields import Given
from conductor_lite.cli.output import Output, OutputOption, Table, show
from conductor_lite.cli.session import AppSession
from conductor_lite.client import calls

_METRICS: Table[Metric] = Table(
    lambda metric: metric.metric_name,
    (
        ("FROM", lambda metric: metric.time_bucket),
        ("SECONDS", lambda metric: metric.granularity),
        ("TYPE", lambda metric: metric.metric_type),
        ("NAME", lambda metric: metric.metric_name),
        ("VALUE", lambda metric: metric.value),
    ),
    "Nothing happened in that time.",
)


@spelled_out
def metrics(
    session: AppSession,
    period: Annotated[RangeQuery, Given(defaults={"start_time": "1h", "end_time": "now"})],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how often each workflow and step ran, by default in the last hour."""
    show(session.call(lambda name: calls.list_metrics(name, period)), _METRICS, output)
