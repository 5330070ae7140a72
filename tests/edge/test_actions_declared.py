"""Actions: how they are declared, in whose convention they speak, and what is refused."""

import pytest
from actions_site import LEVEL, LIBRARY, changed

from edge.table import Compiler, TableError
from rules.action_declaration import ActionError, actuator
from wire.action import Command, Drive, Interlock
from wire.configuration import EdgeDocument


@pytest.mark.parametrize(
    ("drive", "on", "state", "says_on"),
    [
        (Drive(use="native", address="s1/horn"), ("sensors/s1/horn/command", '{"on": true}'),
         "sensors/s1/horn/telemetry", b'{"on": 1}'),
        (Drive(use="zigbee2mqtt", address="horn", part="alarm", on="true", off="false"),
         ("zigbee2mqtt/horn/set", '{"alarm": true}'), "zigbee2mqtt/horn", b'{"alarm": true, "battery": 90}'),
        (Drive(use="tasmota", address="plug", part="2"), ("cmnd/plug/POWER2", "ON"), "stat/plug/POWER2", b"ON"),
        (Drive(use="shelly", address="shellyplus1-a8"),
         ("shellyplus1-a8/rpc",
          '{"id": 1, "src": "shellyplus1-a8/shouwang", "method": "Switch.Set", "params": {"id": 0, "on": true}}'),
         "shellyplus1-a8/shouwang/rpc", b'{"id":1,"src":"shellyplus1-a8","result":{"id":0,"output":true}}'),
        (Drive(use="chirpstack", address="app/A84041FFFF123456", on="0801ff", off="0800ff", port=85),
         ("application/app/device/a84041ffff123456/command/down",
          '{"devEui": "a84041ffff123456", "confirmed": true, "fPort": 85, "data": "CAH/"}'),
         "application/app/device/a84041ffff123456/event/ack", b'{"acknowledged": true}'),
    ],
)  # fmt: skip
def test_a_drive_speaks_the_convention_of_the_device(drive, on, state, says_on):
    ready = actuator(changed(on=None, off=None, confirm=None, drive=drive))
    assert (ready.on.topic, ready.on.payload.decode()) == on
    assert ready.off.topic == ready.on.topic
    assert ready.off.payload != ready.on.payload
    assert ready.confirm.topic == state
    assert ready.says(says_on, "on") == "on"
    assert ready.says(b"\xff\x00nonsense", "on") is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_on_s": None}, "needs a time limit"),
        ({"on": Command(topic="a/#")}, "not a topic"),
        ({"on": Command(topic="sensors/s1/smoke/telemetry")}, "only sensors/<site>/<device>/command"),
        ({"on": Command(topic="exercise/d/sensors/s1/smoke/command")}, "only sensors"),
        ({"on": None}, "needs a drive"),
        ({"min_on_s": 500.0}, "longer than max_on_s"),
        ({"interlocks": [Interlock(bars="on", device="level", point="level")]}, "either at_least or at_most"),
        ({"interlocks": [Interlock(bars="on", action="siren")]}, "not another one"),
        ({"on": Command(topic="x", payload="zz", encoding="hex")}, "not hex"),
    ],
)
def test_what_cannot_be_run_is_refused_as_a_whole_with_the_reason(wrong, says):
    document = EdgeDocument(edge="gw", revision=2, devices=[LEVEL], actions=[changed(**wrong)])
    with pytest.raises(TableError, match=says):
        Compiler(LIBRARY).compile(document)


def test_a_drive_needs_an_address_of_its_convention():
    with pytest.raises(ActionError, match="<application>/<devEUI>"):
        actuator(changed(on=None, off=None, drive=Drive(use="chirpstack", address="x")))
