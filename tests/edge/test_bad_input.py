"""Whatever comes in: each bad input is visible with its reason, and none stops the flow."""

import json

import msgspec
import pytest
from edge_process import until
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from device_profiles.library import Library
from edge.batch import Arrived, Batcher
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from wire.configuration import DeviceConfig, DrillConfig, EdgeDocument
from wire.event import Type
from wire.reading import TelemetryBlock
from wire.report import Rejection
from wire.time import Segment, Timeline, format_instant, now_ms

LIBRARY = Library.load()
NOW = now_ms()
GOOD = "sensors/s1/smoke-1/telemetry"
IN_2035 = 2_051_222_400_000


def document(**more) -> EdgeDocument:
    return EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[
            DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke"),
            DeviceConfig(id="off-1", site="s1", profile="shouwang/smoke", enabled=False),
        ],
        **more,
    )


def a_judge(**more) -> Judge:
    judge = Judge("gw-1", max_payload_bytes=65_536)
    judge.use(Compiler(LIBRARY).compile(document(**more)), Transaction())
    return judge


def message(payload, topic=GOOD, *, dup=False, retain=False, at=NOW) -> Arrived:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Arrived(topic, body, 1, dup, retain, at)


def judged(judge: Judge, *messages: Arrived):
    """(reasons, points that were recorded)."""
    transaction = Transaction()
    judge.judge(messages, transaction)
    rejections = [
        msgspec.json.decode(e.data, type=Rejection) for e in transaction.events if e.type is Type.READING_REJECTED
    ]
    points = []
    for event in transaction.events:
        if event.type is Type.TELEMETRY_RECORDED:
            block = msgspec.json.decode(event.data, type=TelemetryBlock)
            points += [
                (block.table[series].point, ts, value, flag)
                for series, ts, value, flag in zip(block.series, block.ts, block.value, block.flag, strict=True)
            ]
    return rejections, points


BAD = {
    "not_json": (message(b"\xff\xfe{"), "malformed", 0),
    "cut_off": (message(b'{"obscuration": 0.'), "malformed", 0),
    "an_array": (message(b"[1,2]"), "malformed", 0),
    "empty": (message(b""), "malformed", 0),
    "no_known_key": (message({"other": 1}), "malformed", 0),
    "text_for_a_number": (message({"obscuration": "dense", "temperature": 21}), "not_a_number", 1),
    "not_a_number": (message(b'{"obscuration": NaN, "temperature": 21}'), "not_finite", 1),
    "infinity": (message(b'{"obscuration": 1e999, "temperature": 21}'), "not_finite", 1),
    "from_2035": (message({"ts": IN_2035, "obscuration": 0.01}), "clock", 1),
    "from_1970": (message({"ts": 0, "obscuration": 0.01}), "clock", 1),
    "time_without_offset": (message({"ts": "2026-11-22T06:32:51", "obscuration": 0.01}), "bad_time", 1),
    "unknown_device": (message({"obscuration": 1}, "sensors/s1/nobody/telemetry"), "unknown_device", 0),
    "switched_off_device": (message({"obscuration": 1}, "sensors/s1/off-1/telemetry"), "unknown_device", 0),
    "wrong_site": (message({"obscuration": 1}, "sensors/s2/smoke-1/telemetry"), "wrong_site", 0),
    "unknown_topic": (message({"obscuration": 1}, "sensors/s1/smoke-1/else/where"), "unknown_topic", 0),
    "too_large": (message(b'{"x":"' + b"a" * 70_000 + b'","obscuration":1}'), "too_large", 0),
    "unknown_drill": (message({"obscuration": 0.01}, f"exercise/drl-9/{GOOD}"), "unknown_exercise", 1),
    "status_of_nothing": (message(b"perhaps", "sensors/s1/smoke-1/status"), "malformed", 0),
}


