"""Makes applications what a file declares of them, through the operations that change one thing each.

What is compared stands in ``declaration_plan``. What was made by hand and is not declared is left alone.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from conductor_lite.auth.actor import Actor
from conductor_lite.auth.permissions import APPLICATION_WRITE
from conductor_lite.errors import (
    ConflictError,
    FieldError,
    InvalidError,
    NoHealthyExecutorError,
    NotFoundError,
    member,
)
from conductor_lite.fleet.changes import APPLICATIONS, application_topic
from conductor_lite.operations.alerting_rules import AlertingRules
from conductor_lite.operations.applications import ApplicationChanges, Applications
from conductor_lite.operations.autoscaling import Autoscaling, AutoscalingPolicy, RolloutPolicy
from conductor_lite.operations.context import Context
from conductor_lite.operations.declaration import (
    DeclaredApplication,
    DeclaredRule,
    Rule,
    Wanted,
    at,
    checked,
    relocated,
)
from conductor_lite.operations.declaration_plan import Change, Present, compare
from conductor_lite.operations.notification_targets import MAX_TARGETS, NotificationTargets
from conductor_lite.store.records import ApplicationRecord

__all__ = [
    "ApplicationChanges",
    "AutoscalingPolicy",
    "Change",
    "Declared",
    "DeclaredApplication",
    "DeclaredRule",
    "RolloutPolicy",
    "Rule",
]

#: Changes that an audit entry lists; each one has an entry of its own besides.
MAX_AUDITED = 200
_UNCHECKED = "not checked, for no executor is connected"


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and what it takes to do it."""

    wanted: Mapping[str, Wanted]
    present: Mapping[str, Present]
    changes: Sequence[Change]


