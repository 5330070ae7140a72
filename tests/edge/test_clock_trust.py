"""A gateway or a device whose clock is wrong: judged by arrival, and it says so."""

import json

import msgspec
import pytest
from plain_smoke import PLAIN_SMOKE

import edge.judge
from device_profiles.library import Library
from edge.batch import Arrived
from edge.clock_trust import ClockTrust
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from wire.alert import Alert, Verb
from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type
from wire.reading import TelemetryBlock
from wire.report import Reason, Rejection

NOW = 1_795_000_000_000
SMOKE = DeviceConfig(id="d", site="s", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE, "silence": None})


@pytest.mark.parametrize(
    ("gateway", "device"),
    [(5_000, NOW), (NOW, 5_000), (NOW, NOW + 3_600_000), (5_000, 7_000_000)],
    ids=[
        "the gateway stands in 1970",
        "the device stands in 1970",
        "the device is an hour ahead",
        "both stand in 1970",
    ],
)
def test_a_fire_is_judged_by_arrival_when_a_clock_is_wrong(monkeypatch, gateway, device):
    at = gateway
    monkeypatch.setattr(edge.judge, "now_ms", lambda: at)
    judge = Judge("gw")
    table = Compiler(Library.load()).compile(EdgeDocument(edge="gw", revision=1, devices=[SMOKE]))
    judge.use(table, Transaction())
    into = Transaction()
    arrivals = []
    for number in range(6):
        at = gateway + number * 10_000
        arrivals.append(at)
        payload = json.dumps({"ts": device + number * 10_000, "seq": number, "obscuration": 0.5}).encode()
        judge.judge([Arrived("sensors/s/d/telemetry", payload, 1, False, False, at)], into)
        judge.tick(into)
    alerts = [msgspec.json.decode(each.data, type=Alert) for each in into.events if each.type is Type.ALARM_CHANGED]
    assert alerts[0].verb is Verb.RAISED, "a wrong clock hides no fire"
    assert arrivals[0] <= alerts[0].episode <= arrivals[-1]
    blocks = [
        msgspec.json.decode(e.data, type=TelemetryBlock) for e in into.events if e.type is Type.TELEMETRY_RECORDED
    ]
    assert [ts for block in blocks for ts in block.ts] == arrivals
    told = [msgspec.json.decode(e.data, type=Rejection) for e in into.events if e.type is Type.READING_REJECTED]
    assert [each.reason for each in told] == [Reason.CLOCK], "said once, not at every reading"
    assert "judged by arrival" in told[0].detail


def test_the_gateway_says_when_its_own_clock_cannot_be_right():
    clock = ClockTrust()
    assert "not set" in clock.fault(5_000)
    assert clock.fault(NOW) == ""
    clock.cloud_said("Thu, 01 Jan 2032 00:00:00 GMT")
    assert not clock.trusted
    assert "from the cloud's" in clock.fault()
    assert clock.offset_s < -1e6
    clock.cloud_said("nonsense")
    assert not clock.trusted, "a word that cannot be read changes nothing"