@pytest.mark.parametrize("name", BAD)
def test_each_is_visible_with_its_reason_and_the_rest_goes_on(name):
    bad, reason, recorded = BAD[name]
    judge = a_judge()
    good = message({"ts": NOW - 1000, "seq": 1, "obscuration": 0.02})
    after = message({"ts": NOW, "seq": 2, "obscuration": 0.03})
    rejections, points = judged(judge, good, bad, after)
    assert [rejection.reason for rejection in rejections] == [reason]
    [rejection] = rejections
    assert rejection.topic == bad.topic
    assert rejection.detail
    assert len(points) == 2 + recorded


class _Unkept:
    """A journal that takes everything and keeps the last transaction."""

    async def commit(self, transaction):
        self.last = transaction


async def test_what_was_judged_with_it_is_judged_anew_and_is_no_duplicate(monkeypatch):
    """The message with the error is visible, and only it is lost."""
    judge, journal = a_judge(), _Unkept()
    batcher = Batcher(judge, journal, lambda _: None)
    step = judge.engine.step

    def fragile(columns):
        if (columns.value == 0.666).any():
            raise ZeroDivisionError("a bug")
        return step(columns)

    monkeypatch.setattr(judge.engine, "step", fragile)
    waits = [
        batcher.put(message({"ts": NOW + at, "seq": at, "obscuration": value}))
        for at, value in enumerate([0.02, 0.666, 0.04])
    ]
    await batcher.step()
    assert all(wait.done() for wait in waits)
    recorded = [event.items for event in journal.last.events if event.type is Type.TELEMETRY_RECORDED]
    assert sum(recorded) == 2
    assert [(each.reason, "a bug" in each.detail) for each in judge.rejections.recent] == [("malformed", True)]
    assert len(journal.last.keys) == 3 * 8


def test_a_reading_from_2035_is_judged_by_arrival_and_flagged():
    rejections, points = judged(a_judge(), message({"ts": IN_2035, "obscuration": 0.01}))
    assert points == [("obscuration", NOW, 0.01, 3)]
    assert "from its arrival" in rejections[0].detail


def test_duplicates_are_known_by_boot_and_seq_or_by_instant():
    judge = a_judge()
    first = message({"ts": NOW, "seq": 4, "boot": "a", "obscuration": 0.01})
    assert judged(judge, first)[1]
    rejections, points = judged(judge, first)
    assert ([rejection.reason for rejection in rejections], points) == (["duplicate"], [])
    # Within one batch as well; a rebooted device counts from the beginning again.
    other = message({"ts": NOW, "seq": 4, "boot": "b", "obscuration": 0.01})
    assert len(judged(judge, other, other)[1]) == 1
    by_time = message({"ts": NOW + 5, "obscuration": 0.01})
    assert len(judged(judge, by_time, by_time)[1]) == 1
    # Two messages of one instant with different content are two.
    assert len(judged(judge, message({"ts": NOW + 6, "obscuration": 0.01}), message({"ts": NOW + 6, "co": 2}))[1]) == 2


def test_a_bare_sequence_number_is_believed_only_together_with_dup():
    judge = a_judge()
    bare = {"seq": 1, "obscuration": 0.01}
    assert len(judged(judge, message(bare))[1]) == 1
    assert len(judged(judge, message(bare, at=NOW + 1000))[1]) == 1, "a reboot without a boot id is no repeat"
    assert judged(judge, message(bare, dup=True))[1] == []


def test_a_repeat_that_cannot_be_told_is_judged_but_not_counted():
    judge = a_judge()
    transaction = Transaction()
    for step in range(5):  # three samples are needed; these are one, again and again
        judge.judge([message({"obscuration": 0.6}, dup=True, at=NOW + step)], transaction)
    assert not transaction.alarms


def test_the_same_reason_again_is_counted_and_not_repeated():
    judge = a_judge()
    bad = message(b"{")
    first, _ = judged(judge, *[bad] * 5)
    assert [(rejection.reason, rejection.count) for rejection in first] == [("malformed", 1)]
    judge.rejections.close_old(NOW + 20_000)
    rest, _ = judged(judge)
    assert [(rejection.reason, rejection.count) for rejection in rest] == [("malformed", 4)]


