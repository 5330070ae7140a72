"""By exception: what matters goes up at once, a calm minute as one row, the minutes before an alarm in full."""

import json

import msgspec
import numpy as np
import pytest

import edge.judge
from device_profiles.library import Library
from edge import reduce, reduce_gather
from edge.batch import Arrived
from edge.journal import Journal
from edge.judge import Judge
from edge.lane import Lane, Transaction
from edge.reduce_gather import Gatherer
from edge.table import Compiler
from wire.alert import Alert
from wire.configuration import DeviceConfig, DrillConfig, EdgeDocument
from wire.event import Type
from wire.reading import TelemetryBlock
from wire.time import Timeline

T0 = 1_800_000_000_000 // 60_000 * 60_000
LIBRARY = Library.load()
MIB = 1 << 20
HELD_BEFORE = 4
"""Readings of `settle` that still wait for their minute when it is over."""
DEPTH = {
    "kind": "level",
    "point": "level",
    "levels": {"II": {"enter": 0.25, "exit": 0.15, "hold_s": 10, "min_samples": 3}},
    "clear_hold_s": 60,
}
PLAIN = {"water_depth": DEPTH, **dict.fromkeys(("silence", "water_rise", "water_forecast", "wet_area"))}
GAUGES = [
    DeviceConfig(id=f"g{n}", site="s1", zone="z1" if n < 2 else None, profile="shouwang/water-level", rules=PLAIN)
    for n in range(3)
]


class Edge:
    """Judge, journal and gatherer, on a clock that the test moves."""

    def __init__(self, folder, monkeypatch, *, by_exception=True):
        self.at = T0
        monkeypatch.setattr(edge.judge, "now_ms", lambda: self.at)
        monkeypatch.setattr(reduce_gather, "now_ms", lambda: self.at)
        self.folder, self.by_exception = folder, by_exception
        self.sent: list[tuple[TelemetryBlock, int]] = []
        self.alerts: list[Alert] = []
        self.published: list[tuple[str, int, float]] = []

    async def start(self):
        self.journal = Journal(self.folder / "j", telemetry_bytes=64 * MIB, state_events=1000)
        self.judge = Judge("gw", by_exception=self.by_exception)
        self.judge.restore(await self.journal.open())
        document = EdgeDocument(
            edge="gw", revision=1, devices=GAUGES,
            drills=[DrillConfig(id="drl", state="running", timeline=Timeline("drl"))],
        )  # fmt: skip
        table = Compiler(LIBRARY).compile(document)
        await self.do(lambda into: self.judge.use(table, into))
        self.gatherer = Gatherer(self.journal, self.judge.telemetry.stirring)
        return self

    async def do(self, work):
        into = Transaction()
        work(into)
        self.alerts += [
            msgspec.json.decode(event.data, type=Alert) for event in into.events if event.type == Type.ALARM_CHANGED
        ]
        await self.journal.commit(into)

    async def minute(self, levels, *, device="g0", every=5, prefix=""):
        """Readings of one minute, one batch each; `levels` by number of the reading."""
        for number in range(0, 60, every):
            value = levels(number) if callable(levels) else levels
            payload = json.dumps({"ts": self.at, "level": value}).encode()
            message = Arrived(f"{prefix}sensors/s1/{device}/telemetry", payload, 1, False, False, self.at)
            await self.do(lambda into, message=message: self.judge.judge([message], into))
            self.published.append((device, self.at, value))
            self.at += every * 1000
        await self.do(self.judge.tick)

    async def drain(self):
        """What would go up now."""
        await self.gatherer.gather(self.at)
        while waiting := await self.journal.waiting((Lane.ALARM, Lane.STATE, Lane.TELEMETRY), 1000, 100 * MIB):
            for each in waiting:
                if each.type == Type.TELEMETRY_RECORDED:
                    self.sent.append((msgspec.json.decode(each.data, type=TelemetryBlock), self.at))
            await self.journal.settle([each.id for each in waiting], [])

    def alone(self, device="g0"):
        return sorted(
            ts for block, _ in self.sent for number, ts in zip(block.series, block.ts, strict=True)
            if block.table[number].device == device
        )  # fmt: skip

    def numbers(self):
        """Readings that everything sent stands for."""
        return reduce.flatten([block for block, _ in self.sent])[1].readings


@pytest.fixture
async def here(tmp_path, monkeypatch):
    made = await Edge(tmp_path, monkeypatch).start()
    yield made
    await made.journal.close()


async def test_a_calm_gauge_sends_a_row_a_minute_and_every_reading_is_counted_once(here):
    await settle(here)
    for _ in range(6):
        await here.minute(lambda number: 0.001 * (number % 3))
    here.at += 240_000
    await here.drain()
    assert here.numbers() == 6 * 12 + HELD_BEFORE
    aggregates = [block.aggregates for block, _ in here.sent if block.aggregates is not None]
    assert [each for columns in aggregates for each in columns.count] == [12] * 6
    assert (await here.journal.depth()).events[Lane.HELD] == 0


