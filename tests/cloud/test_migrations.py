"""The migrations make what the models say, on both databases."""

import asyncio
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

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


async def test_a_database_of_the_first_release_keeps_its_devices_and_takes_new_ones_by_address(database_url):
    """0001 knew no addresses and no health; two native devices of one edge must not collide by having none."""
    db = Database(database_url)
    settings = migrations.config()

    def move(connection, to):
        settings.attributes["connection"] = connection
        (command.downgrade if to == "0001-again" else command.upgrade)(settings, to.removesuffix("-again"))

    rows = [
        "INSERT INTO areas (path, tier, name, name_en) VALUES ('/a', 'grid', 'a', '')",
        "INSERT INTO sites (id, name, name_en, grid_path, lon, lat) VALUES ('s', 's', '', '/a', 0, 0)",
        "INSERT INTO zones (id, site_id, name, name_en, lon, lat) VALUES ('z', 's', 'z', '', 0, 0)",
        "INSERT INTO edges (id, name, area_path, created_at, online) VALUES ('e', 'e', '/a', :at, TRUE)",
        *(
            "INSERT INTO devices (id, name, site_id, zone_id, profile, edge_id, parameters, rules, timeline, enabled,"
            f" registered_at, updated_at) VALUES ('{name}', 'd', 's', 'z', 'p', 'e', '{{}}', '{{}}', 'real', TRUE,"
            " :at, :at)"
            for name in ("d1", "d2")
        ),
        "INSERT INTO device_states (device_id, status, \"values\", reported_at) VALUES ('d1', 'online', '{}', :at)",
    ]
    try:
        async with db.engine.begin() as connection:
            await connection.run_sync(move, "0001")
            for row in rows:
                await connection.execute(text(row), {"at": datetime.now(UTC)} if ":at" in row else {})
        await migrations.upgrade(db)
        async with db.engine.begin() as connection:
            found = await connection.execute(text("SELECT id, address FROM devices ORDER BY id"))
            assert [tuple(one) for one in found] == [("d1", None), ("d2", None)]
            await connection.execute(text("UPDATE devices SET address = 'shelly:x' WHERE id = 'd1'"))
        with pytest.raises(IntegrityError):
            async with db.engine.begin() as connection:
                await connection.execute(text("UPDATE devices SET address = 'shelly:x' WHERE id = 'd2'"))
        async with db.engine.begin() as connection:
            await connection.run_sync(move, "0001-again")
            assert await connection.scalar(text("SELECT count(*) FROM devices")) == 2
    finally:
        await db.close()