def test_a_flood_of_kinds_is_bounded():
    judge = a_judge()
    for number in range(5_000):
        judge.judge([message({}, f"sensors/s1/nobody-{number}/telemetry")], Transaction())
    assert judge.rejections.total == 5_000
    assert len(judge.rejections._open) <= 2_001


def test_an_ended_drill_says_so_and_is_not_judged():
    clock = Timeline("drl-1", (Segment(NOW, NOW, 1.0),))
    judge = a_judge(drills=[DrillConfig(id="drl-1", state="ended", timeline=clock)])
    rejections, points = judged(judge, message({"obscuration": 2.0}, f"exercise/drl-1/{GOOD}"))
    assert ([rejection.reason for rejection in rejections], points) == (["unknown_exercise"], [])
    assert "ended" in rejections[0].detail


def test_a_message_that_no_code_foresaw_costs_only_itself(monkeypatch):
    import asyncio

    from edge.batch import Batcher

    judge = a_judge()
    real = judge.reader.read

    def read(messages):
        if any(b"poison" in each.payload for each in messages):
            raise ZeroDivisionError("unforeseen")
        return real(messages)

    monkeypatch.setattr(judge.reader, "read", read)
    committed = []

    class Memory:
        async def commit(self, transaction):
            committed.append(transaction)

    async def run():
        batcher = Batcher(judge, Memory(), lambda _: None)
        waits = [batcher.put(message({"ts": NOW + step, "seq": step, "obscuration": 0.01})) for step in range(3)]
        waits.append(batcher.put(message(b"poison")))
        await batcher.step()
        assert all(wait.done() for wait in waits)

    asyncio.run(run())
    [transaction] = committed
    kinds = [event.type for event in transaction.events]
    assert kinds.count(Type.READING_REJECTED) == 1
    assert sum(event.items for event in transaction.events if event.type is Type.TELEMETRY_RECORDED) == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["ts", "seq", "boot", "obscuration", "temperature", "alarm", "battery", "other"])


@hypothesis_settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=60) | st.dictionaries(KEYS, JSON, max_size=6).map(lambda d: json.dumps(d).encode())),
    st.booleans(),
)
def test_any_payload_leaves_the_flow_alive(payloads, dup):
    judge = a_judge()
    judge.judge([message(payload, dup=dup) for payload in payloads], Transaction())
    judge.judge([message(payload, "sensors/s1/smoke-1/status") for payload in payloads], Transaction())
    _, points = judged(judge, message({"ts": NOW + 7, "seq": 987_654, "boot": "z", "obscuration": 0.02}))
    assert [point[0] for point in points] == ["obscuration"]


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_topic_leaves_the_flow_alive(topic):
    judge = a_judge()
    judge.judge([message({"obscuration": 0.1}, topic)], Transaction())


@pytest.mark.broker
def test_all_of_it_through_a_broker(make_edge, cloud):
    cloud.document = document()
    edge = make_edge(cloud, broker="port = 0\nmax_payload_bytes = 65536").start()
    until(lambda: edge.status()["devices"] == 2, "the device table")
    bridge, drill = edge.bridge(), edge.drill()
    expected = set()
    for name, (bad, reason, _) in BAD.items():
        publisher = drill if bad.topic.startswith("exercise/") else bridge
        publisher.publish(bad.topic, bad.payload)
        if name != "empty":
            expected.add(reason)
    at = format_instant(now_ms())
    for _ in range(2):
        bridge.publish(GOOD, {"ts": at, "seq": 99, "boot": "x", "obscuration": 0.02})
    expected.add("duplicate")
    until(lambda: expected <= set(cloud.rejections()), f"every reason: {expected - set(cloud.rejections())}")
    bridge.publish(GOOD, {"ts": now_ms(), "seq": 100, "boot": "x", "obscuration": 0.02})
    before = len(cloud.readings())
    until(lambda: len(cloud.readings()) > before - 1, "the flow")
    metrics = edge.get("/metrics")[1].decode()
    assert 'shouwang_edge_rejected_total{reason="not_finite"}' in metrics
    recent = {row["reason"] for row in edge.status()["last_rejections"]}
    assert "clock" in recent
