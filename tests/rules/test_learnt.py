"""What a rule has learnt outlasts a change of what it is judged by; what is still being learnt is told."""

import numpy as np
import pytest

from rules.columns import Columns
from rules.declaration import parse
from rules.engine import DeviceRules, Engine
from rules.rule import Rule
from wire.alert import Hazard

T0 = 1_780_000_000_000
HOUR = 3_600_000
POINTS = ("frequency", "surface_temperature", "tilt")


def rules(**more: object) -> dict[str, Rule]:
    text = {"kind": "frequency", "point": "frequency", "hysteresis": 1.0, "learn_days": 2, "learn_least": 10,
            "learn_range_k": 1, "levels": {"III": {"enter": -4.5}}, "clear_hold_s": 0, **more}  # fmt: skip
    return {"shift": parse("shift", text, Hazard.CURTAIN_WALL, 3600.0)}


def configured(engine: Engine, declared: dict[str, Rule], **parameters: float) -> None:
    engine.configure([DeviceRules("p", declared, POINTS, parameters, cadence_s=3600.0)])


def feed(engine: Engine, begin_h: int, hours: int, frequency: float) -> list[str]:
    """Hourly records of a panel that loses 0.02 Hz a kelvin; what was raised."""
    at = T0 + HOUR * np.arange(begin_h, begin_h + hours)
    warm = 20 + 5 * np.sin(2 * np.pi * np.arange(begin_h, begin_h + hours) / 24)
    value = np.column_stack([frequency - 0.02 * (warm - 20), warm]).ravel()
    channels = [engine.channel("p", point) for point in POINTS[:2]]
    found = engine.step(Columns.of(np.tile(channels, hours), np.repeat(at, 2), value))
    return [change.verb.value for change in found]


def test_a_rule_that_has_to_learn_says_until_when_and_then_nothing_more() -> None:
    engine = Engine()
    configured(engine, rules())
    assert engine.learning == {("p", "shift"): None}
    feed(engine, 0, 5, 20.0)
    assert engine.learning == {("p", "shift"): T0 + 48 * HOUR}
    assert not engine.blind
    feed(engine, 5, 60, 20.0)
    assert engine.learning == {}


def test_a_panel_with_a_known_frequency_is_judged_from_the_first_day() -> None:
    engine = Engine()
    configured(engine, rules(), baseline_frequency_hz=20.0)
    assert engine.learning == {}


@pytest.mark.parametrize(
    ("declared", "parameters"),
    [({"trip": 14.0}, {}), ({"levels": {"III": {"enter": -4.0}}}, {}), ({}, {"noise_rms": 0.001, "glass_mm": 8.0})],
    ids=["key", "threshold", "parameter"],
)
def test_a_change_of_what_it_is_judged_by_keeps_the_baseline(declared, parameters) -> None:
    engine = Engine()
    configured(engine, rules())
    feed(engine, 0, 65, 20.0)
    configured(engine, rules(**declared), **parameters)
    assert engine.learning == {}
    assert feed(engine, 65, 8, 18.8) == ["raised"]


def test_a_changed_setting_counts_at_once_and_state_kept_under_it_is_read_again() -> None:
    engine = Engine(settle_s=0)
    configured(engine, rules())
    feed(engine, 0, 65, 20.0)
    configured(engine, rules(prominence_db=9.0))
    kept = engine.dirty()
    again = Engine()
    configured(again, rules(prominence_db=9.0))
    again.restore(kept)
    assert again.learning == {}
    assert feed(again, 65, 8, 18.8) == feed(engine, 65, 8, 18.8) == ["raised"]


@pytest.mark.parametrize("change", [{"baseline_since": (T0 + 70 * HOUR) / 1000}, {"lag_s": 0}], ids=["since", "lag"])
def test_a_person_or_another_model_has_it_learnt_anew(change) -> None:
    engine = Engine()
    configured(engine, rules())
    feed(engine, 0, 65, 20.0)
    parameters = {key: value for key, value in change.items() if key == "baseline_since"}
    configured(engine, rules(**{key: value for key, value in change.items() if key != "baseline_since"}), **parameters)
    assert ("p", "shift") in engine.learning
    assert feed(engine, 65, 8, 18.8) == []
