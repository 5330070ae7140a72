"""Home Assistant discovery: devices announce which of their topics carry what."""

import json

import pytest

from device_profiles.sources.envelope import Refusal
from device_profiles.sources.home_assistant import template
from device_profiles.sources.source import Envelope, SourceError, Sources, Use

ABOUT = {"identifiers": ["node-1"], "connections": [["mac", "02:00:00:00:00:01"]], "manufacturer": "Acme",
         "model": "Smoke 1", "name": "Hall"}  # fmt: skip


class World:
    def __init__(self, *states):
        self.sources = Sources.load(Use("home_assistant", states=states or ("home/#",)))

    def say(self, topic, payload):
        match = self.sources.match(topic)
        assert match is not None, topic
        found = self.sources.open(match, payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        if isinstance(found, Envelope):
            for each in (found, *found.more):
                self.sources.learn(match, each)
        return found

    def announce(self, component, object_id, body, node="n"):
        return self.say(f"homeassistant/{component}/{node}/{object_id}/config", body)


def values(envelope):
    return {name: value for name, value in json.loads(envelope.payload).items() if "." not in name}


def test_entities_share_a_state_topic_and_belong_to_a_device():
    world = World()
    told = world.announce("binary_sensor", "smoke", {
        "state_topic": "home/hall", "device_class": "smoke", "value_template": "{{ value_json.alarm }}",
        "payload_on": True, "payload_off": False, "device": ABOUT,
    })  # fmt: skip
    assert (told.kind, told.address, told.vendor, told.model, told.name) == (
        "announce", "node-1", "Acme", "Smoke 1", "Hall",
    )  # fmt: skip
    assert told.aliases == ("02:00:00:00:00:01", "n")
    world.announce("sensor", "t_out", {
        "state_topic": "home/hall", "device_class": "temperature", "device": ABOUT,
        "value_template": "{{ value_json['out door'][0] | round(1) }}",
    })  # fmt: skip
    found = world.say("home/hall", {"alarm": True, "out door": ["21.44"]})
    assert values(found) == {"smoke": True, "temperature": 21.44, "t_out": 21.44}
    assert (found.address, found.kind, found.partial) == ("node-1", "up", True)
    assert values(world.say("home/hall", {"alarm": False})) == {"smoke": False}
    assert world.say("home/hall", {"else": 1}).kind == "status", "it spoke, and told nothing of interest"


def test_abbreviations_and_the_base_topic():
    world = World()
    world.announce("binary_sensor", "leak", {
        "~": "home/cellar", "stat_t": "~/leak", "dev_cla": "moisture", "pl_on": "wet", "pl_off": "dry",
        "avty_t": "~/alive", "pl_avail": "yes", "pl_not_avail": "no", "dev": {"ids": "cellar", "mf": "A", "mdl": "B"},
    })  # fmt: skip
    assert values(world.say("home/cellar/leak", b"wet")) == {"moisture": True, "leak": True}
    assert world.say("home/cellar/alive", b"no").status == "offline"
    assert world.say("home/cellar/alive", b"yes").status == "online"


def test_availability_lists_with_templates_but_never_the_bridges_own_state():
    world = World("zigbee2mqtt/#")
    world.announce("binary_sensor", "smoke", {
        "state_topic": "zigbee2mqtt/a", "value_template": "{{ value_json.smoke }}", "payload_on": True,
        "availability": [{"topic": "zigbee2mqtt/bridge/state"},
                         {"t": "zigbee2mqtt/a/availability", "val_tpl": "{{ value_json.state }}"}], "device": ABOUT,
    })  # fmt: skip
    assert world.say("zigbee2mqtt/a/availability", {"state": "offline"}).status == "offline"
    assert world.sources.match("zigbee2mqtt/bridge/state") is None


def test_two_devices_on_one_topic():
    world = World()
    for number in (1, 2):
        world.announce("sensor", f"level{number}", {
            "state_topic": "home/gauges", "value_template": f"{{{{ value_json.l{number} }}}}",
            "device_class": "distance", "device": {"identifiers": [f"gauge-{number}"]},
        })  # fmt: skip
    found = world.say("home/gauges", {"l1": 1.5, "l2": 2.5})
    assert {each.address: values(each)["distance"] for each in (found, *found.more)} == {"gauge-1": 1.5, "gauge-2": 2.5}


def test_one_announcement_for_a_whole_device():
    world = World()
    world.say("homeassistant/device/node-1/config", {
        "dev": ABOUT, "state_topic": "home/x", "cmps": {
            "a": {"p": "binary_sensor", "dev_cla": "smoke", "val_tpl": "{{ value_json.s }}", "unique_id": "a"},
            "b": {"p": "sensor", "dev_cla": "battery", "val_tpl": "{{ value_json.b }}"},
            "c": {"p": "light", "command_topic": "home/x/set"},
        },
    })  # fmt: skip
    found = world.say("home/x", {"s": "ON", "b": 88})
    assert values(found) == {"smoke": True, "a": True, "battery": 88, "b": 88}
    assert found.battery_percent == 88
    assert json.loads(found.payload)["binary_sensor.smoke"] is True, "told apart from a sensor of the same class"


def test_an_empty_announcement_takes_the_entity_away():
    world = World()
    world.announce("sensor", "t", {"state_topic": "home/t", "device": ABOUT})
    assert values(world.say("home/t", b"21.5")) == {"t": 21.5}
    world.announce("sensor", "t", b"")
    assert world.sources.match("home/t") is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"device": ABOUT}, "there is no state_topic"),
        ({"state_topic": "other/t", "device": ABOUT}, "under none of the `states`"),
        ({"state_topic": "home/+", "device": ABOUT}, "there is no state_topic"),
        ({"state_topic": "home/t", "value_template": "{% if 1 %}1{% endif %}"}, "is not simple"),
        ({"state_topic": "home/t", "value_template": "{{ value_json.a * 100 }}"}, "is not simple"),
        ({"state_topic": "home/t", "value_template": "{{ ''.__class__ }}"}, "is not simple"),
        ([], "a JSON object"),
    ],
)
def test_what_cannot_be_taken_is_said(body, says):
    found = World().announce("sensor", "t", body)
    assert isinstance(found, SourceError)
    assert says in found.detail


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("{{ value_json.a }}", ("a",)),
        ("{{value_json.a.b}}", ("a", "b")),
        ("{{ value_json['a b'][0].c }}", ("a b", 0, "c")),
        ('{{ value_json["smoke:0"].alarm | int }}', ("smoke:0", "alarm")),
        ("{{- value_json.x | float(0) | round(2) -}}", ("x",)),
        ("{{ value | lower }}", None),
        ("{{ value_json.a | regex_replace('a', 'b') }}", None),
    ],
)
def test_simple_templates_are_read_and_programs_are_not(text, steps):
    if steps is None:
        with pytest.raises(Refusal):
            template(text)
    else:
        assert template(text).steps == steps