async def test_a_jump_goes_up_at_once_and_what_is_flagged_too(here):
    await settle(here)
    await here.minute(lambda number: 0.02 if number == 20 else 0.0)
    await here.drain()
    assert {here.at - 40_000, here.at - 35_000} <= set(here.alone()), "the jump and the way back"
    before = len(here.alone())
    await here.minute(lambda number: 25.0 if number == 30 else 0.0)  # beyond what the gauge can say: flagged
    await here.drain()
    flagged = [block for block, _ in here.sent if any(flag >= 3 for flag in block.flag)]
    assert flagged
    assert len(here.alone()) > before


async def settle(here, *devices, minutes=12):
    """Calm until every rule has cleared and the time after it is over: nothing goes up at once any more."""
    for _ in range(minutes):
        for device in devices or ("g0",):
            await here.minute(lambda number: 0.001 * (number % 2), every=30, device=device)
    here.sent.clear()
    await here.drain()
    here.sent.clear()


async def test_around_an_alarm_everything_goes_up_in_full_from_minutes_before_to_minutes_after(here):
    await settle(here)
    for _ in range(2):
        await here.minute(0.0)
    rising = here.at
    await here.minute(lambda number: 0.02 * number)  # over a metre within the minute
    assert here.alerts, "an alarm"
    for _ in range(2):
        await here.minute(0.0)
    here.at += 240_000
    await here.drain()
    alone = set(here.alone())
    full = set(range(rising - 60_000, rising + 180_000, 5000))
    assert full <= alone, f"in full: {sorted(full - alone)[:3]}"


async def test_what_goes_up_at_once_does_so_before_its_minute_is_over(here):
    await settle(here)
    await here.minute(lambda number: 0.02 * number)
    await here.drain()
    assert len(here.alone()) >= 11


async def test_neighbours_in_the_zone_of_an_alarm_go_up_in_full_others_do_not(here):
    await settle(here, "g1", "g2")
    here.sent.clear()
    await here.drain()
    here.sent.clear()
    await here.minute(lambda number: 0.02 * number, device="g0")
    began = here.at
    for device in ("g1", "g2"):
        await here.minute(0.0, device=device)
    await here.drain()
    assert len([ts for ts in here.alone("g1") if ts >= began]) == 12
    assert [ts for ts in here.alone("g2") if ts >= began] == []


async def test_a_drill_goes_up_in_full(here):
    await here.minute(0.0, prefix="exercise/drl/")
    await here.drain()
    assert len(here.alone()) == 12
    assert {series.exercise for block, _ in here.sent for series in block.table} == {"drl"}


async def test_what_is_held_at_a_kill_goes_up_in_full_after_it(here, monkeypatch):
    await settle(here)
    await here.minute(0.0)
    assert (await here.journal.depth()).events[Lane.HELD] >= 12
    await here.journal.close()  # a kill: nothing is written on the way out
    here.at += 5000
    await here.start()
    here.at += 240_000
    await here.drain()
    assert len(here.alone()) == here.numbers() == 12 + HELD_BEFORE


async def test_all_is_the_default_and_holds_nothing(tmp_path, monkeypatch):
    here = await Edge(tmp_path, monkeypatch, by_exception=False).start()
    for _ in range(3):
        await here.minute(0.0)
    await here.drain()
    assert len(here.alone()) == 36
    await here.journal.close()


def test_the_judgement_of_a_batch_is_by_columns():
    """Ten thousand readings of ten thousand series cost no more than arrays do."""
    import time

    from edge.reduce_live import Stirring
    from edge.sources import Sources
    from rules.columns import Columns

    document = EdgeDocument(
        edge="gw", revision=1,
        devices=[DeviceConfig(id=f"d{n}", site="s", profile="shouwang/water-level") for n in range(5000)],
    )  # fmt: skip
    sources = Sources()
    table = Compiler(LIBRARY).compile(document)
    sources.use(table)
    stirring = Stirring(sources)
    stirring.use(table)
    series = np.arange(len(sources.series), dtype=np.int32)
    value = np.zeros(len(series))
    columns = Columns.of(series, np.full(len(series), T0), value, flag=np.ones(len(series)))
    columns = columns._replace(tests=np.zeros(len(series), dtype=np.uint16))
    live, still = np.ones(len(series), dtype=np.bool_), np.zeros(len(series), dtype=np.bool_)
    assert stirring.at_once(series, columns, live, still, T0).all(), "the first of each"
    began = time.process_time()
    for _ in range(20):
        assert not stirring.at_once(series, columns, live, still, T0).any()
    assert (time.process_time() - began) / 20 / len(series) < 1e-6
