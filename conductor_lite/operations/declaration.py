"""What a file declares of applications, and those checks of it that ask nobody. Changes nothing."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from conductor_lite.errors import FieldError, InvalidError, member
from conductor_lite.operations.alerting_rules import check_interval, check_receiver, parse_metadata
from conductor_lite.operations.applications import (
    NAME_PATTERN,
    NAME_RULE,
    ApplicationChanges,
    faults_of_settings,
    given_settings,
)
from conductor_lite.operations.autoscaling import faults_of_rollout
from conductor_lite.operations.notification_targets import faults_of_name
from conductor_lite.store.records import AutoscalingPolicy, RuleMetadata

#: Where faults are located: every application stands below, by its name.
APPS = "body.apps"
MAX_APPLICATIONS = 1_000
#: Alerting rules that one application may declare.
MAX_RULES = 100


class DeclaredRule(msgspec.Struct, frozen=True, kw_only=True):
    """An alerting rule as somebody wrote it; see ``AlertingRules.create``."""

    rule_type: str
    rule_metadata: object = None
    receiving_application_name: str | None = None
    min_interval_secs: int | None = None


class DeclaredApplication(msgspec.Struct, frozen=True, kw_only=True):
    """What is declared of one application. Settings that are left out are not declared."""

    settings: ApplicationChanges = ApplicationChanges()
    rules: tuple[DeclaredRule, ...] = ()
    #: Addresses of notification targets by their names; secrets.
    targets: Mapping[str, str] = {}
    autoscaling: AutoscalingPolicy | None = None

    def __repr__(self) -> str:
        """Leaves the addresses out, whoever prints or logs it."""
        return f"DeclaredApplication(settings={self.settings!r}, targets={list(self.targets)!r})"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """An alerting rule without what makes it one of many: two of them are equal if they do the same."""

    rule_type: str
    metadata: RuleMetadata
    #: Name of the application whose handler is told.
    receiver: str
    min_interval_secs: int | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an application is to be like, checked."""

    #: By field name; others are left as they are.
    settings: dict[str, object]
    rules: tuple[Rule, ...]
    targets: Mapping[str, str]
    autoscaling: AutoscalingPolicy | None

    def __repr__(self) -> str:
        """Leaves the addresses out, whoever prints or logs it."""
        return f"Wanted(settings={self.settings!r}, targets={list(self.targets)!r})"


def at(name: str) -> str:
    """Where what is declared of an application stands."""
    return member(APPS, name)


def relocated(faults: Iterable[FieldError], location: str) -> list[FieldError]:
    """The same faults, of a body that stands at that place."""
    return [
        msgspec.structs.replace(fault, location=location + fault.location.removeprefix("body"))
        for fault in faults
    ]


def checked(declaration: Mapping[str, DeclaredApplication], existing: Collection[str]) -> dict[str, Wanted]:
    """Check all that is declared, as far as it can be told without asking anybody.

    Args:
        declaration: by name of application.
        existing: names of applications that the caller may see; they can be told of alerts, as those that
            are declared.

    Raises:
        InvalidError: locates every fault.
    """
    faults: list[FieldError] = []
    if len(declaration) > MAX_APPLICATIONS:
        message = f"expected {MAX_APPLICATIONS} applications at most"
        raise InvalidError("Too much is declared.", (FieldError(location=APPS, message=message),))
    receivers = {*existing, *declaration}
    wanted = {name: _application(name, declared, receivers, faults) for name, declared in declaration.items()}
    if faults:
        raise InvalidError("What is declared cannot be.", tuple(faults))
    return wanted


def _application(
    name: str, declared: DeclaredApplication, receivers: Collection[str], faults: list[FieldError]
) -> Wanted:
    where = at(name)
    if not NAME_PATTERN.fullmatch(name):
        faults.append(FieldError(location=where, message=f"expected a name of {NAME_RULE}"))
    settings = given_settings(declared.settings)
    faults += relocated(faults_of_settings(settings), where)
    for target in declared.targets:
        place = member(f"{where}.notificationTargets", target)
        faults += [
            FieldError(location=place, message=f"its name: {fault.message}")
            for fault in faults_of_name(target)
        ]
    if declared.autoscaling is not None:
        faults += relocated(faults_of_rollout(declared.autoscaling), f"{where}.autoscalingPolicy")
    return Wanted(
        settings=settings,
        rules=_rules(name, declared.rules, receivers, faults),
        targets=declared.targets,
        autoscaling=declared.autoscaling,
    )


def _rules(
    name: str, declared: tuple[DeclaredRule, ...], receivers: Collection[str], faults: list[FieldError]
) -> tuple[Rule, ...]:
    where = f"{at(name)}.alertingRules"
    if len(declared) > MAX_RULES:
        faults.append(FieldError(location=where, message=f"expected {MAX_RULES} rules at most"))
        return ()
    rules: list[Rule] = []
    # Where each was first declared; how long one stays quiet makes no other of it.
    seen: dict[Rule, int] = {}
    for index, one in enumerate(declared):
        own: list[FieldError] = []
        rule = _rule(name, one, receivers, own)
        if rule is not None:
            first = seen.setdefault(msgspec.structs.replace(rule, min_interval_secs=None), index)
            if first != index:
                own.append(
                    FieldError(location="body", message=f"the same rule stands before it, at [{first}]")
                )
            rules.append(rule)
        faults += relocated(own, f"{where}[{index}]")
    return tuple(rules)


def _rule(
    name: str, declared: DeclaredRule, receivers: Collection[str], faults: list[FieldError]
) -> Rule | None:
    metadata = parse_metadata(declared.rule_type, declared.rule_metadata, faults)
    check_interval(declared.min_interval_secs, faults)
    receiver = declared.receiving_application_name
    if receiver is not None and receiver not in receivers:
        message = "expected an application that exists or is declared"
        faults.append(FieldError(location="body.receivingAppName", message=message, value=receiver))
    else:
        check_receiver(declared.rule_type, name, receiver or name, faults)
    if faults or metadata is None:
        return None
    return Rule(
        rule_type=declared.rule_type,
        metadata=metadata,
        receiver=receiver or name,
        min_interval_secs=declared.min_interval_secs,
    )
