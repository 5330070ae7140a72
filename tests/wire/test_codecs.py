"""What goes over the wire comes out as it went in, and what does not fit is refused."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.alert import AlarmFacts, Alert, Hazard, Verb, alarm_id
from wire.configuration import Decision, DeviceConfig, DrillConfig, EdgeChange, EdgeDocument
from wire.event import CloudEvent, Type, Verdict, Verdicts
from wire.level import Level
from wire.quality import Quality
from wire.reading import Reading, Series, TelemetryBlock
from wire.report import DeviceReport, EdgeReport, Reason, Rejection
from wire.time import Segment, Timeline

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

ALERT = Alert(
    alarm_id="smoke-1:smoke",
    episode=1_795_329_171_250,
    revision=2,
    verb=Verb.ESCALATED,
    edge="gw-1",
    site="wanghuyuan",
    device="smoke-1",
    rule="smoke",
    hazard=Hazard.SMOKE,
    facts=AlarmFacts(active=True, level=Level.II, highest=Level.II),
    opened_at=NOON,
    changed_at=NOON,
    recorded_at=NOON,
    evidence={"value": 0.41, "unit": "dB/m", "slope": None},
)

MESSAGES = [
    Reading(device="smoke-1", point="obscuration", ts=1, value=0.1, unit="dB/m", quality=Quality.GOOD),
    TelemetryBlock([Series("smoke-1", "obscuration", "dB/m")], [0, 0], [1, 2], [0.1, 0.2], [1, 3]),
    ALERT,
    msgspec.structs.replace(ALERT, exercise="drl-1", timeline="drl-1", replayed=True),
    Verdicts([Verdict("a", "committed"), Verdict("b", "rejected", "unknown device")]),
    DeviceReport(device="smoke-1", site="s", status="silent", last_seen=None, values={"alarm": 1.0, "state": "test"}),
    Rejection(received_at=NOON, topic="t", reason=Reason.NOT_FINITE, detail="NaN", device="smoke-1", point="co"),
    EdgeReport(edge="gw-1", version="0.1.0", started_at=NOON, reported_at=NOON, revision=7, notes=["no clock"]),
    EdgeDocument(
        edge="gw-1",
        revision=7,
        devices=[
            DeviceConfig(id="smoke-1", site="s", profile="shouwang/smoke", rules={"heat": None, "smoke": {"a": 1}})
        ],
        timelines=[Timeline("demo", (Segment(1, 2, 60.0),))],
        drills=[DrillConfig(id="drl-1", state="paused", timeline=Timeline("drl-1", (Segment(1, 2, 0.0),)))],
        decisions=[
            Decision(
                id="d1",
                verb="shelve",
                alarm_id="smoke-1:smoke",
                episode=1,
                author="per_1",
                issued_at=NOON,
                expires_at=NOON,
                until=NOON,
            )
        ],
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_out_as_it_went_in(message):
    assert msgspec.json.decode(msgspec.json.encode(message), type=type(message)) == message


def test_an_alert_travels_in_an_envelope_without_being_read_twice():
    data = msgspec.Raw(msgspec.json.encode(ALERT))
    event = CloudEvent(id="e1", source="/edges/gw-1", type=Type.ALARM_CHANGED, time="2026-11-22T04:00:00Z", data=data)
    batch = msgspec.json.encode([event])
    written = msgspec.json.decode(batch)[0]
    assert written["specversion"] == "1.0"
    assert written["type"] == "org.shouwang.alarm.changed.v1"
    assert "exercise" not in written, "absent is real"
    [received] = msgspec.json.decode(batch, type=list[CloudEvent])
    assert msgspec.json.decode(received.data, type=Alert) == ALERT


def test_times_on_the_wire_carry_their_offset():
    written = msgspec.json.decode(msgspec.json.encode(ALERT))
    assert written["opened_at"] == "2026-11-22T04:00:00Z"
    assert written["facts"]["level"] == "II"


def test_a_change_of_the_watch_holds_its_value_unread():
    config = DeviceConfig(id="smoke-1", site="s", profile="shouwang/smoke")
    change = EdgeChange(revision=8, kind="device", key="smoke-1", value=msgspec.Raw(msgspec.json.encode(config)))
    received = msgspec.json.decode(msgspec.json.encode(change), type=EdgeChange)
    assert received.value is not None
    assert msgspec.json.decode(received.value, type=DeviceConfig) == config


@pytest.mark.parametrize("value", ["", ', "value": null', ', "value":null '])
def test_a_deletion_has_no_value(value):
    text = f'{{"revision": 9, "kind": "device", "key": "smoke-1"{value}}}'
    assert msgspec.json.decode(text, type=EdgeChange).value is None


def test_a_deletion_is_written_so_that_it_is_read_as_one():
    change = EdgeChange(revision=9, kind="device", key="smoke-1")
    assert msgspec.json.decode(msgspec.json.encode(change), type=EdgeChange) == change


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"table":[],"series":[0],"ts":[1],"value":[1.0],"flag":[1]}', TelemetryBlock),
        ('{"table":[],"series":[],"ts":[1],"value":[],"flag":[]}', TelemetryBlock),
        ('{"id":"a","status":"maybe"}', Verdict),
        ('{"device":"d","point":"p","ts":"noon","value":1,"unit":"m"}', Reading),
        ('{"revision":1,"kind":"secret","key":"x"}', EdgeChange),
    ],
)
def test_what_does_not_fit_is_refused(text, kind):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=kind)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**53), st.floats(allow_nan=False), st.integers(1, 9))))
def test_columns_come_out_as_they_went_in(rows):
    table = [Series("d", f"p{index}", "1") for index in range(3)]
    block = TelemetryBlock(table, *[[row[column] for row in rows] for column in range(4)])
    finite = all(abs(value) < float("inf") for value in block.value)
    if finite:
        assert msgspec.json.decode(msgspec.json.encode(block), type=TelemetryBlock) == block


def test_an_exercise_has_alarms_of_its_own():
    assert alarm_id("smoke-1", "smoke") == "smoke-1:smoke"
    assert alarm_id("smoke-1", "smoke", "drl-1") != alarm_id("smoke-1", "smoke")
