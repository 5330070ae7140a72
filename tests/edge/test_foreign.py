"""What a judge makes of other conventions' messages, without a broker: health, history, duplicates, strangers."""

import json
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_messages import EUI, PAYLOADS, TOPICS

from device_profiles.library import Library
from device_profiles.sources.source import Sources, Use
from edge import subscriptions
from edge.batch import Arrived
from edge.foreign import Foreign, suggestion
from edge.found import Found
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from wire.alert import Alert
from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type
from wire.report import DeviceReport, FoundDevice, Rejection
from wire.time import now_ms

LIBRARY = Library.load()
STRUCTS = {Type.ALARM_CHANGED: Alert, Type.DEVICE_REPORTED: DeviceReport, Type.DEVICE_FOUND: FoundDevice,
           Type.READING_REJECTED: Rejection}  # fmt: skip


class Edge:
    """A judge with sources and devices; `say` is one message, `events` what came of all."""

    def __init__(self, *devices: DeviceConfig, uses=("chirpstack", "zigbee2mqtt", "senml", "shelly")):
        self.foreign = Foreign(
            Sources.load(*(each if isinstance(each, Use) else Use(each) for each in uses)),
            Found("gw-1", suggestion(LIBRARY)),
        )
        self.judge = Judge("gw-1", foreign=self.foreign)
        self.compiler = Compiler(LIBRARY)
        self.events = defaultdict(list)
        self.now = now_ms()
        self.use(*devices)

    def use(self, *devices: DeviceConfig):
        document = EdgeDocument(edge="gw-1", revision=1, devices=list(devices))
        self._take(lambda into: self.judge.use(self.compiler.compile(document), into))

    def say(self, topic, payload, *, dup=False, retain=False):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        message = Arrived(topic, body, 1, dup, retain, self.now)
        self._take(lambda into: self.judge.judge([message], into))

    def _take(self, job):
        into = Transaction()
        job(into)
        for event in into.events:
            if event.type in STRUCTS:
                self.events[event.type].append(msgspec.json.decode(event.data, type=STRUCTS[event.type]))

    def row(self, device="a"):
        return self.judge.sources.row_of(device)

    def reasons(self):
        return [(each.reason.value, each.detail) for each in self.events[Type.READING_REJECTED]]


def a(profile, address, **more) -> DeviceConfig:
    return DeviceConfig(id="a", site="s1", profile=profile, address=address, **more)


def lora(event="up", **body):
    return f"application/1/device/{EUI}/event/{event}", body


SMOKE = a("yobiiq/sd1001", f"chirpstack:{EUI}")


def test_health_is_put_together_from_several_messages():
    edge = Edge(SMOKE)
    edge.say(*lora(fPort=8, data="BQAA", rxInfo=[{"rssi": -70, "snr": 5}]))
    edge.say(*lora("status", margin=7, batteryLevel=55))
    edge.say(*lora("join"))
    row = edge.row()
    assert (row.link.rssi_dbm, row.link.snr_db, row.link.margin_db) == (-70, 5, 7)
    assert row.battery_percent == 55
    report = edge.events[Type.DEVICE_REPORTED][-1]
    assert (report.battery_percent, report.status) == (55, "online")
    assert report.joined_at is not None


def test_battery_falls_back_to_the_point_of_the_profile():
    edge = Edge(SMOKE)
    edge.say(*lora(fPort=8, data="AQBfBQAA"))  # 95 %
    assert edge.events[Type.DEVICE_REPORTED][-1].battery_percent == 95


def test_what_a_broker_kept_is_no_join_and_no_sign_of_life():
    edge = Edge(SMOKE)
    edge.say(*lora("join"), retain=True)
    edge.say(*lora(fPort=8, data="BQAB", rxInfo=[{"rssi": -70}]), retain=True)
    row = edge.row()
    assert (row.joined_ms, row.link, row.last_seen_ms) == (None, None, None)
    assert edge.events[Type.ALARM_CHANGED] == [], "history, never a new hazard"


def test_an_event_that_comes_twice_counts_once_and_a_new_one_with_the_same_bytes_counts():
    edge = Edge(SMOKE)
    at = "2026-11-22T06:32:51.250Z"
    edge.say(*lora(fPort=8, data="BQAA", fCnt=5, time=at))
    edge.say(*lora(fPort=8, data="BQAA", fCnt=5, time=at))
    edge.say(*lora(fPort=8, data="BQAA", fCnt=5, time="2026-11-22T06:33:51.250Z"))  # its counter began anew
    assert [reason for reason, _ in edge.reasons()] == ["duplicate"]


