"""Layers of declarations: what fits a device is laid over its model; who is wrong, and who said what, is told."""

import pytest

from rules.declaration import DeclarationError
from rules.easing import eased
from rules.layers import FAMILY, PROFILE, Layer, LayerError, Model, resolve, trace
from wire.alert import Hazard
from wire.level import Level

DENSE = {
    "kind": "level",
    "point": "obscuration",
    "levels": {"IV": {"enter": 0.1}, "III": {"enter": 0.15, "exit": 0.1}, "II": {"enter": 0.3, "exit": 0.15}},
    "clear_hold_s": 300,
    "latch": True,
}
DEEP = {"kind": "level", "point": "level", "levels": {"IV": {"enter": 0.03}, "III": {"enter": 0.15}}}
SMOKE = Model(Hazard.SMOKE, ("obscuration", "temperature", "battery"), 10.0, {"dense": DENSE})
WATER = Model(Hazard.WATER_LEVEL, ("level", "battery"), 10.0, {"deep": DEEP})
SITE = Layer(
    "site 'a'",
    {
        "dense": {"levels": {"III": {"enter": 0.2, "exit": 0.1}}},
        "deep": {"levels": {"IV": None}},
        "damp": {"kind": "level", "point": "level", "levels": {"IV": {"enter": 0.01}}},
        "heat": None,
    },
    {"level": {"spike": {"least": 0.2}}, "obscuration": {"spike": None}},
)


def test_one_layer_lies_over_devices_of_many_models():
    smoke, of_smoke = resolve(SMOKE, [SITE])
    water, of_water = resolve(WATER, [SITE])
    assert smoke["dense"].levels[Level.III].enter == 0.2
    assert "heat" not in smoke
    assert not {"damp", "deep"} & smoke.keys()
    assert Level.IV not in water["deep"].levels
    assert water["damp"].levels[Level.IV].enter == 0.01
    assert "dense" not in water
    assert of_water["level"].spike == 0.2
    assert of_smoke["obscuration"].spike != of_smoke["obscuration"].spike, "not tested"


def test_the_narrower_layer_lies_over_the_wider_and_the_device_over_both():
    zone = Layer("zone 'z'", {"dense": {"levels": {"III": {"enter": 0.25}}}})
    own = Layer("device 'd'", {"dense": {"levels": {"III": {"enter": 0.28}}}})
    assert resolve(SMOKE, [SITE, zone])[0]["dense"].levels[Level.III].enter == 0.25
    assert resolve(SMOKE, [SITE, zone], own)[0]["dense"].levels[Level.III].enter == 0.28


def test_whoever_is_wrong_is_named():
    zone = Layer("zone 'z'", {"dense": {"levels": {"III": {"enter": 0.5}}}})
    with pytest.raises(LayerError, match=r"^zone 'z': dense\.levels\.II\.enter: is reached before") as caught:
        resolve(SMOKE, [SITE, zone], Layer("device 'd'"))
    assert caught.value.layer == "zone 'z'"
    with pytest.raises(LayerError, match=r"^site 'b': quality\.level\.rate\.most"):
        resolve(WATER, [Layer("site 'b'", {}, {"level": {"rate": {"most": 0}}})])
    with pytest.raises(DeclarationError) as caught:
        resolve(SMOKE, [SITE], Layer("device 'd'", {"dens": {"latch": True}}))
    assert not isinstance(caught.value, LayerError), "its own words must fit it"


def test_what_a_narrower_layer_mends_is_right():
    site = Layer("site 'a'", {"dense": {"levels": {"III": {"enter": 0.5}}}})
    zone = Layer("zone 'z'", {"dense": {"levels": {"II": {"enter": 0.6, "exit": 0.4}}}})
    assert resolve(SMOKE, [site, zone])[0]["dense"].levels[Level.III].enter == 0.5


def test_each_value_says_who_said_it():
    own = Layer("device 'd'", {"dense": {"levels": {"II": {"enter": 0.4}}, "latch": None}})
    origins = trace(SMOKE, [SITE], own)
    smoke = origins.rules["dense"]
    assert smoke.declaration["levels"]["III"] == {"enter": 0.2, "exit": 0.1}
    assert {key: smoke.origin[key] for key in ("clear_hold_s", "levels.III.enter", "levels.II.enter")} == {
        "clear_hold_s": PROFILE,
        "levels.III.enter": "site 'a'",
        "levels.II.enter": "device 'd'",
    }
    assert "latch" not in smoke.origin
    assert set(origins.rules["battery"].origin.values()) == {FAMILY}
    assert origins.taken_away["heat"] == "site 'a'"
    assert set(origins.rules) == set(resolve(SMOKE, [SITE], own)[0])


def test_what_calls_later_than_the_model_is_seen():
    standard, _ = resolve(SMOKE, [])
    now, _ = resolve(SMOKE, [SITE], Layer("", {"dense": {"levels": {"II": {"enter": 0.25, "exit": 0.2}, "IV": None}}}))
    found = {(one.rule, one.key) for one in eased(standard, now)}
    assert ("heat", "") in found
    assert ("dense", "levels.III.enter") in found
    assert ("dense", "levels.IV") in found
    assert ("dense", "levels.II.enter") not in found, "that is earlier"
    assert eased(now, now) == []
