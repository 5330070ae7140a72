"""Declarations: what they may say, how they lie over each other, and how errors name the key."""

import json

import pytest
import yaml

from rules import defaults
from rules.declaration import DeclarationError, merged, parse, resolve
from wire.alert import Hazard
from wire.level import Level

GOOD = {
    "kind": "level",
    "point": "level",
    "levels": {"IV": {"enter": 1.0, "exit": 0.5}, "III": {"enter": 2.0, "exit": 1.5}},
}


def changed(**more):
    return merged(GOOD, more)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ({}, "r.kind"),
        (changed(kind="lvl"), "r.kind"),
        (changed(points="x"), "r.points"),
        (changed(point=None), "r.point"),
        (changed(direction="up"), "r.direction"),
        (changed(hazard="fog"), "r.hazard"),
        (changed(levels=None), "r.levels"),
        (changed(levels={"V": {"enter": 1}}), "r.levels.V"),
        (changed(levels={"IV": {"entr": 1}}), "r.levels.IV.entr"),
        (changed(levels={"IV": {"enter": None}}), "r.levels.IV.enter"),
        (changed(levels={"IV": {"enter": "high"}}), "r.levels.IV.enter"),
        (changed(levels={"IV": {"enter": float("nan")}}), "r.levels.IV.enter"),
        (changed(levels={"IV": {"enter": True}}), "r.levels.IV.enter"),
        (changed(levels={"IV": {"exit": 1.2}}), "r.levels.IV.exit"),
        (changed(levels={"IV": {"enter": 3.0}}), "r.levels.III.enter"),
        (changed(levels={"IV": {"enter": 1.9, "exit": 1.8}}), "r.levels.III.exit"),
        (changed(levels={"IV": {"hold_s": -1}}), "r.levels.IV.hold_s"),
        (changed(levels={"IV": {"min_samples": 0}}), "r.levels.IV.min_samples"),
        (changed(levels={"IV": {"min_samples": 2.5}}), "r.levels.IV.min_samples"),
        (changed(levels=[1]), "r.levels"),
        (changed(latch="yes"), "r.latch"),
        (changed(clear_hold_s=-5), "r.clear_hold_s"),
        (changed(reference=5), "r.reference"),
        (changed(window_s=5), "r.window_s"),
        (changed(kind="rate", floor={"at": 1}), "r.floor.at"),
        (changed(kind="rate", window_s=0), "r.window_s"),
        ({"kind": "silence", "levels": {"IV": {"enter": 1}}}, "r.levels.IV.enter"),
        ({"kind": "silence", "levels": {"IV": {"after_s": 60}, "III": {"after_s": 30}}}, "r.levels"),
        ("level", "r"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(text, where):
    with pytest.raises(DeclarationError) as caught:
        parse("r", text, Hazard.WATER_LEVEL)
    assert caught.value.where == where


def test_a_rule_has_a_plain_name():
    with pytest.raises(DeclarationError):
        parse("Rule/1", GOOD, Hazard.WATER_LEVEL)


@pytest.mark.parametrize("hazard", [Hazard.SMOKE, Hazard.WATER_LEVEL, Hazard.CURTAIN_WALL])
@pytest.mark.parametrize("cadence_s", [1.0, 10.0, 120.0, 300.0, 3600.0])
def test_the_defaults_of_every_family_are_rules(hazard, cadence_s):
    family = {**defaults.DEFAULTS[hazard], **defaults.DEVICE}
    parsed = [parse(rule_id, text, hazard, cadence_s) for rule_id, text in family.items()]
    points = {rule.point for rule in parsed if rule.point}
    points |= {point for rule in parsed for _, point in rule.sources.values()}
    rules = resolve(hazard, points, cadence_s)
    assert set(rules) == {*defaults.DEFAULTS[hazard], *defaults.DEVICE}
    for rule in rules.values():
        assert rule.levels or rule.after_s


def test_the_defaults_can_be_written_in_yaml_and_json():
    for family in defaults.DEFAULTS.values():
        assert yaml.safe_load(yaml.safe_dump(family)) == family == json.loads(json.dumps(family))


def test_layers_lie_over_each_other_key_by_key():
    profile = {"water_depth": {"levels": {"II": {"enter": 0.27}}}}
    device = {"water_depth": {"clear_hold_s": 60, "levels": {"I": None}}, "water_rise": None}
    rules = resolve(Hazard.WATER_LEVEL, ["level"], 10.0, profile, device)
    assert rules["water_depth"].levels[Level.II].enter == 0.27
    assert rules["water_depth"].levels[Level.II].exit == pytest.approx(0.25)
    assert Level.I not in rules["water_depth"].levels
    assert rules["water_depth"].clear_hold_s == 60
    assert "water_rise" not in rules
    assert defaults.WATER_LEVEL["water_rise"]["levels"]["II"]["enter"] == 0.02, "defaults are not written into"


def test_a_default_without_its_point_is_left_out_but_a_written_rule_must_find_it():
    assert set(resolve(Hazard.SMOKE, ["obscuration"], 10.0)) == {"smoke", "contamination", "cross_zone", "silence"}
    with pytest.raises(DeclarationError, match=r"no point 'depth'.*level"):
        resolve(Hazard.WATER_LEVEL, ["level"], 10.0, {"mine": {**GOOD, "point": "depth"}})


def test_a_slow_device_is_believed_sooner():
    """Two more samples of a stage gauge are ten minutes; verification may take one."""
    text = {**GOOD, "hold_s": 20, "min_samples": 3}
    slow = parse("r", text, Hazard.WATER_LEVEL, 300.0)
    assert {(bound.hold_s, bound.min_samples) for bound in slow.levels.values()} == {(0.0, 1)}
    assert (slow.max_gap_s, parse("r", {**text, "kind": "rate"}, Hazard.WATER_LEVEL, 300.0).window_s) == (900.0, 900.0)
    middling = parse("r", text, Hazard.WATER_LEVEL, 40.0)
    assert {(bound.hold_s, bound.min_samples) for bound in middling.levels.values()} == {(20.0, 2)}
    quick = parse("r", text, Hazard.WATER_LEVEL, 10.0)
    assert {(bound.hold_s, bound.min_samples) for bound in quick.levels.values()} == {(20.0, 3)}
