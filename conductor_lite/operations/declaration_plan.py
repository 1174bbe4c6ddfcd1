"""The difference between what is declared and what there is: compares only, and knows no database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from conductor_lite.notify import shown
from conductor_lite.operations.declaration import Rule, Wanted
from conductor_lite.store.alert_records import NotificationTargetRecord
from conductor_lite.store.records import AlertingRuleRecord, ApplicationRecord, AutoscalingPolicy

#: ``declare``: it is like that already, and counts as declared from now on. ``release``: it no longer
#: counts as declared, and is left as it is.
Action: TypeAlias = Literal["create", "change", "delete", "declare", "release"]
Kind: TypeAlias = Literal[
    "application", "setting", "alerting_rule", "notification_target", "autoscaling_policy"
]
Value: TypeAlias = bool | int | str | Rule | AutoscalingPolicy | None

_BY_HAND = "it was made by hand"
_HIDDEN_PART = "what is hidden of it differs"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do. Holds nothing secret."""

    action: Action
    kind: Kind
    application_name: str
    #: Of a setting its field's name, of a rule its type, of a target its own; else empty.
    name: str = ""
    before: Value = None
    after: Value = None
    #: What else to know of it.
    note: str = ""
    #: Id of the rule or target that is there.
    subject_id: str = ""


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of one application."""

    record: ApplicationRecord
    rules: Sequence[AlertingRuleRecord]
    targets: Sequence[NotificationTargetRecord]
    policy: AutoscalingPolicy | None
    policy_declared: bool


def compare(
    wanted: Mapping[str, Wanted],
    present: Mapping[str, Present],
    initial: ApplicationRecord,
    receivers: Mapping[str, str],
) -> list[Change]:
    """Work out what is to be done, application by application; nothing when all is as declared.

    Args:
        wanted: what is declared, by name of application.
        present: what there is of these, and of others that were declared before.
        initial: what an application is like when it is registered.
        receivers: names of applications by id.
    """
    changes: list[Change] = []
    for name, one in wanted.items():
        changes += _application(name, one, present.get(name), initial, receivers)
    for name, there in sorted(present.items()):
        if name not in wanted and there.record.declared_settings is not None:
            changes.append(Change(action="release", kind="application", application_name=name))
    return changes


def _application(
    name: str,
    wanted: Wanted,
    there: Present | None,
    initial: ApplicationRecord,
    receivers: Mapping[str, str],
) -> Iterator[Change]:
    if there is None:
        yield Change(action="create", kind="application", application_name=name)
        there = Present(record=initial, rules=(), targets=(), policy=None, policy_declared=False)
    elif there.record.declared_settings is None:
        yield Change(action="declare", kind="application", application_name=name)
    yield from _settings(name, wanted.settings, there.record)
    yield from _targets(name, wanted.targets, there.targets)
    yield from _rules(name, wanted.rules, there.rules, receivers)
    yield from _policy(name, wanted.autoscaling, there)


def _settings(name: str, wanted: Mapping[str, object], record: ApplicationRecord) -> Iterator[Change]:
    declared = record.declared_settings or ()
    for setting, value in wanted.items():
        before, after = getattr(record, setting), msgspec.convert(value, bool | int | None)
        if before != after:
            action: Action = "change"
        elif setting not in declared:
            action = "declare"
        else:
            continue
        yield Change(
            action=action, kind="setting", application_name=name, name=setting, before=before, after=after
        )
    for setting in declared:
        if setting not in wanted:
            value = getattr(record, setting, None)
            yield Change(
                action="release",
                kind="setting",
                application_name=name,
                name=setting,
                before=value,
                after=value,
            )


def _targets(
    name: str, wanted: Mapping[str, str], there: Sequence[NotificationTargetRecord]
) -> Iterator[Change]:
    by_name = {target.name: target for target in there}
    for target in there:
        if target.declared and target.name not in wanted:
            yield _target("delete", name, target.name, before=target)
    for wanted_name, url in wanted.items():
        found = by_name.get(wanted_name)
        if found is None:
            yield _target("create", name, wanted_name, after=url)
        elif found.url != url:
            yield _target("change", name, wanted_name, before=found, after=url)
        elif not found.declared:
            yield _target("declare", name, wanted_name, before=found, after=url)


def _target(
    action: Action,
    application_name: str,
    name: str,
    *,
    before: NotificationTargetRecord | None = None,
    after: str | None = None,
) -> Change:
    shown_before = None if before is None else shown(before.url)
    shown_after = None if after is None else shown(after)
    notes = []
    if action == "change" and shown_before == shown_after:
        notes.append(_HIDDEN_PART)
    if action == "change" and before is not None and not before.declared:
        notes.append(_BY_HAND)
    return Change(
        action=action,
        kind="notification_target",
        application_name=application_name,
        name=name,
        before=shown_before,
        after=shown_after,
        note="; ".join(notes),
        subject_id="" if before is None else before.id,
    )


def _rules(
    name: str,
    wanted: Sequence[Rule],
    there: Sequence[AlertingRuleRecord],
    receivers: Mapping[str, str],
) -> Iterator[Change]:
    left = {record.id: _rule(record, receivers) for record in there}
    declared = {record.id for record in there if record.declared}
    missing: list[Rule] = []
    for rule in wanted:
        same = [id_ for id_, found in left.items() if found == rule]
        # One that is declared already rather than its like made by hand.
        chosen = next((id_ for id_ in same if id_ in declared), same[0] if same else None)
        if chosen is None:
            missing.append(rule)
            continue
        del left[chosen]
        if chosen not in declared:
            yield _rule_change("declare", name, rule, rule, chosen)
    found_left = {id_: found for id_, found in left.items() if id_ in declared}
    steps: list[Change] = []
    for rule in missing:
        nearest = _nearest(rule, found_left)
        if nearest is None:
            steps.append(_rule_change("create", name, None, rule, ""))
        else:
            steps.append(_rule_change("change", name, found_left.pop(nearest), rule, nearest))
    for id_, found in found_left.items():
        yield _rule_change("delete", name, found, None, id_)
    yield from steps


def _nearest(rule: Rule, candidates: Mapping[str, Rule]) -> str | None:
    """Which of these becomes that rule: of its type, the one with which it has most in common."""

    def in_common(candidate: Rule) -> int:
        facts = [(one.receiver, one.min_interval_secs) for one in (candidate, rule)]
        own, other = (msgspec.structs.astuple(one.metadata) for one in (candidate, rule))
        return sum(a == b for a, b in zip((*facts[0], *own), (*facts[1], *other), strict=True))

    alike = [id_ for id_, candidate in candidates.items() if candidate.rule_type == rule.rule_type]
    return max(alike, key=lambda id_: in_common(candidates[id_]), default=None)


def _rule(record: AlertingRuleRecord, receivers: Mapping[str, str]) -> Rule:
    receiver = record.receiving_application_id
    return Rule(
        rule_type=record.rule_type,
        metadata=record.rule_metadata,
        # One that the caller may not see is named by its id, which is like none that is declared.
        receiver=receivers.get(receiver, receiver),
        min_interval_secs=record.min_interval_secs,
    )


def _rule_change(
    action: Action, application_name: str, before: Rule | None, after: Rule | None, rule_id: str
) -> Change:
    rule = after or before
    return Change(
        action=action,
        kind="alerting_rule",
        application_name=application_name,
        name="" if rule is None else rule.rule_type,
        before=before,
        after=after,
        subject_id=rule_id,
    )


def _policy(name: str, wanted: AutoscalingPolicy | None, there: Present) -> Iterator[Change]:
    action: Action
    if wanted is None:
        if not there.policy_declared:
            return
        action = "delete"
    elif there.policy is None:
        action = "create"
    elif there.policy != wanted:
        action = "change"
    elif not there.policy_declared:
        action = "declare"
    else:
        return
    yield Change(
        action=action,
        kind="autoscaling_policy",
        application_name=name,
        before=there.policy,
        after=wanted,
        note=_BY_HAND if action == "change" and not there.policy_declared else "",
    )
