"""Firings of rules and the outbox of their messages: every statement on both.

A firing, the rule's last-fired time and the messages are one transaction: after a crash there are all or
none.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from conductor_lite.store.alert_records import (
    DELIVERED,
    FAILED,
    FIRED,
    HANDLER,
    PENDING,
    RESOLVED,
    TARGET,
    AlertHistory,
    AlertRecord,
    AlertText,
    DeliveryRecord,
)
from conductor_lite.store.alert_schema import alert_deliveries, alerts, notification_targets
from conductor_lite.store.database import Database
from conductor_lite.store.records import AlertingRuleRecord
from conductor_lite.store.schema import alerting_rules

#: Firings kept for each application.
MAX_KEPT = 1_000

#: Channel, identifier and name.
_Receiver = tuple[str, str, str]


class Alerts:
    """The tables of alerts and of their deliveries.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def open_rules(self) -> dict[str, AlertRecord]:
        """The latest firing of each rule whose condition was not over when last looked at, by rule."""
        query = select(alerts).where(alerts.c.resolved_at.is_(None)).order_by(alerts.c.id)
        async with self._db.read() as connection:
            found = [AlertRecord(**row._asdict()) for row in await connection.execute(query)]
        return {record.rule_id: record for record in found}

    async def list(
        self, application_id: str, *, limit: int, offset: int = 0, rule_id: str | None = None
    ) -> list[AlertHistory]:
        """An application's firings with what became of their messages, newest first.

        Args:
            application_id: whose.
            limit: most firings to give.
            offset: how many to pass over.
            rule_id: only those of one rule, which may be gone by now.
        """
        query = (
            select(alerts)
            .where(alerts.c.application_id == application_id)
            .order_by(alerts.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        if rule_id is not None:
            query = query.where(alerts.c.rule_id == rule_id)
        async with self._db.read() as connection:
            found = [AlertRecord(**row._asdict()) for row in await connection.execute(query)]
            wanted = select(alert_deliveries).where(
                alert_deliveries.c.alert_id.in_([record.id for record in found])
            )
            by_alert: dict[int, list[DeliveryRecord]] = defaultdict(list)
            for row in await connection.execute(wanted.order_by(alert_deliveries.c.id)):
                by_alert[row.alert_id].append(DeliveryRecord(**row._asdict()))
        return [AlertHistory(alert=record, deliveries=tuple(by_alert[record.id])) for record in found]

    async def fire(
        self, rule: AlertingRuleRecord, text: AlertText, *, receiving_application_name: str, now: datetime
    ) -> bool:
        """Note that a rule fired, and put messages to everyone concerned into the outbox.

        A receiver that still waits for an earlier message of the same firing condition gets no second one.

        Returns:
            False when the rule was deleted meanwhile; nothing is written then.
        """
        handler = (HANDLER, rule.receiving_application_id, receiving_application_name)
        async with self._db.write() as connection:
            touched = await connection.execute(
                update(alerting_rules).where(alerting_rules.c.id == rule.id).values(last_fired_at=now)
            )
            if touched.rowcount == 0:
                return False
            made = await connection.execute(
                alerts.insert().values(
                    application_id=rule.application_id,
                    rule_id=rule.id,
                    rule_type=rule.rule_type,
                    message=text.message,
                    alert_metadata=text.metadata,
                    fired_at=now,
                )
            )
            (alert_id,) = made.inserted_primary_key or (None,)
            targets = await connection.execute(
                select(notification_targets.c.id, notification_targets.c.name)
                .where(notification_targets.c.application_id == rule.application_id)
                .order_by(notification_targets.c.name)
            )
            waiting = await _waiting(connection, rule.id)
            receivers = [handler, *((TARGET, row.id, row.name) for row in targets)]
            await _enqueue(
                connection,
                alert_id,
                rule.id,
                FIRED,
                (receiver for receiver in receivers if receiver[:2] not in waiting),
                text,
                now,
            )
            await _forget_oldest(connection, rule.application_id)
        return True

    async def resolve(self, rule_id: str, text: AlertText, now: datetime) -> None:
        """Note that a rule's condition is over, and tell everyone who was told that it had begun."""
        still_open = and_(alerts.c.rule_id == rule_id, alerts.c.resolved_at.is_(None))
        columns = alert_deliveries.c
        async with self._db.write() as connection:
            ids = list((await connection.execute(select(alerts.c.id).where(still_open))).scalars())
            if not ids:
                return
            told = await connection.execute(
                select(columns.channel, columns.receiver_id, func.max(columns.receiver_name))
                .where(columns.alert_id.in_(ids), columns.kind == FIRED)
                .group_by(columns.channel, columns.receiver_id)
            )
            receivers = [(row[0], row[1], row[2]) for row in told]
            await connection.execute(update(alerts).where(still_open).values(resolved_at=now))
            await _enqueue(connection, max(ids), rule_id, RESOLVED, receivers, text, now)

    async def close_without_rules(self, now: datetime) -> None:
        """End the firings of rules that were deleted, without telling anyone."""
        async with self._db.write() as connection:
            await connection.execute(
                update(alerts)
                .where(alerts.c.resolved_at.is_(None), alerts.c.rule_id.not_in(select(alerting_rules.c.id)))
                .values(resolved_at=now)
            )

    async def due(self, now: datetime, *, longest_wait: timedelta, limit: int) -> Sequence[DeliveryRecord]:
        """Messages to try now: of each rule and receiver the first only, so that none overtakes another.

        Args:
            now: the time of day.
            longest_wait: no message waits for longer than this, so one that seems to is due as well: the
                calendar was set back.
            limit: most messages to give.
        """
        columns, earlier = alert_deliveries.c, alert_deliveries.alias("earlier")
        before = (
            select(earlier.c.id)
            .where(
                earlier.c.state == PENDING,
                earlier.c.rule_id == columns.rule_id,
                earlier.c.channel == columns.channel,
                earlier.c.receiver_id == columns.receiver_id,
                earlier.c.id < columns.id,
            )
            .correlate(alert_deliveries)
        )
        query = (
            select(alert_deliveries)
            .where(
                columns.state == PENDING,
                or_(columns.next_attempt_at <= now, columns.next_attempt_at > now + longest_wait),
                ~before.exists(),
            )
            .order_by(columns.next_attempt_at, columns.id)
            .limit(limit)
        )
        async with self._db.read() as connection:
            return [DeliveryRecord(**row._asdict()) for row in await connection.execute(query)]

    async def delivered(self, delivery: DeliveryRecord, now: datetime) -> None:
        """Note that a message has arrived."""
        await self._set(delivery, state=DELIVERED, ended_at=now, error=None)

    async def retry(self, delivery: DeliveryRecord, error: str, *, next_attempt_at: datetime) -> None:
        """Note that an attempt failed, why, and when to try again."""
        await self._set(delivery, next_attempt_at=next_attempt_at, error=error)

    async def give_up(self, delivery: DeliveryRecord, error: str, now: datetime) -> None:
        """Note that a message will not be tried again, and why."""
        await self._set(delivery, state=FAILED, ended_at=now, error=error)

    async def _set(self, delivery: DeliveryRecord, **values: Any) -> None:
        async with self._db.write() as connection:
            await connection.execute(
                update(alert_deliveries)
                .where(alert_deliveries.c.id == delivery.id)
                .values(attempts=delivery.attempts + 1, **values)
            )


async def _waiting(connection: AsyncConnection, rule_id: str) -> set[tuple[str, str]]:
    """Receivers whose latest message of a rule says that it fired, and has not arrived."""
    columns = alert_deliveries.c
    rows = await connection.execute(
        select(columns.channel, columns.receiver_id, columns.kind)
        .where(columns.rule_id == rule_id, columns.state == PENDING)
        .order_by(columns.id)
    )
    latest = {(row.channel, row.receiver_id): row.kind for row in rows}
    return {receiver for receiver, kind in latest.items() if kind == FIRED}


async def _enqueue(
    connection: AsyncConnection,
    alert_id: int | None,
    rule_id: str,
    kind: str,
    receivers: Iterable[_Receiver],
    text: AlertText,
    now: datetime,
) -> None:
    rows = [
        {
            "alert_id": alert_id,
            "rule_id": rule_id,
            "kind": kind,
            "channel": channel,
            "receiver_id": receiver_id,
            "receiver_name": receiver_name,
            "name": text.name,
            "message": text.message,
            "delivery_metadata": text.metadata,
            "state": PENDING,
            "attempts": 0,
            "created_at": now,
            "next_attempt_at": now,
        }
        for channel, receiver_id, receiver_name in receivers
    ]
    if rows:
        await connection.execute(alert_deliveries.insert(), rows)


async def _forget_oldest(connection: AsyncConnection, application_id: str) -> None:
    """Keep the newest firings, those with messages to be delivered, and who is to be told what is over."""
    oldest_kept = (
        select(alerts.c.id)
        .where(alerts.c.application_id == application_id)
        .order_by(alerts.c.id.desc())
        .limit(1)
        .offset(MAX_KEPT - 1)
        .scalar_subquery()
    )
    columns = alert_deliveries.c
    undelivered = select(columns.alert_id).where(columns.state == PENDING)
    # However often another rule has fired since.
    told_last = (
        select(func.max(columns.alert_id))
        .join(alerts, alerts.c.id == columns.alert_id)
        .where(alerts.c.application_id == application_id, alerts.c.resolved_at.is_(None))
        .group_by(columns.rule_id, columns.channel, columns.receiver_id)
    )
    await connection.execute(
        delete(alerts).where(
            alerts.c.application_id == application_id,
            alerts.c.id < oldest_kept,
            alerts.c.id.not_in(undelivered),
            alerts.c.id.not_in(told_last),
        )
    )