def test_records_of_the_past_may_raise_and_never_retract():
    at_once = {"water_depth": {"hold_s": 0, "min_samples": 1, "clear_hold_s": 0}}
    edge = Edge(a("senml/water-level", "senml:x", rules=at_once))
    at = edge.now / 1000

    def pack(*records):
        return [{"n": "level", "u": "m", "t": at + ago, "v": value} for ago, value in records]

    edge.say("senml/x", pack((-20, 0.0), (-10, 0.30)))
    verbs = [(each.verb, each.facts.level) for each in edge.events[Type.ALARM_CHANGED]]
    assert verbs == [("raised", "II")]
    edge.say("senml/x", pack((-40, 0.0), (-30, 0.0), (-5, 0.31)))
    assert len(edge.events[Type.ALARM_CHANGED]) == 1, "old zeros end nothing"
    assert edge.judge.sources.newest[edge.row().series[0]] == 0.31
    edge.say("senml/x", pack((-60, 0.50), (-4, 0.31)))
    last = edge.events[Type.ALARM_CHANGED][-1]
    assert (last.verb, last.facts.level, last.evidence["lane"]) == ("escalated", "I", "late")


def test_a_record_that_came_before_is_passed_over():
    edge = Edge(a("senml/water-level", "senml:x"))
    at = edge.now / 1000
    old = {"n": "level", "u": "m", "t": at - 60, "v": 0.01}
    edge.say("senml/x", [old, {"n": "level", "u": "m", "t": at - 30, "v": 0.01}])
    edge.say("senml/x", [old, {"n": "level", "u": "m", "t": at, "v": 0.01}])
    assert edge.judge.readings == 3
    assert edge.reasons() == []


def test_a_partial_status_without_news_for_us_is_a_sign_of_life():
    edge = Edge(a("shelly/plus-smoke", "shelly:s1"))
    edge.say("s1/events/rpc", {"src": "s1", "method": "NotifyStatus", "params": {"ts": edge.now / 1000, "cloud": {}}})
    assert edge.reasons() == []
    assert edge.row().status == "online"


def test_a_message_cannot_speak_for_another_device_than_its_topic():
    other = DeviceConfig(id="b", site="s1", profile="shelly/plus-smoke", address="shelly:s2")
    edge = Edge(a("shelly/plus-smoke", "shelly:s1"), other)
    edge.say("s1/events/rpc", {"src": "s2", "method": "NotifyStatus", "params": {"smoke:0": {"alarm": True}}})
    assert [each.device for each in edge.events[Type.ALARM_CHANGED]] == ["a"]


@pytest.mark.parametrize("address", ["zigbee2mqtt:hall/smoke", "zigbee2mqtt:0x00158D0001D64498"])
def test_a_zigbee_device_is_known_by_its_name_and_by_its_address(address):
    edge = Edge(a("lumi/jtyj-gd-01lm-bw", address))
    known = [{"type": "EndDevice", "ieee_address": "0x00158d0001d64498", "friendly_name": "hall/smoke"}]
    edge.say("zigbee2mqtt/bridge/devices", known, retain=True)
    edge.say("zigbee2mqtt/hall/smoke", {"smoke": True})
    edge.say("zigbee2mqtt/bridge/event", {"type": "device_leave", "data": {"ieee_address": "0x00158d0001d64498"}})
    assert len(edge.events[Type.ALARM_CHANGED]) == 1
    assert edge.row().status == "offline"
    assert len(edge.foreign.found) == 0


def test_a_stranger_is_forgotten_when_it_is_registered():
    edge = Edge()
    edge.say(*lora(fPort=8, data="BQAB"))
    edge.say(*lora(fPort=8, data="BQAB"))
    assert len(edge.foreign.found) == 1
    assert [each.messages for each in edge.events[Type.DEVICE_FOUND]] == [1], "once a minute"
    edge.use(SMOKE)
    assert len(edge.foreign.found) == 0
    edge.say(*lora(fPort=8, data="BQAB"))
    assert len(edge.events[Type.ALARM_CHANGED]) == 1


def test_five_hundred_strangers_are_kept_and_no_more():
    edge = Edge()
    for number in range(520):
        edge.say(f"application/1/device/{number:016x}/event/join", {})
    assert len(edge.foreign.found) == 500
    assert len({each.address for each in edge.events[Type.DEVICE_FOUND]}) == 520


