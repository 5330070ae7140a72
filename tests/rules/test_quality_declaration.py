"""What people write about quality, and what they are told when it cannot be."""

import pytest

from rules.declaration import DeclarationError
from rules.quality_declaration import Link, parse, resolve
from wire.alert import Hazard


def test_layers_lie_over_the_defaults_key_by_key():
    profile = {"level": {"spike": {"least": 0.2}, "rate": None}}
    device = {"level": {"spike": {"mad": 5}, "user_span": [0, 3]}, "battery": None}
    limits = resolve(Hazard.WATER_LEVEL, ("level", "battery", "oddity"), 60.0, profile, device)
    level = limits["level"]
    assert (level.spike, level.spike_mad, level.user_low, level.user_high) == (0.2, 5.0, 0.0, 3.0)
    assert level.rate != level.rate  # taken away
    assert level.gap_s == 180.0
    assert level.flat_witnessed
    assert set(limits) == {"level", "oddity"}


@pytest.mark.parametrize("hazard", Hazard)
def test_the_defaults_of_every_family_can_be_read(hazard):
    points = (
        "obscuration",
        "temperature",
        "co",
        "humidity",
        "level",
        "distance",
        "rain",
        "frequency",
        "tilt",
        "gap",
        "battery",
    )
    assert set(resolve(hazard, points, 10.0)) == set(points)


def test_links_name_the_other_point():
    text = {
        "neighbours": {"of": [{"device": "w2", "bias": 0.1}], "suspect": 0.03, "fail": 0.05},
        "witness": {"of": [{"device": "r", "point": "rain", "at_least": 10}, {"point": "tide", "moved": 0.05}]},
    }
    links = parse("level", text).links
    assert [(each.device, each.point) for each in links] == [("w2", "level"), ("r", "rain"), (None, "tide")]
    assert links[0] == Link("level", "w2", bias=0.1)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ({"level": {"spikes": {}}}, "quality.level.spikes"),
        ({"level": []}, "quality.level"),
        ({"level": {"spike": {"least": "5 cm"}}}, "quality.level.spike.least"),
        ({"level": {"spike": {"least": 0}}}, "quality.level.spike.least"),
        ({"level": {"spike": {"most": 1}}}, "quality.level.spike.most"),
        ({"level": {"rate": 3}}, "quality.level.rate"),
        ({"level": {"user_span": [3, 1]}}, "quality.level.user_span"),
        ({"level": {"user_span": 3}}, "quality.level.user_span"),
        ({"level": {"gap_s": True}}, "quality.level.gap_s"),
        ({"level": {"flat": {"fail_s": 60}}}, "quality.level.flat.fail_s"),
        ({"level": {"flat": {"witnessed": 1}}}, "quality.level.flat.witnessed"),
        ({"level": {"attenuated": {"over_s": None, "least": None}}}, "quality.level.attenuated.least"),
        ({"level": {"neighbours": {"suspect": 1, "fail": 2}}}, "quality.level.neighbours.of"),
        ({"level": {"neighbours": {"suspect": 2, "fail": 1, "of": []}}}, "quality.level.neighbours.fail"),
        ({"level": {"neighbours": {"suspect": 1, "fail": 2, "of": [{}]}}}, "quality.level.neighbours.of.0"),
        ({"level": {"witness": {"of": [{"device": 3}]}}}, "quality.level.witness.of.0.device"),
        ({"level": {"witness": {"of": [{"device": "r"}]}}}, "quality.level.witness.of.0"),
        ({"level": {"witness": {"of": [{"device": "r", "bias": 1}]}}}, "quality.level.witness.of.0.bias"),
        ({"depth": {"gap_s": 3}}, "quality.depth"),
    ],
)  # fmt: skip
def test_errors_name_the_key(text, where):
    with pytest.raises(DeclarationError) as error:
        resolve(Hazard.WATER_LEVEL, ("level", "battery"), 10.0, text)
    assert error.value.where == where
