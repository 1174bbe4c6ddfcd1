"""Alembic's environment and the migrations, shipped with the package and found relative to it."""