def test_two_devices_with_one_address_and_addresses_that_are_none_are_noted():
    edge = Edge(
        SMOKE,
        msgspec.structs.replace(SMOKE, id="b", address=f"chirpstack:{EUI.upper()}"),
        msgspec.structs.replace(SMOKE, id="c", address="nonsense"),
    )
    notes = edge.judge.notes()
    assert any("b is not heard: a has the same address" in note for note in notes)
    assert any("c is not heard" in note and "<source>:<address>" in note for note in notes)


def test_a_device_that_is_switched_off_stays_unheard():
    edge = Edge(msgspec.structs.replace(SMOKE, enabled=False))
    edge.say(*lora(fPort=8, data="BQAB"))
    assert edge.reasons() == [("unknown_device", "device 'a' is switched off")]
    assert edge.events[Type.ALARM_CHANGED] == []


def test_what_was_learnt_is_kept(tmp_path):
    edge = Edge(a("lumi/jtyj-gd-01lm-bw", "zigbee2mqtt:0x00158d0001d64498"))
    known = [{"type": "EndDevice", "ieee_address": "0x00158d0001d64498", "friendly_name": "hall"}]
    edge.say("zigbee2mqtt/bridge/devices", known)
    assert edge.foreign.news
    edge.foreign.save(tmp_path / "announcements.json")
    again = Edge(a("lumi/jtyj-gd-01lm-bw", "zigbee2mqtt:0x00158d0001d64498"))
    again.foreign.restore(tmp_path / "announcements.json")
    again.say("zigbee2mqtt/hall", {"smoke": True})
    assert len(again.events[Type.ALARM_CHANGED]) == 1
    (tmp_path / "announcements.json").write_bytes(b"{")
    again.foreign.restore(tmp_path / "announcements.json")  # a damaged file is no reason to stop


def test_a_filter_that_nobody_wants_any_more_is_given_up(tmp_path):
    """The session is persistent: what an earlier run subscribed to would come for ever."""
    file = tmp_path / "subscriptions.json"
    assert subscriptions.changed(file, ("sensors/#", "z2m/#")) == ()
    assert subscriptions.changed(file, ("sensors/#",)) == ("z2m/#",)
    assert subscriptions.changed(file, ("sensors/#",)) == ("z2m/#",), "giving up twice does no harm"
    assert subscriptions.changed(file, ("sensors/#", "z2m/#")) == ()
    file.write_bytes(b"?")
    assert subscriptions.changed(file, ("sensors/#",)) == ()


def test_the_last_word_of_a_batch_counts():
    """A reading and the last will may come in one batch."""
    device = DeviceConfig(id="a", site="s1", profile="shouwang/smoke")
    edge = Edge(device)
    reading = Arrived("sensors/s1/a/telemetry", b'{"obscuration":0.01}', 1, False, False, edge.now)
    gone = Arrived("sensors/s1/a/status", b"offline", 1, False, False, edge.now)
    edge._take(lambda into: edge.judge.judge([reading, gone], into))
    assert edge.row().status == "offline"
    assert edge.row().last_seen_ms == edge.now
    edge._take(lambda into: edge.judge.judge([gone, reading], into))
    assert edge.row().status == "online"


EVERY = Edge(
    DeviceConfig(id="n", site="s", profile="shouwang/smoke"),
    *(
        DeviceConfig(id=f"d{number}", site="s", profile=profile, address=address)
        for number, (profile, address) in enumerate([
            ("yobiiq/sd1001", f"chirpstack:{EUI}"), ("milesight/em500-udl", "the_things_stack:d"),
            ("lumi/jtyj-gd-01lm-bw", "zigbee2mqtt:a/b"), ("tasmota/ds18b20", "tasmota:t"),
            ("shelly/plus-smoke", "shelly:s"),
            ("esphome/smoke", "esphome:e"), ("senml/water-level", "senml:a/b"), ("esphome/smoke", "home_assistant:n"),
        ])
    ),
    uses=(
        "chirpstack", "the_things_stack", "zigbee2mqtt", "tasmota", "shelly", "esphome", "senml",
        Use("home_assistant", states=("garage/#", "node1/#")),
    ),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*TOPICS, "garage/x"]), PAYLOADS, st.booleans(), st.booleans()), max_size=4))
def test_nothing_that_anybody_publishes_breaks_a_batch(messages):
    batch = [Arrived(topic, body, 1, dup, retain, EVERY.now) for topic, body, dup, retain in messages]
    EVERY._take(lambda into: EVERY.judge.judge(batch, into))
