"""The quality tests at a running edge: what they doubt is told with the readings, and is no less an alarm."""

import json

import msgspec
import pytest
from edge_process import until

import edge.judge
from device_profiles.library import Library
from edge.batch import Arrived
from edge.journal_file import JournalFile
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from rules.quality import names
from wire.alert import Alert
from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type
from wire.reading import TelemetryBlock
from wire.report import Rejection
from wire.time import Segment, Timeline, now_ms

T0 = 2_000_000_000_000
STEP = 10_000
EIGHT_H = 8 * 3_600_000
LIBRARY = Library.load()
LATER = {"silence": None}


class Bench:
    """A judge with a journal; `at` is the arrival of the next message."""

    def __init__(self, folder, *devices: DeviceConfig, timelines=()) -> None:
        self.folder, self.at = folder, T0
        self.document = EdgeDocument(edge="gw-1", revision=1, devices=list(devices), timelines=list(timelines))
        self.journal = None
        self.restart()

    def restart(self) -> None:
        if self.journal is not None:
            self.journal.close()
        self.journal = JournalFile(
            self.folder / "journal.sqlite", telemetry_bytes=1 << 20, state_events=100, kept_keys=100, keep_alarms=None
        )
        self.judge = Judge("gw-1")
        self.judge.restore(self.journal.open())
        into = Transaction()
        self.judge.use(Compiler(LIBRARY).compile(self.document), into)
        self.journal.commit(into)

    def say(self, device, *, retain=False, exercise="", **said):
        """One message; what became of it: (readings as point to (ts, flag, tests)), alerts, clock rejections."""
        topic = f"{exercise}sensors/s1/{device}/telemetry"
        into = Transaction()
        self.judge.judge([Arrived(topic, json.dumps(said).encode(), 1, False, retain, self.at)], into)
        self.journal.commit(into)
        found, alerts, rejections = {}, [], []
        for event in into.events:
            if event.type is Type.TELEMETRY_RECORDED:
                block = msgspec.json.decode(event.data, type=TelemetryBlock)
                tests = block.tests or [0] * len(block.ts)
                for series, ts, flag, bits in zip(block.series, block.ts, block.flag, tests, strict=True):
                    found[block.table[series].point] = (ts, flag, names(bits))
            elif event.type is Type.ALARM_CHANGED:
                alerts.append(msgspec.json.decode(event.data, type=Alert))
            elif event.type is Type.READING_REJECTED:
                rejections.append(msgspec.json.decode(event.data, type=Rejection))
        return found, alerts, rejections


@pytest.fixture
def bench(tmp_path, monkeypatch):
    made = []

    def make(*devices, **more):
        made.append(Bench(tmp_path, *devices, **more))
        monkeypatch.setattr(edge.judge, "now_ms", lambda: made[-1].at)
        return made[-1]

    yield make
    for one in made:
        one.journal.close()


def gauge(name="gauge-1", **more):
    return DeviceConfig(**{"id": name, "site": "s1", "profile": "shouwang/water-level", "rules": LATER} | more)


def smoke(name="smoke-1", **more):
    return DeviceConfig(**{"id": name, "site": "s1", "profile": "shouwang/smoke", "rules": LATER} | more)


def quiet(bench, device, count, point="level", value=0.0, step=STEP):
    """So many readings that nobody doubts."""
    for number in range(count):
        bench.at += step
        bench.say(device, ts=bench.at, **{point: value + 0.001 * (number % 2)})


def test_a_spike_is_told_with_its_reading_and_with_the_next_one(bench):
    desk = bench(gauge())
    quiet(desk, "gauge-1", 8)
    desk.at += STEP
    found, alerts, _ = desk.say("gauge-1", ts=desk.at, level=0.9)
    assert found["level"] == (desk.at, 2, "spike")
    assert alerts == [], "one echo off a car"
    desk.at += STEP
    found, _, _ = desk.say("gauge-1", ts=desk.at, level=0.0)
    assert found["level"] == (desk.at, 1, "after_spike")


def test_a_hazard_that_rests_on_a_doubted_reading_is_raised_at_once_as_suspect(bench):
    dense = {"kind": "level", "point": "obscuration", "levels": {"II": {"enter": 0.3}}}
    desk = bench(smoke(rules=LATER | {"smoke": None, "dense": dense}))
    quiet(desk, "smoke-1", 8, "obscuration", 0.01)
    desk.at += STEP
    found, alerts, _ = desk.say("smoke-1", ts=desk.at, obscuration=0.6)
    assert found["obscuration"][2] == "spike"
    assert [(alert.facts.level, alert.facts.suspect, alert.evidence["tests"]) for alert in alerts] == [
        ("II", True, "spike")
    ]


def flat(suspect_s):
    part = {"band": 0.001, "suspect_s": suspect_s, "fail_s": 2 * suspect_s, "witnessed": False}
    return {"level": {"flat": part, "attenuated": None}}


