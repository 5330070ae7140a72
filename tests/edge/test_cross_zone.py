"""Rules across devices at an edge: the groups are those of the registry."""

import json

import msgspec
import pytest

import edge.judge
from device_profiles.library import Library
from edge.batch import Arrived
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from wire.alert import Alert
from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type
from wire.level import Level

T0 = 2_000_000_000_000
LIBRARY = Library.load()


@pytest.fixture
def say(monkeypatch):
    """Say something for a device, so many seconds after the start; the alerts of it as (device, rule, level)."""
    zones = {"smoke-1": "kitchen", "smoke-2": "kitchen", "smoke-3": "hall"}
    devices = [DeviceConfig(id=name, site="s1", zone=zone, profile="shouwang/smoke") for name, zone in zones.items()]
    judge = Judge("gw-1")
    judge.use(Compiler(LIBRARY).compile(EdgeDocument(edge="gw-1", revision=1, devices=devices)), Transaction())

    def told(device, second, **said):
        at, into = T0 + 1000 * second, Transaction()
        monkeypatch.setattr(edge.judge, "now_ms", lambda: at)
        payload = json.dumps({"ts": at, "seq": second, "boot": "b", **said}).encode()
        judge.judge([Arrived(f"sensors/s1/{device}/telemetry", payload, 1, False, False, at)], into)
        alerts = [msgspec.json.decode(each.data, type=Alert) for each in into.events if each.type is Type.ALARM_CHANGED]
        return [(alert.device, alert.rule, alert.facts.level) for alert in alerts]

    return told


def test_two_alarms_of_one_zone_are_red_and_another_zone_is_another_matter(say):
    assert say("smoke-1", 0, alarm=1) == [("smoke-1", "device_alarm", Level.III)]
    assert say("smoke-3", 10, alarm=1) == [("smoke-3", "device_alarm", Level.III)]
    assert ("smoke-2", "cross_zone", Level.I) in say("smoke-2", 20, alarm=1)
