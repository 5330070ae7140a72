"""A full telemetry lane: readings are thinned before they go; peaks stay, every loss is told."""

import sqlite3
from importlib.resources import files

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge import reduce, thinning
from edge.journal import Journal
from edge.journal_file import VERSION
from edge.lane import Lane, Outgoing, Transaction
from wire.event import Type
from wire.reading import Series, TelemetryBlock

MIB = 1_048_576
START = 1_700_000_000_000 // 600_000 * 600_000


def block(rows, exercise=None) -> bytes:
    """Rows of (device, ts, value, flag, tests)."""
    table: dict[Series, int] = {}
    series = [table.setdefault(Series(row[0], "level", "m", exercise), len(table)) for row in rows]
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return msgspec.json.encode(TelemetryBlock(list(table), series, *map(list, columns[1:])))


def rows_of(data: bytes):
    """Readings that stand alone; of aggregates the lowest, the highest and the last, which were measured so."""
    found = msgspec.json.decode(data, type=TelemetryBlock)
    tests = found.tests or [0] * len(found.ts)
    rows = [
        (found.table[number].device, *rest)
        for number, *rest in zip(found.series, found.ts, found.value, found.flag, tests, strict=True)
    ]
    many = found.aggregates
    for index in range(len(many.start) if many is not None else 0):
        device = found.table[many.series[index]].device
        flag, bits = many.flag[index], (many.tests or [0] * len(many.start))[index]
        for at, value in (
            (many.low_at[index], many.low[index]),
            (many.high_at[index], many.high[index]),
            (many.span[index], many.last[index]),
        ):
            rows.append((device, many.start[index] + at, value, flag, bits))
    return rows