def test_a_stuck_line_is_flagged(bench):
    desk = bench(gauge(quality=flat(600)))
    flags = []
    for _ in range(200):
        desk.at += STEP
        found, _, _ = desk.say("gauge-1", ts=desk.at, level=0.31)
        flags.append(found["level"][1:])
    assert flags[10] == (1, "")
    assert (3, "flat") in flags
    assert flags[-1] == (4, "flat")
    desk.at += STEP
    found, _, _ = desk.say("gauge-1", ts=desk.at, level=0.33)
    assert "flat" not in found["level"][2], "it moves"


def test_a_profile_may_say_how_its_points_are_tested_and_a_device_takes_it_away(bench):
    desk = bench(gauge(), gauge("gauge-2", quality={"level": {"spike": None}}))
    for number in range(8):
        desk.at += STEP
        for name in ("gauge-1", "gauge-2"):
            desk.say(name, ts=desk.at, level=0.001 * (number % 2))
    desk.at += STEP
    tests = {name: desk.say(name, ts=desk.at, level=0.9)[0]["level"][2] for name in ("gauge-1", "gauge-2")}
    assert tests["gauge-1"] == "spike"
    assert "spike" not in tests["gauge-2"]


@pytest.mark.parametrize(("ahead_ms", "word"), [(EIGHT_H, "+28800"), (-EIGHT_H, "-28800")])
def test_a_clock_in_the_wrong_time_zone_is_judged_by_arrival_and_told_once(bench, ahead_ms, word):
    desk = bench(gauge())
    told, newest = [], None
    for _ in range(60):
        desk.at += STEP
        newest, _, rejections = desk.say("gauge-1", ts=desk.at + ahead_ms, level=0.02)
        told += rejections
    assert newest["level"] == (desk.at, 3, "clock,zone")
    assert [rejection.reason for rejection in told] == ["clock"]
    assert word in told[0].detail
    assert "time zone" in told[0].detail
    quiet(desk, "gauge-1", 3)
    desk.at += STEP
    _, _, again = desk.say("gauge-1", ts=desk.at + EIGHT_H, level=0.02)
    assert [rejection.reason for rejection in again] == ["clock"], "it was right in between: that is news"


def test_what_the_tests_remember_survives_a_restart(bench):
    desk = bench(gauge(quality=flat(7200)))
    began, stuck = desk.at, {"level": 0.31}
    while desk.at < began + 5_400_000:
        desk.at += 6 * STEP
        found, _, _ = desk.say("gauge-1", ts=desk.at, **stuck)
    assert found["level"][1] == 1
    desk.restart()
    while "flat" not in found["level"][2]:
        desk.at += 6 * STEP
        found, _, _ = desk.say("gauge-1", ts=desk.at, **stuck)
        assert desk.at < began + 5_400_000 + 7_200_000, "it began anew at the restart"


def test_a_retained_delivery_moves_no_memory_and_is_tested_alone(bench):
    desk = bench(gauge())
    quiet(desk, "gauge-1", 8)
    found, alerts, _ = desk.say("gauge-1", retain=True, ts=desk.at - 3_600_000, level=99.0)
    assert (found["level"][1:], alerts) == ((4, "range"), [])
    desk.at += STEP
    found, _, _ = desk.say("gauge-1", ts=desk.at, level=0.001)
    assert found["level"][1:] == (1, "")


def test_on_a_fast_timeline_the_way_of_a_message_is_no_wrong_clock(bench):
    rate = 200.0
    clock = Timeline("run", (Segment(T0 - 60_000, T0, rate),))
    desk = bench(gauge(timeline="run"), timelines=[clock])
    tests = set()
    for _ in range(60):
        desk.at += round(STEP / rate)
        sent_ms = desk.at - 900  # wall: three minutes of this timeline
        tests.add(desk.say("gauge-1", ts=clock.scenario(sent_ms), level=0.02)[0]["level"][2])
    assert not any("clock" in each or "skew" in each for each in tests)


@pytest.mark.broker
def test_at_a_real_edge_flags_and_tests_reach_the_cloud(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[gauge()])
    edge_ = make_edge(cloud).start()
    until(lambda: edge_.status()["devices"] == 1, "the device table")
    publisher = edge_.bridge()
    start = now_ms() - 100_000
    for step in range(9):
        level = 0.9 if step == 8 else 0.001 * (step % 2)
        publisher.publish("sensors/s1/gauge-1/telemetry", {"ts": start + step * STEP, "seq": step, "level": level})

    def told():
        blocks = cloud.of(Type.TELEMETRY_RECORDED)
        return [(block.value[-1], names(block.tests[-1])) for block in blocks if block.tests and block.tests[-1]]

    assert until(told, "the tests of a reading")[-1] == (0.9, "spike")
