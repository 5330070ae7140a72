"""The migrations make what the models say, on both databases."""

import asyncio

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from cloud import migrations
from cloud.app import load_models
from cloud.database import Base, Database


async def test_the_migrations_make_what_the_models_say(database_url):
    load_models()
    db = Database(database_url)
    await migrations.upgrade(db)

    def difference(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, Base.metadata)

    def shape(connection):
        found = inspect(connection)
        return {
            table: (
                {(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)},
                {(i["name"], tuple(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(table)},
                {(tuple(f["constrained_columns"]), f["referred_table"]) for f in found.get_foreign_keys(table)},
                {tuple(u["column_names"]) for u in found.get_unique_constraints(table)},
                tuple(found.get_pk_constraint(table)["constrained_columns"]),
            )
            for table in sorted(found.get_table_names())
            if table != "alembic_version"
        }

    try:
        async with db.engine.connect() as connection:
            assert await connection.run_sync(difference) == []
            migrated = await connection.run_sync(shape)
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
            assert await connection.run_sync(shape) == migrated
    finally:
        await db.close()


async def test_upgrading_twice_or_at_the_same_time_changes_nothing(database_url):
    load_models()
    one, two = Database(database_url), Database(database_url)
    try:
        await asyncio.gather(migrations.upgrade(one), migrations.upgrade(two))
        await migrations.upgrade(one)
        async with one.engine.connect() as connection:
            assert len((await connection.execute(text("SELECT version_num FROM alembic_version"))).all()) == 1
    finally:
        await one.close()
        await two.close()


async def test_positions_of_the_feed_are_never_used_twice_after_a_migration(database_url):
    """SQLite gives a deleted last key away again unless the table was made with AUTOINCREMENT."""
    from cloud.feed import service as feed

    load_models()
    db = Database(database_url)
    await migrations.upgrade(db)
    try:
        positions = []
        for _ in range(2):
            async with db.transaction() as session:
                position = await feed.append(
                    session, kind="incident", key="k", value=None, grid_path=None, exercise=None
                )
                positions.append(position)
            async with db.transaction() as session:
                await session.execute(text("DELETE FROM feed_log"))
        assert positions[1] > positions[0]
    finally:
        await db.close()
