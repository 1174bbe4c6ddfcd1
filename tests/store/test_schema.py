"""The tables, the migrations and the constant that lets an up-to-date database skip Alembic all agree."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.schema import CreateTable

from conductor_lite.errors import StoreError
from conductor_lite.store import revisions, schema


@pytest.fixture
def migrated(folder: Path) -> Path:
    path = folder / "conductor.db"
    revisions.prepare(path, busy_timeout_secs=1)
    return path


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}")


def _readable(index: ReflectedIndex) -> dict[str, object]:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return {**index, "dialect_options": options}


def test_known_revisions_are_alembics_history() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(revisions.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    history = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(history)) == schema.KNOWN_REVISIONS
    assert scripts.get_heads() == [schema.HEAD_REVISION]


def test_migrations_make_exactly_the_tables_of_the_metadata(migrated: Path) -> None:
    engine = _engine(migrated)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_migrations_make_the_same_constraints_as_the_metadata(migrated: Path, tmp_path: Path) -> None:
    """What compare_metadata passes over: names, primary keys, and what happens on delete."""
    direct, stepwise = _engine(tmp_path / "direct.db"), _engine(migrated)
    schema.metadata.create_all(direct)

    def constraints(engine: Engine) -> dict[str, object]:
        found = inspect(engine)
        return {
            table: (
                found.get_pk_constraint(table),
                sorted(found.get_foreign_keys(table), key=str),
                sorted(found.get_unique_constraints(table), key=str),
                sorted(map(_readable, found.get_indexes(table)), key=str),
                [
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in found.get_columns(table)
                ],
            )
            for table in schema.metadata.tables
        }

    assert constraints(stepwise) == constraints(direct)
    direct.dispose()
    stepwise.dispose()


def test_first_migration_makes_the_local_organization(migrated: Path) -> None:
    with closing(sqlite3.connect(migrated)) as connection:
        assert connection.execute("SELECT id, name FROM organizations").fetchall() == [("local", "local")]


def test_tables_compile_for_postgresql_too() -> None:
    statements = [
        str(CreateTable(table).compile(dialect=PGDialect())) for table in schema.metadata.sorted_tables
    ]
    assert any("id BIGSERIAL" in statement for statement in statements)


def test_times_are_kept_to_the_millisecond_and_come_back_in_utc() -> None:
    dialect, column = sqlite.dialect(), schema.EpochMs()
    moment = datetime(2026, 11, 23, 17, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    stored = column.process_bind_param(moment, dialect)
    assert column.process_result_value(stored, dialect) == datetime(
        2026, 11, 23, 15, 0, 0, 123_000, tzinfo=UTC
    )


def test_times_before_1970_survive() -> None:
    dialect, column = sqlite.dialect(), schema.EpochMs()
    moment = datetime(1969, 12, 31, 23, 59, 59, 1_000, tzinfo=UTC)
    assert column.process_result_value(column.process_bind_param(moment, dialect), dialect) == moment


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        schema.EpochMs().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"a":', "null"])
def test_json_of_another_shape_is_a_store_error(damaged: str) -> None:
    with pytest.raises(StoreError, match="did not write"):
        schema.Json(tuple[str, ...]).process_result_value(damaged, sqlite.dialect())


def test_foreign_keys_are_sound_in_a_new_database(migrated: Path) -> None:
    engine = _engine(migrated)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    engine.dispose()
