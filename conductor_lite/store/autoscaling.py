"""Autoscaling policies: every statement on them. What follows from a policy is not worked out here."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from conductor_lite.errors import NotFoundError
from conductor_lite.store.database import Database
from conductor_lite.store.dialect import insert
from conductor_lite.store.records import AutoscalingPolicy
from conductor_lite.store.schema import autoscaling_policies


class AutoscalingPolicies:
    """The table of autoscaling policies, at most one per application.

    Args:
        db: the open database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, application_id: str) -> AutoscalingPolicy | None:
        """The application's policy, or None."""
        columns = autoscaling_policies.c
        query = select(columns.policy).where(columns.application_id == application_id)
        async with self._db.read() as connection:
            policy: AutoscalingPolicy | None = (await connection.execute(query)).scalar_one_or_none()
        return policy

    async def all(self) -> dict[str, AutoscalingPolicy]:
        """Every policy, by application id."""
        columns = autoscaling_policies.c
        async with self._db.read() as connection:
            rows = await connection.execute(select(columns.application_id, columns.policy))
            return {row.application_id: row.policy for row in rows}

    async def is_declared(self, application_id: str) -> bool:
        """Whether the application has a policy that is declared in a file."""
        columns = autoscaling_policies.c
        query = select(columns.declared).where(columns.application_id == application_id)
        async with self._db.read() as connection:
            return bool((await connection.execute(query)).scalar_one_or_none())

    async def declare(self, application_id: str, *, declared: bool) -> None:
        """Note whether the application's policy is declared in a file; does nothing when it has none."""
        async with self._db.write() as connection:
            await connection.execute(
                update(autoscaling_policies)
                .where(autoscaling_policies.c.application_id == application_id)
                .values(declared=declared)
            )

    async def set(self, application_id: str, policy: AutoscalingPolicy, *, now: datetime) -> None:
        """Store the application's policy in place of an older one.

        Raises:
            NotFoundError: no such application.
        """
        changed = {"policy": policy, "updated_at": now}
        async with self._db.write() as connection:
            try:
                await connection.execute(
                    insert(connection, autoscaling_policies)
                    .values(application_id=application_id, **changed)
                    .on_conflict_do_update(index_elements=["application_id"], set_=changed)
                )
            except IntegrityError as error:
                raise NotFoundError("The application was deleted meanwhile.") from error

    async def delete(self, application_id: str) -> bool:
        """Forget the application's policy.

        Returns:
            Whether there was one.
        """
        columns = autoscaling_policies.c
        async with self._db.write() as connection:
            gone = await connection.execute(
                delete(autoscaling_policies).where(columns.application_id == application_id)
            )
        return gone.rowcount == 1
