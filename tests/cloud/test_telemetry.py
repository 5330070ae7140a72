"""Telemetry: idempotent writes, history with gaps, one process only."""

import asyncio
import math
import subprocess
import sys
from datetime import timedelta

import duckdb
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.registry import seed, service
from cloud.telemetry import bulk
from cloud.telemetry.store import StoreClosed, StoreInUse, TelemetryStore
from rules.quality import Check
from wire.reading import Aggregates, Series, TelemetryBlock
from wire.time import to_ms

LEVEL = Series("water-up-low", "level", "m")
T0 = 1_795_000_000_000


def block(*readings, series=LEVEL):
    return TelemetryBlock(
        [series], [0] * len(readings), [r[0] for r in readings], [r[1] for r in readings],
        [r[2] if len(r) > 2 else 1 for r in readings],
    )  # fmt: skip


@pytest.fixture
async def store(tmp_path):
    store = TelemetryStore(tmp_path / "telemetry.duckdb")
    await store.open()
    yield store
    await store.close()


async def test_the_same_batch_twice_stands_once_even_after_a_restart(tmp_path):
    path = tmp_path / "telemetry.duckdb"
    one = block((T0, 0.1), (T0 + 1000, 0.2))
    store = TelemetryStore(path)
    await store.open()
    assert await asyncio.gather(store.write("b1", one), store.write("b1", one), store.write("b2", one)) == [
        True,
        False,
        True,
    ]
    await store.close()
    store = TelemetryStore(path)
    await store.open()
    assert await store.write("b1", one) is False
    history = await store.history("water-up-low", "level", points=1)
    assert history.count == [4]
    await store.close()


async def test_one_broken_batch_does_not_hold_up_its_neighbours(store):
    broken = block((2**70, 1.0))
    outcomes = await asyncio.gather(
        store.write("good-1", block((T0, 1.0))),
        store.write("broken", broken),
        store.write("good-2", block((T0 + 1, 2.0))),
        return_exceptions=True,
    )
    assert outcomes[0] is True
    assert outcomes[2] is True
    assert isinstance(outcomes[1], (ValueError, OverflowError))
    assert (await store.history("water-up-low", "level", points=1)).count == [2]


async def test_buckets_hold_minimum_mean_maximum_and_the_worst_flag(store):
    readings = [(T0 + 1000 * n, float(n), 3 if n == 7 else 1) for n in range(20)]
    await store.write("b", block(*readings))
    history = await store.history("water-up-low", "level", from_ms=T0, to_ms=T0 + 20_000, points=4)
    assert history.t == [T0, T0 + 5000, T0 + 10_000, T0 + 15_000]
    assert history.min == [0, 5, 10, 15]
    assert history.mean == [2, 7, 12, 17]
    assert history.max == [4, 9, 14, 19]
    assert history.flag == [1, 3, 1, 1]
    assert history.unit == "m"


async def test_the_tests_that_spoke_come_back_as_words(store):
    plain = block((T0, 0.1), (T0 + 1000, 0.1))
    doubted = block((T0 + 2000, 0.9, 2), (T0 + 3000, 0.9, 3))
    await store.write("good", plain)
    await store.write("doubted", msgspec.structs.replace(doubted, tests=[int(Check.SPIKE), int(Check.RATE)]))
    history = await store.history("water-up-low", "level", from_ms=T0, to_ms=T0 + 4000, points=2)
    assert history.tests == ["", "spike,rate"]
    assert [one.tests for one in await store.newest("water-up-low")] == ["rate"]


async def test_a_file_from_before_there_were_tests_is_read_on(tmp_path):
    with duckdb.connect(str(tmp_path / "old.duckdb")) as old:
        old.execute(
            "CREATE TABLE readings (series INTEGER NOT NULL, ts BIGINT NOT NULL, value DOUBLE, "
            "flag UTINYINT NOT NULL, written_day INTEGER NOT NULL)"
        )
        old.execute(
            "CREATE TABLE series (id INTEGER PRIMARY KEY, device VARCHAR NOT NULL, point VARCHAR NOT NULL, "
            "unit VARCHAR NOT NULL, exercise VARCHAR NOT NULL DEFAULT '')"
        )
        old.execute("INSERT INTO series VALUES (1, 'water-up-low', 'level', 'm', '')")
        old.execute("INSERT INTO readings VALUES (1, ?, 0.5, 1, 20000)", [T0])
    store = TelemetryStore(tmp_path / "old.duckdb")
    await store.open()
    await store.write("b", block((T0 + 1, 0.6)))
    history = await store.history("water-up-low", "level", points=1)
    await store.close()
    assert (history.count, history.tests) == ([2], [""])


