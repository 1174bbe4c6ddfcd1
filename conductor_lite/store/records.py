"""What the store hands out: frozen Structs, one per kind of row. No SQL and no behaviour here.

Times are aware UTC datetimes; the database keeps whole milliseconds and drops what is finer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec

#: Whole numbers that any client can hold, for what people choose freely.
_Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class OrganizationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who owns applications and keys; a server without login has exactly one, ``local``."""

    #: Stable identifier.
    id: str
    #: Name in the API's paths, unique on this server.
    name: str
    #: When it was made.
    created_at: datetime
    #: Days that entries of its audit log are kept.
    audit_log_retention_days: int = 90


class RoleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A custom role: a named set of permissions."""

    #: The organization it belongs to.
    organization_id: str
    #: Its name, unique in the organization.
    name: str
    #: What its holders may do.
    permissions: tuple[str, ...]
    #: When it was made.
    created_at: datetime


class ApplicationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A registered application and its settings."""

    #: Stable identifier, made by the store at registration.
    id: str
    #: The organization that owns it.
    organization_id: str
    #: Name that its executors connect under, unique in the organization.
    name: str
    #: When it was registered.
    created_at: datetime
    #: When a setting last changed.
    updated_at: datetime
    #: Seconds that an executor may stay disconnected before it is declared dead.
    executor_timeout_secs: int = 60
    #: Whether inputs, outputs and errors must never be fetched from its executors.
    private_mode: bool = False
    #: Age in milliseconds past which finished workflows are deleted; None keeps them.
    gc_time_threshold_ms: int | None = None
    #: Number of newest workflows that retention keeps; None keeps all.
    gc_rows_threshold: int | None = 1_000_000
    #: Age in milliseconds past which running workflows are cancelled; None never does.
    global_timeout_ms: int | None = None
    #: Language of its SDK as its executors last told it, such as ``python``.
    language: str | None = None
    #: Whether work of an executor that was never on record here is recovered without being asked.
    recover_unknown_executors: bool = False
    #: Whether metadata of its workflows is kept here, to read when no executor is connected.
    snapshots_enabled: bool = True
    #: Seconds between two looks at what has changed.
    snapshot_interval_secs: int = 15
    #: Days that workflows are kept after they ended.
    snapshot_keep_days: int = 30
    #: Number of newest workflows that are kept.
    snapshot_keep_rows: int = 1_000_000
    #: Names of the settings that are declared in a file; None when the application itself is not.
    declared_settings: tuple[str, ...] | None = None


class ApiKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as stored: never the secret, only its hash."""

    #: Public part of the key, unique on this server.
    id: str
    #: The organization it acts for.
    organization_id: str
    #: Name given by people, unique in the organization.
    name: str
    #: Argon2id hash of the secret part.
    secret_hash: str
    #: What it may do.
    permissions: tuple[str, ...]
    #: Identifiers of the applications it is limited to, sorted; shrinks as applications are deleted.
    application_ids: tuple[str, ...]
    #: Whether it covers every application. A limited key whose applications are all gone covers none.
    all_applications: bool
    #: When it was made.
    created_at: datetime


class IdempotencyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was asked for under an idempotency key."""

    #: Number of the row.
    id: int
    #: The organization that it was asked in.
    organization_id: str
    #: Who asked.
    subject: str
    #: As the caller made it up.
    key: str
    #: Digest of what was asked.
    request_digest: str
    #: Id for what it may make, chosen before it is asked for.
    new_id: str
    #: When it was asked for first.
    begun_at: datetime
    #: What was answered; None as long as nobody knows how it ended.
    answer: bytes | None = None


class ExecutorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One executor at one application version; the three identifying fields are its key."""

    #: The application it runs.
    application_id: str
    #: Identifier that the executor chose for itself.
    executor_id: str
    #: Version of the application it runs; the same id with another version is another record.
    application_version: str
    #: ``HEALTHY``, ``DISCONNECTED`` or ``DEAD``.
    status: str
    #: Host it runs on, when it told.
    hostname: str | None
    #: Language of its SDK, when it told.
    language: str | None
    #: Version of its DBOS SDK, when it told.
    dbos_version: str | None
    #: Whatever it told about itself, when it told.
    executor_metadata: dict[str, object] | None
    #: When this id and version first connected.
    created_at: datetime
    #: When anything but the last-seen time last changed.
    updated_at: datetime
    #: When it was last known to be alive; written in batches, so it may lag.
    last_seen_at: datetime


class WorkflowFailure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when workflows have failed too often within a period."""

    #: Workflows of which name are counted; ``*`` counts all.
    workflow_name: _Name = "*"
    #: How many failures it takes.
    threshold: _Positive
    #: Length of the period, in seconds.
    period_secs: _Positive


