"""What a file declares of applications, as the API takes it, and the changes that it answers."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from conductor_lite.api.schemas.alerting import MinInterval, RuleMetadata, RuleType
from conductor_lite.api.schemas.applications import Count, IntervalSecs, KeepDays, KeepRows, TimeoutSecs
from conductor_lite.api.schemas.autoscaling import AutoscalePolicy

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

_Limit: TypeAlias = Annotated[Count | None, msgspec.Meta(description="Null is to say without limit.")]


class DeclaredAlertingRule(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """An alerting rule; its receiver may be an application that is declared beside it."""

    rule_type: RuleType
    rule_metadata: RuleMetadata | Unset = UNSET
    receiving_app_name: str | Unset = UNSET
    min_interval_secs: MinInterval | Unset = UNSET


class DeclaredApp(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is declared of one application. Settings that are left out are not declared, and left alone."""

    executor_timeout_secs: TimeoutSecs | Unset = UNSET
    private_mode: bool | Unset = UNSET
    recover_unknown_executors: bool | Unset = UNSET
    gc_time_threshold_ms: _Limit | Unset = UNSET
    gc_rows_threshold: _Limit | Unset = UNSET
    global_timeout_ms: _Limit | Unset = UNSET
    snapshots_enabled: bool | Unset = UNSET
    snapshot_interval_secs: IntervalSecs | Unset = UNSET
    snapshot_keep_days: KeepDays | Unset = UNSET
    snapshot_keep_rows: KeepRows | Unset = UNSET
    alerting_rules: list[DeclaredAlertingRule] | Unset = UNSET
    #: Addresses in Apprise's form, by names for people.
    notification_targets: dict[str, str] | Unset = UNSET
    autoscaling_policy: AutoscalePolicy | Unset = UNSET

    def __repr__(self) -> str:
        """Leaves the addresses out, whoever prints or logs it."""
        return "DeclaredApp(…)"


class ApplyDeclarationInputBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """All that is declared, by names of applications; what is left out is no longer declared."""

    apps: dict[str, DeclaredApp]


class ApplyDeclarationQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Whether only to tell what would be done."""

    dry_run: bool = False


class DeclarationChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that was done, or would be."""

    #: ``declare``: it is like that already. ``release``: it is left as it is, and no longer declared.
    action: Literal["create", "change", "delete", "declare", "release"]
    kind: Literal["application", "setting", "alerting_rule", "notification_target", "autoscaling_policy"]
    app_name: str
    #: Of a setting its property, of a rule its type, of a target its name; else empty.
    name: str
    before: Any
    after: Any
    #: What else to know of it.
    note: str


class ApplyDeclarationOutputBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Empty when all was as declared."""

    changes: list[DeclarationChange]
