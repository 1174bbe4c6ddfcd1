"""Alerting rules: every statement on them. Whether one fires is not decided here."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import NotFoundError, StoreError
from conductor_lite.store.database import Database
from conductor_lite.store.records import RULE_TYPES, AlertingRuleRecord, RuleMetadata
from conductor_lite.store.schema import alerting_rules


class AlertingRules:
    """The table of alerting rules.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self) -> list[AlertingRuleRecord]:
        """Every application's rules, oldest first."""
        query = select(alerting_rules).order_by(alerting_rules.c.created_at, alerting_rules.c.id)
        async with self._db.read() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def list(self, application_id: str) -> list[AlertingRuleRecord]:
        """The rules that watch an application, oldest first."""
        columns = alerting_rules.c
        query = (
            select(alerting_rules)
            .where(columns.application_id == application_id)
            .order_by(columns.created_at, columns.id)
        )
        async with self._db.read() as connection:
            return [_record(row) for row in await connection.execute(query)]

    async def create(self, record: AlertingRuleRecord) -> None:
        """Store a new rule.

        Raises:
            NotFoundError: the watched or the receiving application does not exist.
        """
        values = msgspec.structs.asdict(record)
        values["rule_metadata"] = msgspec.to_builtins(record.rule_metadata)
        async with self._db.write() as connection:
            try:
                await connection.execute(alerting_rules.insert().values(values))
            except IntegrityError as error:
                raise NotFoundError("The application was deleted meanwhile.") from error

    async def update(
        self,
        application_id: str,
        rule_id: str,
        *,
        receiving_application_id: str,
        rule_metadata: RuleMetadata,
        min_interval_secs: int | None,
    ) -> bool:
        """Change what makes one of an application's rules fire, and who is told; its type stays.

        Returns:
            Whether there was one.

        Raises:
            NotFoundError: the receiving application does not exist.
        """
        columns = alerting_rules.c
        async with self._db.write() as connection:
            try:
                changed = await connection.execute(
                    update(alerting_rules)
                    .where(columns.application_id == application_id, columns.id == rule_id)
                    .values(
                        receiving_application_id=receiving_application_id,
                        rule_metadata=msgspec.to_builtins(rule_metadata),
                        min_interval_secs=min_interval_secs,
                    )
                )
            except IntegrityError as error:
                raise NotFoundError("The application was deleted meanwhile.") from error
        return changed.rowcount == 1

    async def declare(self, application_id: str, rule_ids: Collection[str], *, declared: bool) -> None:
        """Note of some of an application's rules whether they are declared in a file."""
        columns = alerting_rules.c
        async with self._db.write() as connection:
            await connection.execute(
                update(alerting_rules)
                .where(columns.application_id == application_id, columns.id.in_(rule_ids))
                .values(declared=declared)
            )

    async def fired(self, rule_id: str, at: datetime) -> None:
        """Note that a rule fired; does nothing when it is deleted."""
        async with self._db.write() as connection:
            await connection.execute(
                update(alerting_rules).where(alerting_rules.c.id == rule_id).values(last_fired_at=at)
            )

    async def delete(self, application_id: str, rule_id: str) -> bool:
        """Delete one of an application's rules.

        Returns:
            Whether there was one.
        """
        columns = alerting_rules.c
        async with self._db.write() as connection:
            gone = await connection.execute(
                delete(alerting_rules).where(columns.application_id == application_id, columns.id == rule_id)
            )
        return gone.rowcount == 1


def _record(row: Row[Any]) -> AlertingRuleRecord:
    values = row._asdict()
    try:
        shape = RULE_TYPES[row.rule_type]
        values["rule_metadata"] = msgspec.convert(row.rule_metadata, shape)
    except (KeyError, msgspec.ValidationError) as error:
        raise StoreError(
            f"The database holds an alerting rule that conductor-lite did not write ({row.id}: {error}). "
            "Undo the change made by hand, or restore a backup."
        ) from error
    return AlertingRuleRecord(**values)