async def test_a_silence_is_a_gap_and_not_a_line(store):
    readings = [(T0 + 10_000 * n, 0.1) for n in range(60) if not 20 <= n < 30]
    await store.write("b", block(*readings))
    history = await store.history("water-up-low", "level", cadence_s=10)
    assert history.gaps == [(T0 + 190_000, T0 + 300_000)]
    guessed = await store.history("water-up-low", "level")
    assert guessed.gaps == history.gaps


async def test_an_exercise_has_readings_of_its_own(store):
    await store.write("real", block((T0, 0.1)))
    await store.write("drill", block((T0, 9.9), series=Series("water-up-low", "level", "m", "drl-1")))
    assert (await store.history("water-up-low", "level")).max == [0.1]
    assert (await store.history("water-up-low", "level", exercise="drl-1")).max == [9.9]
    assert [one.value for one in await store.newest("water-up-low")] == [0.1]


async def test_a_value_that_is_no_number_does_not_break_a_chart(store):
    await store.write("b", block((T0, math.nan, 4), (T0 + 1, 1.0)))
    history = await store.history("water-up-low", "level", points=1)
    assert history.min == [1.0]
    assert history.max == [1.0]
    assert history.flag == [4]


@settings(max_examples=15, deadline=None)
@given(
    readings=st.lists(st.tuples(st.integers(0, 10_000), st.floats(-100, 100)), min_size=1, max_size=60),
    points=st.integers(1, 50),
)
def test_no_reading_is_lost_or_counted_twice_by_down_sampling(readings, points, tmp_path_factory):
    async def run():
        store = TelemetryStore(tmp_path_factory.mktemp("t") / "t.duckdb")
        await store.open()
        await store.write("b", block(*((T0 + ts, value) for ts, value in readings)))
        history = await store.history("water-up-low", "level", from_ms=T0, to_ms=T0 + 10_001, points=points)
        await store.close()
        return history

    history = asyncio.run(run())
    assert sum(history.count) == len(readings)
    assert len(history.t) <= points
    assert min(history.min) == min(value for _, value in readings)
    assert max(history.max) == max(value for _, value in readings)


async def test_a_second_process_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "telemetry.duckdb"
    store = TelemetryStore(path)
    await store.open()
    code = (
        "import asyncio, sys, pathlib\n"
        "from cloud.telemetry.store import TelemetryStore, StoreInUse\n"
        "async def main():\n"
        "    try:\n"
        "        await TelemetryStore(pathlib.Path(sys.argv[1])).open()\n"
        "    except StoreInUse as error:\n"
        "        print(error); sys.exit(7)\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120
    )
    assert other.returncode == 7, other.stderr
    assert "another process" in other.stdout
    await store.close()
    with pytest.raises(StoreClosed):
        await store.write("late", block((T0, 1.0)))
    assert issubclass(StoreInUse, RuntimeError)


async def test_retention_goes_by_the_day_of_writing_so_that_a_replay_of_old_years_stays(store, monkeypatch):
    await store.write("replay", block((1_555_000_000_000, 1.0)))
    await store.prune(T0)
    assert (await store.history("water-up-low", "level")).count == [1]
    await store.prune(4_000_000_000_000)
    assert (await store.history("water-up-low", "level")).count == []
    assert await store.write("replay", block((1_555_000_000_000, 1.0))) is True


async def test_a_chart_comes_with_the_thresholds_of_its_device_for_those_who_may_look(sign_in, services, database):
    now = services.now()
    async with database.transaction() as session:
        for device_id, site, zone, profile, parameters in (
            ("water-up-low", "liuyin-underpass", "up-low", "shouwang/water-level", {}),
            ("facade-1", "linjiang", "lj-b-18-e", "shouwang/facade", {"baseline_frequency_hz": 20.0}),
        ):
            new = service.NewDevice(
                id=device_id, name=device_id, site_id=site, zone_id=zone, profile=profile, edge_id=seed.EDGE_ID,
                parameters=parameters,
            )  # fmt: skip
            await service.register(session, new, now=now)
    end = to_ms(now)
    await services.telemetry.write("b", block(*((end - 10_000 * n, 0.05 * n) for n in range(30))))
    duty, lu, district = await sign_in("duty"), await sign_in("lu"), await sign_in("district")
    answer = (await duty.get("/api/v1/telemetry/water-up-low")).json()
    assert answer["point"] == "level"
    assert answer["unit"] == "m"
    assert sum(answer["count"]) == 30
    assert answer["timeline"] == "real"
    levels = {one["level"]: one["value"] for one in answer["thresholds"]}
    assert levels["I"] > levels["III"] > 0
    facade = (await duty.get("/api/v1/telemetry/facade-1?point=frequency")).json()
    assert all(0 < one["value"] < 20 for one in facade["thresholds"])
    assert facade["thresholds"] != []
    assert (await lu.get("/api/v1/telemetry/water-up-low")).status_code == 200  # sent beyond their own grid
    assert (await district.get("/api/v1/telemetry/water-up-low")).status_code == 200
    assert (await duty.get("/api/v1/telemetry/unknown")).status_code == 404
    assert (await duty.get(f"/api/v1/telemetry/water-up-low?from={end}&to={end - 1}")).status_code == 422
    assert (await duty.get("/api/v1/telemetry/water-up-low?points=100000")).status_code == 422
    assert (await lu.get("/api/v1/telemetry/water-up-low?exercise=drl-1")).status_code == 404
    early = to_ms(now - timedelta(days=1))
    empty = (await duty.get(f"/api/v1/telemetry/water-up-low?from={early}&to={early + 1000}")).json()
    assert empty["t"] == []


