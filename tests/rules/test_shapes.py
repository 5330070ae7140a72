"""What is kept of a batch's channels: bounded, and forgotten when the rules or the limits behind it change."""

import numpy as np
import pytest

from rules import quality_declaration
from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from rules.shapes import LARGE, MOST, Shapes
from wire.alert import Hazard

T0 = 1_780_000_000_000


def device(enter, user_high=0.9):
    rules = resolve(
        Hazard.WATER_LEVEL, ("level",), 10.0,
        {"high": {"kind": "level", "point": "level", "levels": {"III": {"enter": enter}}}}, {},
    )  # fmt: skip
    declared = {"level": {"user_span": [-1.0, user_high]}}
    quality = quality_declaration.resolve(Hazard.WATER_LEVEL, ("level",), 10.0, declared)
    return DeviceRules("d", rules, ("level",), quality=quality)


def said(engine, number, value):
    columns = engine.assess(Columns.of([engine.channel("d", "level")], [T0 + number * 10_000], [value]))
    return [change.rule for change in engine.step(columns)], int(columns.flag[0])


def test_the_same_channels_are_judged_by_the_rules_and_limits_of_now():
    engine = Engine()
    engine.configure([device(enter=0.05)])
    calm = [said(engine, number, 0.02) for number in range(20)]
    assert {(*rules, flag) for rules, flag in calm} == {(1,)}
    engine.configure([device(enter=0.01, user_high=0.015)])
    after = [said(engine, number, 0.02) for number in range(20, 30)]
    assert any("high" in rules for rules, _ in after)
    assert {flag for _, flag in after} == {3}


@pytest.mark.parametrize("length", [1, LARGE + 1])
def test_what_is_kept_is_bounded(length):
    shapes = Shapes()
    for number in range(MOST + 10 if length == 1 else 3):
        channel = np.full(length, number, dtype=np.int32)
        assert shapes.get(channel) is None
        assert shapes.keep(channel, number) == number
        assert shapes.get(channel) == number
    assert len(shapes._found) <= (MOST if length == 1 else 1)