def number_of(data: bytes) -> int:
    """Readings that a block stands for."""
    return reduce.flatten(reduce.decoded([data]))[1].readings


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.integers(START, START + 1_500_000),
            st.floats(-5, 5),
            st.integers(1, 4),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(0, 60),
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3).map(sorted),
)
def test_of_each_stretch_the_lowest_the_highest_the_last_the_mean_and_the_number_stay(rows, cut, steps):
    data = [block(rows[:cut]), block(rows[cut:])]
    for step in steps:  # one step after the other is the same as the last alone, but for what stands alone
        thin, _, _ = thinning.thinned(data, step)
        data = [thin]
    every = thinning.STEPS_MS[steps[-1]]
    left = rows_of(data[0])
    assert number_of(data[0]) == len(rows), "every reading is counted"
    assert not {row[1:3] for row in left} - {row[1:3] for row in rows}, "nothing is told that was not measured"
    for device, stretch in {(row[0], row[1] // every) for row in rows}:
        before = [row for row in rows if (row[0], row[1] // every) == (device, stretch)]
        after = [row for row in left if (row[0], row[1] // every) == (device, stretch)]
        assert {min(row[2] for row in before), max(row[2] for row in before)} <= {row[2] for row in after}
        assert max(row[1] for row in before) == max(row[1] for row in after)
        assert max(row[3] for row in before) == max(row[3] for row in after)
    _, spans = reduce.flatten(reduce.decoded(data))
    total, expected = float((spans.mean * spans.number).sum()), sum(row[2] for row in rows)
    assert abs(total - expected) <= 1e-5 * len(rows) * 5


def test_by_exception_what_moved_or_is_flagged_stands_alone_and_a_calm_minute_is_one_row():
    rows = [("a", START + second * 1000, 0.1 + second % 3 * 0.001, 1, 0) for second in range(60)]
    rows[20] = ("a", START + 20_000, 0.5, 1, 0)
    rows[40] = (*rows[40][:3], 3, 8)
    data, kept, lost = thinning.thinned([block(rows)], 0)
    found = msgspec.json.decode(data, type=TelemetryBlock)
    assert sorted(ts - START for ts in found.ts) == [0, 20_000, 21_000, 40_000], "first, jump, return, doubt"
    assert (kept, lost) == (4, 56)
    assert found.aggregates.count == [56]
    assert (found.aggregates.low, found.aggregates.high) == ([0.1], [0.1 + 2 * 0.001])
    assert len(data) < len(block(rows)) / 4


async def fill(journal, minutes, *, first=0):
    rng = np.random.default_rng(first)
    for minute in range(first, first + minutes):
        rows = [
            (f"gauge-{device}", START + minute * 60_000 + second * 1000, float(rng.normal()), 1, 0)
            for device in range(20)
            for second in range(0, 60, 5)
        ]
        if minute == 3:
            rows[7] = (*rows[7][:2], 99.0, 3, 4)
        await journal.commit(
            Transaction(
                events=[
                    Outgoing(id=f"t{minute}", lane=Lane.TELEMETRY, type=Type.TELEMETRY_RECORDED, data=block(rows),
                             born_ms=START + minute * 60_000, items=len(rows))
                ]
            )
        )  # fmt: skip


async def test_a_full_lane_keeps_the_span_and_the_peaks_and_tells_what_went(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", telemetry_bytes=MIB, state_events=100)
    await journal.open()
    await fill(journal, 400)
    assert (await journal.depth()).bytes[Lane.TELEMETRY] <= MIB
    waiting = await journal.waiting((Lane.TELEMETRY,), 10_000, 100 * MIB)
    rows = [row for each in waiting for row in rows_of(each.data)]
    assert min(row[1] for row in rows) < START + 60_000, "the oldest are still there"
    assert max(row[1] for row in rows) >= START + 399 * 60_000
    assert (99.0, 3, 4) in {row[2:] for row in rows}
    assert sum(number_of(each.data) for each in waiting) == 400 * 20 * 12, "all are counted"
    losses = await journal.losses(0)
    assert losses
    reasons = {loss.reason for loss in losses}
    assert reasons <= {thinning.words(step) for step in range(3)}
    assert all(loss.items and loss.first_ms <= loss.last_ms for loss in losses)
    await journal.close()


async def test_what_is_on_its_way_is_left_as_it_is(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", telemetry_bytes=MIB, state_events=100)
    await journal.open()
    await fill(journal, 10)
    given_out = await journal.waiting((Lane.TELEMETRY,), 5, MIB)
    await fill(journal, 200, first=10)
    again = await journal.waiting((Lane.TELEMETRY,), 5, MIB)
    assert [(each.id, each.data) for each in again] == [(each.id, each.data) for each in given_out]
    await journal.close()


async def test_exercises_are_not_mixed_with_what_is_real(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", telemetry_bytes=MIB // 8, state_events=100)
    await journal.open()
    for minute in range(120):
        for exercise in (None, "drill-1"):
            rows = [("g", START + minute * 60_000 + s * 500, float(s), 1, 0) for s in range(100)]
            await journal.commit(
                Transaction(
                    events=[
                        Outgoing(id=f"{exercise}{minute}", lane=Lane.TELEMETRY, type=Type.TELEMETRY_RECORDED,
                                 data=block(rows, exercise), born_ms=minute, items=100, exercise=exercise)
                    ]
                )
            )  # fmt: skip
    for each in await journal.waiting((Lane.TELEMETRY,), 10_000, MIB):
        assert {series.exercise for series in msgspec.json.decode(each.data, type=TelemetryBlock).table} == {
            each.exercise
        }
    await journal.close()


async def test_a_journal_of_every_past_version_is_taken_over(tmp_path):
    for version in range(1, VERSION):
        path = tmp_path / f"v{version}.sqlite"
        db = sqlite3.connect(path)
        for step in range(1, version + 1):
            db.executescript(files("edge").joinpath("schema", f"v{step}.sql").read_text())
        db.execute("INSERT INTO engine_state VALUES ('/d/smoke', x'01')")
        db.execute("INSERT INTO alarm VALUES ('d:smoke', x'02')")
        db.execute("INSERT INTO accepted (keys) VALUES (x'0700000000000000')")
        db.execute("INSERT INTO decision VALUES ('dec_1', 'done', 1, 9e18)")
        db.execute(
            "INSERT INTO outgoing (id, lane, type, born_ms, items, data)"
            " VALUES ('e1', 0, 'x', 1, 1, x'7b7d'), ('t1', 2, ?, 1, 1, ?)",
            (Type.TELEMETRY_RECORDED.value, block([("a", START, 1.0, 1, 0)])),
        )
        db.execute(f"PRAGMA user_version={version}")
        db.commit()
        db.close()
        journal = Journal(path, telemetry_bytes=MIB, state_events=100)
        stored = await journal.open()
        assert (stored.states, stored.alarms, stored.decisions) == (
            {"/d/smoke": b"\x01"},
            {"d:smoke": b"\x02"},
            {"dec_1"},
        )
        assert [each.id for each in await journal.waiting((Lane.ALARM, Lane.TELEMETRY), 9, MIB)] == ["e1", "t1"]
        await fill(journal, 3)
        await journal.close()
        assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (VERSION,)