def minute(start, values, *, flags=None, series=0):
    """One aggregate of readings a second apart."""
    low, high = min(values), max(values)
    return {
        "series": [series], "start": [start], "span": [1000 * (len(values) - 1)], "low": [low],
        "low_at": [1000 * values.index(low)], "high": [high], "high_at": [1000 * values.index(high)],
        "mean": [sum(values) / len(values)], "last": [values[-1]], "count": [len(values)], "flag": [max(flags or [1])],
    }  # fmt: skip


async def test_an_aggregate_is_charted_as_the_readings_it_was_made_of(store):
    values = [0.1 + 0.01 * (second % 7) for second in range(60)]
    values[20], values[40] = 0.9, 0.01
    aggregated = TelemetryBlock([LEVEL], [], [], [], [], [], Aggregates(**minute(T0, values)))
    assert await store.write("b1", aggregated)
    assert not await store.write("b1", aggregated), "once"
    await store.write("b2", block((T0 + 60_000, 0.3), (T0 + 61_000, 0.5)))
    whole = await store.history("water-up-low", "level", from_ms=T0, to_ms=T0 + 62_000, points=1, cadence_s=1.0)
    assert (whole.min, whole.max, whole.count) == ([0.01], [0.9], [62])
    assert whole.mean == [pytest.approx((sum(values) + 0.8) / 62)]
    assert whole.gaps == [], "inside an aggregate nothing is missing"
    fine = await store.history("water-up-low", "level", from_ms=T0, to_ms=T0 + 60_000, points=60, cadence_s=1.0)
    assert fine.max[fine.t.index(T0 + 20_000)] == 0.9, "the peak at its own instant"
    assert fine.min[fine.t.index(T0 + 40_000)] == 0.01
    assert None not in fine.mean
    [newest] = await store.newest("water-up-low")
    assert (newest.ts, newest.value) == (T0 + 61_000, 0.5)
    later = await store.history("water-up-low", "level", from_ms=T0 + 30_000, to_ms=T0 + 61_000, points=1)
    assert later.min == [0.01], "one that began before still tells what lies inside"


async def test_what_is_judged_again_gets_as_many_readings_as_there_were_and_every_slice_its_own(store):
    values = [0.2 + 0.001 * second for second in range(30)]
    values[7] = 0.6
    await store.write("b1", TelemetryBlock([LEVEL], [], [], [], [], [], Aggregates(**minute(T0, values))))
    await store.write("b2", block((T0 + 30_000, 0.3)))
    stock = await store.ask(lambda cursor: bulk.stock(cursor, ["water-up-low"], until=T0 + 99_000, days=1))
    assert stock.rows == 31
    assert stock.newest == T0 + 30_000
    whole = await store.ask(lambda cursor: bulk.read(cursor, stock, T0, T0 + 31_000))
    assert len(whole.ts) == 31
    assert whole.aggregated == 30
    assert float(whole.value[:30].mean()) == pytest.approx(sum(values) / 30)
    assert (whole.value[7], whole.ts[7]) == (0.6, T0 + 7000)
    assert (whole.value[0], whole.value[29]) == (0.2, pytest.approx(values[29]))
    assert (np.diff(whole.ts) > 0).all()
    parts = [
        await store.ask(lambda cursor, start=start: bulk.read(cursor, stock, start, start + 10_000))
        for start in range(T0, T0 + 40_000, 10_000)
    ]
    assert np.concatenate([part.ts for part in parts]).tolist() == whole.ts.tolist()
    assert np.concatenate([part.value for part in parts]).tolist() == whole.value.tolist()


async def test_an_aggregate_longer_than_an_hour_is_refused(store):
    columns = minute(T0, [1.0, 2.0, 3.0, 4.0]) | {"span": [3_600_001]}
    with pytest.raises(ValueError, match="60 minutes"):
        await store.write("b1", TelemetryBlock([LEVEL], [], [], [], [], [], Aggregates(**columns)))
