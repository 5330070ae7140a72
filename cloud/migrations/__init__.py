"""The database's past, step by step: `upgrade` brings a database to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from cloud.database import Database

_LOCK = 0x5357_4D49  # 'SWMI': one process migrates a PostgreSQL database at a time


def config() -> Config:
    """Alembic's configuration, without a file."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("path_separator", "os")
    return settings


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    else:
        connection.execute(text("BEGIN IMMEDIATE"))  # SQLite's driver begins nothing before DDL
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


async def upgrade(database: Database) -> None:
    """Bring a database to the newest revision, whole or not at all."""
    async with database.engine.begin() as connection:
        await connection.run_sync(_upgrade)