class SlowQueue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when a workflow waits in a queue for too long."""

    #: The queue; ``*`` stands for all.
    queue_name: _Name = "*"
    #: How long is too long, in seconds.
    threshold_secs: _Positive


class UnresponsiveApplication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when an application has no executor that answers."""


class StrandedVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when work waits for an executor of a version that nobody runs."""

    #: The application version; ``*`` stands for all.
    application_version: _Name = "*"


class RecoveryFlapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when an application's executors have been recovered too often."""

    #: How many recoveries it takes.
    threshold: _Positive
    #: Length of the period, in seconds.
    period_secs: _Positive


class ExecutorLost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when executors were declared dead."""

    #: How many it takes.
    threshold: _Positive = 1
    #: For how long a loss counts, in seconds; one whose work is not recovered yet counts however old.
    period_secs: _Positive = 300


class SlowWorkflow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when a workflow runs for too long, not counting its wait in a queue."""

    #: Workflows of which name are watched; ``*`` watches all.
    workflow_name: _Name = "*"
    #: How long is too long, in seconds.
    threshold_secs: _Positive


class ScheduleMissed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An alerting rule that fires when a schedule did not run although it was due."""

    #: The schedule; ``*`` stands for all.
    schedule_name: _Name = "*"
    #: How late a run may be, in seconds.
    grace_secs: _Positive = 60


RuleMetadata: TypeAlias = (
    WorkflowFailure
    | SlowQueue
    | UnresponsiveApplication
    | StrandedVersion
    | RecoveryFlapping
    | ExecutorLost
    | SlowWorkflow
    | ScheduleMissed
)

#: What each type of alerting rule is told by; the types' names are those of the API and of the handlers. The
#: first three are published, the others our own.
RULE_TYPES: Mapping[str, type[RuleMetadata]] = {
    kind.__name__: kind
    for kind in (
        WorkflowFailure,
        SlowQueue,
        UnresponsiveApplication,
        StrandedVersion,
        RecoveryFlapping,
        ExecutorLost,
        SlowWorkflow,
        ScheduleMissed,
    )
}


#: Seconds that a rule which leaves it to the conductor stays quiet after firing.
DEFAULT_MIN_INTERVAL_SECS = 3_600


class AlertingRuleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that tells an application's alert handler when something is wrong."""

    #: Stable identifier.
    id: str
    #: The application that is watched.
    application_id: str
    #: The application whose handler receives the alert.
    receiving_application_id: str
    #: One of `RULE_TYPES`.
    rule_type: str
    #: What makes it fire.
    rule_metadata: RuleMetadata
    #: Seconds that it stays quiet after firing; None leaves that to the conductor.
    min_interval_secs: int | None
    #: When it last fired; None when it never did.
    last_fired_at: datetime | None
    #: When it was made.
    created_at: datetime
    #: Whether it is declared in a file.
    declared: bool = False


class RolloutPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How application versions other than the latest are sized while a new one is rolled out."""

    #: How many of them to report at most, newest first; None reports none.
    max_old_application_versions: _Count | None = None
    #: Most executors for each of them; None sizes them by their own backlog.
    max_executors_for_old_application_versions: _Count | None = None


class AutoscalingPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What decides how many executors an application needs."""

    #: The queue whose backlog counts.
    queue: str
    #: What becomes of old versions; None is the same as an empty one, but told apart when shown.
    rollout: RolloutPolicy | None = None


class AuditReach(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may see of the audit log who does not see all of it."""

    #: Who it is: what it did itself is seen.
    subject_type: str
    subject_id: str
    #: Applications whose entries are seen, by id: those of another that had a name before are not.
    application_ids: frozenset[str]


class NewAuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done or refused, before the store has numbered it."""

    #: The organization it happened in.
    organization_id: str
    #: When it happened.
    emitted_at: datetime
    #: Name of the operation.
    operation: str
    #: ``success`` or ``failure``.
    status: str
    #: Kind of actor, such as ``api_key``.
    subject_type: str
    #: Identifier of the actor.
    subject_id: str
    #: The actor's name for people.
    subject_display: str
    #: Kind of thing acted upon, such as ``application``; None when there is none.
    target_type: str | None = None
    #: Identifier of the thing acted upon; None when there is none.
    target_id: str | None = None
    #: Address that the request came from; None for what the conductor did by itself.
    source_ip: str | None = None
    #: Whatever else explains the entry; JSON values only.
    details: dict[str, object] = {}


class AuditEntry(NewAuditEntry, frozen=True, kw_only=True):
    """An entry of the audit log. Numbers grow with time and are never used twice."""

    #: Its number.
    id: int
