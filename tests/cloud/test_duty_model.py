"""No reachable state without an owner or a running clock, whoever does what and dies when."""

import asyncio
import itertools
import os

import duty_model
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

EXAMPLES = int(os.environ.get("SHOUWANG_DUTY_EXAMPLES", "0"))
"""Set it to look for longer, with other examples each time."""
_numbers = itertools.count(1)


def _run(machine: type, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nobody_is_forgotten_on_sqlite(originals, tmp_path):
    class OnSqlite(duty_model.DutyModel):
        folder = tmp_path

        @staticmethod
        async def fresh() -> str:
            file = tmp_path / f"{next(_numbers)}.sqlite"
            await originals.sqlite("world", file)
            return f"sqlite+aiosqlite:///{file}"

    _run(OnSqlite, 4, 12)


@pytest.mark.postgres
def test_nobody_is_forgotten_on_postgresql(originals, postgres, tmp_path):
    names = []

    async def fresh() -> str:
        name = f"duty_{next(_numbers)}"
        admin = create_async_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            await originals.postgres("world", postgres, name, connection)
        await admin.dispose()
        names.append(name)
        return postgres + name

    async def drop() -> None:
        admin = create_async_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            for name in names:
                await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()

    machine = type("OnPostgresql", (duty_model.DutyModel,), {"folder": tmp_path, "fresh": staticmethod(fresh)})
    try:
        _run(machine, 2, 10)
    finally:
        asyncio.run(drop())
