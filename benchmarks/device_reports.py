"""Device reports into the cloud: 2,000 devices that first appear, then speak again, then fall silent at once.

Through `cloud.intake.accept` on a real database (SQLite with full sync; PostgreSQL where its binaries are), as one
batch. Beside it the floor: the same number of rows written to a bare table in one transaction.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

import postgres_server

from cloud import migrations
from cloud.app import create_app, load_models
from cloud.database import Database
from cloud.intake.accept import accept
from cloud.intake.parse import Item
from cloud.registry import seed
from cloud.registry.model import Device
from cloud.services import Services
from cloud.settings import Settings
from wire.event import Type
from wire.report import DeviceReport

ZONES = ("wh-7-s1-1f", "wh-7-s1-3f", "wh-7-s2-3f", "wh-8-s1-2f")


def reports(count: int, status: str, at: datetime) -> list[Item]:
    """One report a device."""
    values: dict[str, float | str | None] = {"obscuration": 0.01, "temperature": 21.5, "battery": 91.0}
    return [
        Item(
            f"ev-{status}-{n}-{at.timestamp()}",
            Type.DEVICE_REPORTED,
            DeviceReport(device=f"smoke-{n:05}", site="wanghuyuan", status=status, last_seen=at, values=values),  # type: ignore[arg-type]
        )
        for n in range(count)
    ]


async def settle(services: Services, count: int) -> None:
    """The demo world and the devices."""
    now = datetime.now(UTC)
    async with services.db.transaction() as session:
        await seed.demo(session, now=now, password=lambda _name: "benchmark-only")
        session.add_all(
            Device(
                id=f"smoke-{n:05}", name="", site_id="wanghuyuan", zone_id=ZONES[n % len(ZONES)], edge_id=seed.EDGE_ID,
                profile="shouwang/smoke", hazard="smoke", parameters={}, rules={}, timeline="real", enabled=True,
                credential=None, registered_at=now, updated_at=now,
            )
            for n in range(count)
        )  # fmt: skip


async def floor_s(services: Services, count: int) -> float:
    """Seconds to write as many rows into a table of their own."""
    rows = [
        {"id": f"d{n}", "body": '{"obscuration": 0.01, "temperature": 21.5, "battery": 91.0}'} for n in range(count)
    ]
    async with services.db.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE bare_rows (id TEXT PRIMARY KEY, body TEXT)"))
    started = time.perf_counter()
    async with services.db.engine.begin() as connection:
        await connection.execute(text("INSERT INTO bare_rows VALUES (:id, :body)"), rows)
    return time.perf_counter() - started


async def measure(url: str, folder: Path, count: int) -> None:
    """One database."""
    load_models()
    db = Database(url)
    await migrations.upgrade(db)
    await db.close()
    app = create_app(Settings(data_dir=folder, database_url=url, web_dist=folder))
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        await settle(services, count)
        bare = await floor_s(services, count)
        print(f"{services.db.engine.dialect.name:11} bare rows (floor)        {bare * 1e6 / count:8.1f} µs each")
        at = datetime.now(UTC)
        for what, status, when in (
            ("first appear", "online", at),
            ("speak again", "online", at + timedelta(minutes=1)),
            ("fall silent", "silent", at + timedelta(minutes=1)),
        ):
            items = reports(count, status, when)
            started = time.perf_counter()
            verdicts = await accept(services, seed.EDGE_ID, items)
            took = time.perf_counter() - started
            assert all(one.status == "committed" for one in verdicts)
            print(f"{'':11} {count} devices {what:12} {took * 1e6 / count:8.1f} µs each  {took:6.2f} s")


@contextlib.asynccontextmanager
async def urls(folder: Path) -> AsyncIterator[list[str]]:
    """Every database that there is here."""
    found = [f"sqlite+aiosqlite:///{folder / 'cloud.sqlite'}"]
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server.running())
        except postgres_server.NoPostgresError as error:
            print(f"PostgreSQL left out: {error}", file=sys.stderr)
        else:
            admin = create_async_engine(server + "postgres", isolation_level="AUTOCOMMIT")
            async with admin.connect() as connection:
                await connection.execute(text("CREATE DATABASE bench"))
            await admin.dispose()
            found.append(server + "bench")
        yield found


async def main(count: int) -> None:
    """Both databases, one after the other."""
    with tempfile.TemporaryDirectory(prefix="shouwang-bench-") as name:
        async with urls(Path(name)) as found:
            for number, url in enumerate(found):
                folder = Path(name) / str(number)
                folder.mkdir()
                await measure(url, folder, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=2000)
    asyncio.run(main(parser.parse_args().devices))