class Declared:
    """Operations on what is declared in a file."""

    def __init__(
        self,
        context: Context,
        applications: Applications,
        alerting_rules: AlertingRules,
        notification_targets: NotificationTargets,
        autoscaling: Autoscaling,
    ) -> None:
        self._context = context
        self._applications = applications
        self._alerting_rules = alerting_rules
        self._notification_targets = notification_targets
        self._autoscaling = autoscaling
        # One at a time, so that two files do not mix.
        self._turn = asyncio.Lock()

    async def apply(
        self, actor: Actor, declaration: Mapping[str, DeclaredApplication], *, dry_run: bool
    ) -> Sequence[Change]:
        """Make everything as it is declared; a second time there is nothing to do.

        What was declared before and no longer is goes, except for applications and their settings: these stay
        as they are, and so does all that belongs to such an application.

        Args:
            actor: who asks.
            declaration: all that is declared, by name of application.
            dry_run: only tell what would be done.

        Returns:
            What was done, or would be.

        Raises:
            ForbiddenError: application.write is missing, or the actor is limited to other applications.
            InvalidError: something declared cannot be; nothing was changed.
            ConflictError: somebody else made changes meanwhile; some may have been made.
            DispatchError: an executor is connected, and could not be asked about the queue to scale by.
        """
        if dry_run:
            return (await self._plan(actor, declaration)).changes
        context = self._context
        target = actor.organization_id
        async with (
            self._turn,
            context.audited(actor, "declaration.apply", "organization", target) as details,
        ):
            details["applications"] = sorted(declaration)[:MAX_AUDITED]
            plan = await self._plan(actor, declaration)
            details["changes"] = [_in_words(change) for change in plan.changes[:MAX_AUDITED]]
            done: list[Change] = []
            try:
                await self._carry_out(actor, plan, done)
            except (ConflictError, InvalidError, NotFoundError) as error:
                raise ConflictError(
                    f"Somebody else made changes meanwhile: {error} {len(done)} of {len(plan.changes)} "
                    "changes were made; apply again for the others."
                ) from error
            finally:
                details["change_count"] = len(done)
        return plan.changes

    async def _plan(self, actor: Actor, declaration: Mapping[str, DeclaredApplication]) -> _Plan:
        actor.require(APPLICATION_WRITE)
        context = self._context
        records = {
            record.name: record
            for record in await context.applications.list(actor.organization_id)
            if actor.sees(record.id)
        }
        wanted = checked(declaration, records.keys())
        for name in wanted:
            await self._applications.require_may_register(actor, name)
        concerned = {
            name: record
            for name, record in records.items()
            if name in wanted or record.declared_settings is not None
        }
        present = {name: await self._present(record) for name, record in concerned.items()}
        initial = ApplicationRecord(
            id="",
            organization_id=actor.organization_id,
            name="",
            created_at=context.now(),
            updated_at=context.now(),
            executor_timeout_secs=context.settings.new_application_timeout_secs,
            declared_settings=(),
        )
        receivers = {record.id: name for name, record in records.items()}
        changes = compare(wanted, present, initial, receivers)
        return _Plan(wanted=wanted, present=present, changes=await self._asked(wanted, present, changes))

    async def _present(self, record: ApplicationRecord) -> Present:
        context = self._context
        return Present(
            record=record,
            rules=await context.alerting_rules.list(record.id),
            targets=await context.notification_targets.list(record.id),
            policy=await context.autoscaling_policies.get(record.id),
            policy_declared=await context.autoscaling_policies.is_declared(record.id),
        )

    async def _asked(
        self, wanted: Mapping[str, Wanted], present: Mapping[str, Present], changes: Sequence[Change]
    ) -> Sequence[Change]:
        """Check addresses, and queues to scale by; notes of these what could not be checked."""
        faults = _too_many_targets(wanted, present)
        answers = await asyncio.gather(*(self._ask(wanted, present, change) for change in changes))
        for _, found in answers:
            faults += found
        if faults:
            raise InvalidError("What is declared cannot be.", tuple(faults))
        return [change for change, _ in answers]

    async def _ask(
        self, wanted: Mapping[str, Wanted], present: Mapping[str, Present], change: Change
    ) -> tuple[Change, list[FieldError]]:
        name = change.application_name
        if change.action not in ("create", "change"):
            return change, []
        if change.kind == "notification_target":
            place = member(f"{at(name)}.notificationTargets", change.name)
            faults = await self._notification_targets.faults_of_url(wanted[name].targets[change.name])
            return change, [msgspec.structs.replace(fault, location=place) for fault in faults]
        policy = wanted[name].autoscaling
        if change.kind != "autoscaling_policy" or policy is None:
            return change, []
        try:
            if name not in present:
                raise NoHealthyExecutorError(f"{name} is not registered yet.")
            unfit = await self._autoscaling.fault_of_queue(present[name].record, policy)
        except NoHealthyExecutorError:
            note = "; ".join(filter(None, (change.note, _UNCHECKED)))
            return msgspec.structs.replace(change, note=note), []
        fault = FieldError(location="body.queue", message=unfit or "", value=policy.queue)
        return change, relocated([fault] if unfit else [], f"{at(name)}.autoscalingPolicy")

    async def _carry_out(self, actor: Actor, plan: _Plan, done: list[Change]) -> None:
        # Each may be told of another's alerts.
        for change in plan.changes:
            if change.kind == "application" and change.action == "create":
                await self._applications.register(actor, change.application_name)
        for name in dict.fromkeys(change.application_name for change in plan.changes):
            own = [change for change in plan.changes if change.application_name == name]
            record = await self._context.application(actor, name)
            if name in plan.wanted:
                await self._change(actor, record, own, plan.wanted[name])
            else:
                await self._release(record)
            updated = await self._context.applications.by_id(record.id)
            if updated is not None:
                self._context.fleet.update_application(updated)
            self._context.changes.publish(APPLICATIONS, application_topic(record.id))
            done += own

    async def _release(self, record: ApplicationRecord) -> None:
        context = self._context
        there = await self._present(record)
        await context.alerting_rules.declare(record.id, [rule.id for rule in there.rules], declared=False)
        targets = [target.id for target in there.targets]
        await context.notification_targets.declare(record.id, targets, declared=False)
        await context.autoscaling_policies.declare(record.id, declared=False)
        await context.applications.declare(record.id, None)

    async def _change(
        self, actor: Actor, record: ApplicationRecord, changes: Sequence[Change], wanted: Wanted
    ) -> None:
        different = {
            change.name: change.after
            for change in changes
            if change.kind == "setting" and change.action == "change"
        }
        if different:
            await self._applications.update(
                actor, record.name, msgspec.convert(different, ApplicationChanges)
            )
        # Noted before the rest: should that fail, the application counts as declared all the same.
        await self._context.applications.declare(record.id, wanted.settings)
        for change in changes:
            match change.kind:
                case "notification_target":
                    await self._change_target(actor, record, change, wanted.targets.get(change.name, ""))
                case "alerting_rule":
                    await self._change_rule(actor, record, change)
                case "autoscaling_policy":
                    await self._change_policy(actor, record, change)

    async def _change_target(self, actor: Actor, record: ApplicationRecord, change: Change, url: str) -> None:
        targets, name = self._notification_targets, record.name
        match change.action:
            case "create":
                await targets.create(actor, name, name=change.name, url=url, declared=True)
                return
            case "change":
                await targets.change_url(actor, name, change.subject_id, url)
            case "delete":
                await targets.delete(actor, name, change.subject_id)
                return
        await self._context.notification_targets.declare(record.id, [change.subject_id], declared=True)

    async def _change_rule(self, actor: Actor, record: ApplicationRecord, change: Change) -> None:
        rules, name, rule = self._alerting_rules, record.name, change.after
        if not isinstance(rule, Rule):
            await rules.delete(actor, name, change.subject_id)
            return
        told = {
            "rule_type": rule.rule_type,
            "rule_metadata": msgspec.to_builtins(rule.metadata),
            "receiving_application_name": rule.receiver,
            "min_interval_secs": rule.min_interval_secs,
        }
        if change.action == "create":
            await rules.create(actor, name, **told, declared=True)
            return
        if change.action == "change":
            await rules.update(actor, name, change.subject_id, **told)
        await self._context.alerting_rules.declare(record.id, [change.subject_id], declared=True)

    async def _change_policy(self, actor: Actor, record: ApplicationRecord, change: Change) -> None:
        policy = change.after
        if not isinstance(policy, AutoscalingPolicy):
            await self._autoscaling.delete_policy(actor, record.name)
            return
        if change.action != "declare":
            await self._autoscaling.set_policy(actor, record.name, policy, even_unchecked=True)
        await self._context.autoscaling_policies.declare(record.id, declared=True)


def _too_many_targets(wanted: Mapping[str, Wanted], present: Mapping[str, Present]) -> list[FieldError]:
    faults = []
    for name, one in wanted.items():
        there = present[name].targets if name in present else ()
        kept = sum(not target.declared and target.name not in one.targets for target in there)
        if kept + len(one.targets) > MAX_TARGETS:
            by_hand = f", of which {kept} are made by hand" if kept else ""
            message = f"an application has {MAX_TARGETS} notification targets at most{by_hand}"
            faults.append(FieldError(location=f"{at(name)}.notificationTargets", message=message))
    return faults


def _in_words(change: Change) -> str:
    words = [change.action, change.application_name, change.kind.replace("_", " "), change.name]
    return " ".join(word for word in words if word)
