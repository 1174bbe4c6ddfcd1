"""Alerting rules as the API shows them."""

from typing import Annotated, Any, TypeAlias

import msgspec

from conductor_lite.api.fields import Int32, Timestamp

# The operation checks what is asked for, and audits what it refuses; here it is only told to readers.
RuleType: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        extra_json_schema={
            "enum": [
                "WorkflowFailure",
                "SlowQueue",
                "UnresponsiveApplication",
                "StrandedVersion",
                "RecoveryFlapping",
                "ExecutorLost",
                "SlowWorkflow",
                "ScheduleMissed",
            ]
        }
    ),
]
MinInterval: TypeAlias = Annotated[int, msgspec.Meta(extra_json_schema={"format": "int32", "minimum": 0})]
RuleMetadata: TypeAlias = Annotated[
    Any,
    msgspec.Meta(
        description="WorkflowFailure: workflow_name (or *), threshold, period_secs. "
        "SlowQueue: queue_name (or *), threshold_secs. UnresponsiveApplication: nothing. "
        "StrandedVersion: application_version (or *). RecoveryFlapping: threshold, period_secs. "
        "ExecutorLost: threshold, period_secs. SlowWorkflow: workflow_name (or *), threshold_secs. "
        "ScheduleMissed: schedule_name (or *), grace_secs."
    ),
]


class AlertingRule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A rule that tells an application's alert handler when something is wrong."""

    id: str
    app_id: str
    receiving_app_id: str
    rule_type: RuleType
    rule_metadata: RuleMetadata
    min_interval_secs: Int32 | None
    last_fired_at: Timestamp | None
    #: Whether ``conductor-lite apply`` puts it back.
    declared: bool


class CreateAlertInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What to watch for, and whom to tell; left out, the watched application itself."""

    rule_type: RuleType
    rule_metadata: RuleMetadata
    receiving_app_name: str | msgspec.UnsetType = msgspec.UNSET
    min_interval_secs: MinInterval | msgspec.UnsetType = msgspec.UNSET
