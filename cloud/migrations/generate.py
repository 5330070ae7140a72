"""Writes a new revision from the difference between the models and an empty or migrated database.

    python -m cloud.migrations.generate "what changes"

Read what it wrote before you keep it: it must say in explicit operations what happens, on SQLite and PostgreSQL.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON, DateTime, create_engine
from sqlalchemy.dialects.postgresql import JSONB

from cloud.database import Instant
from cloud.migrations import config

_JSONB = "sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')"


def render_item(kind: str, item: Any, context: AutogenContext) -> str | bool:
    """The column types of this project, without importing its models into a revision."""
    if kind != "type":
        return False
    if isinstance(item, Instant | DateTime):  # DateTime: as SQLite tells it of a table that goes
        return "sa.DateTime(timezone=True)"
    if isinstance(item, JSON) and isinstance(item._variant_mapping.get("postgresql"), JSONB):  # noqa: SLF001
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return _JSONB
    return False


def main(message: str) -> None:
    """Write the revision file."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'empty.sqlite'}")
        with engine.begin() as connection:
            settings = config()
            settings.attributes["connection"] = connection
            settings.attributes["render_item"] = render_item
            command.upgrade(settings, "head")
            number = f"{len(list((Path(__file__).parent / 'versions').glob('*.py'))) + 1:04d}"
            script = command.revision(settings, message, autogenerate=True, rev_id=number)
        engine.dispose()
    print(getattr(script, "path", script))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "change")
