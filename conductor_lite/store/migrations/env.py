"""Alembic's environment: runs migrations on the connection that `revisions.migrate` hands over, nothing else.

The caller owns the transaction, so all pending migrations happen or none does.
"""

from alembic import context

from conductor_lite.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
