"""Worlds of drills: the script's injects become physics under the exercise's topics, at their seconds."""

from typing import Any

import pytest

from simulators.drill_controller import InjectError, Stageplay, fire_of, timeline_of
from simulators.places import Facade, Water
from wire.topics import parse_topic

START = 1_800_000_000_000
ROOMS = ("wh-7-s1-1f", "wh-7-s1-3f")


def inject(name: str, at_s: float, kind: str = "sensor", **rest: Any) -> dict[str, Any]:
    return {"id": name, "at_s": at_s, "kind": kind, "zone": ROOMS[0], "device": None, "params": {}} | rest


def drill(*injects: dict[str, Any], hazard: str = "smoke", profile: str = "shouwang/smoke") -> dict[str, Any]:
    devices = [
        {
            "id": f"d-{zone}",
            "site": "s",
            "zone": zone,
            "profile": profile,
            "parameters": {"baseline_frequency_hz": 25.0},
        }
        for zone in ROOMS
    ]
    return {
        "id": "drl-1",
        "timeline": {"name": "drl-1", "segments": [{"wall_ms": 5, "scenario_ms": START, "rate": 1}]},
        "injects": list(injects),
        "world": {
            "hazard": hazard,
            "rooms": [{"zone": zone, "name": zone} for zone in ROOMS],
            "draughts": [{"from": ROOMS[0], "to": ROOMS[1], "m3_s": 0.1}],
            "devices": devices,
        },
    }


FIRE = inject("fire", 60, params={"phenomenon": "fire", "growth": "fast", "fuel": "battery", "fuel_kg": 6})


def test_a_fire_is_published_under_the_exercise_and_reaches_the_next_floor() -> None:
    played: list[str] = []
    world = Stageplay(drill(FIRE, inject("call", 90, "phone")), played.append).world()
    out = world.step(START + 400_000)
    assert played == ["fire"]
    topics = {p.topic for p in out}
    assert topics == {f"exercise/drl-1/sensors/s/d-{zone}/telemetry" for zone in ROOMS}
    assert all((parsed := parse_topic(topic)) and parsed.exercise == "drl-1" for topic in topics)
    first = {
        zone: next(p.ts for p in out if p.device == f"d-{zone}" and p.values["obscuration"] > 0.15) for zone in ROOMS
    }
    assert START + 60_000 < first[ROOMS[0]] < first[ROOMS[1]] < START + 180_000


def test_extinguishing_clears_the_air_and_a_dropout_silences() -> None:
    out_fire = inject("out", 300, params={"phenomenon": "extinguish", "air_changes_h": 60})
    silent = inject("silent", 400, "fault", device=f"d-{ROOMS[1]}", params={"fault": "dropout", "duration_s": 100})
    played: list[str] = []
    out = Stageplay(drill(FIRE, out_fire, silent), played.append).world().step(START + 1_500_000)
    assert played == ["fire", "out", "silent"]
    last = [p for p in out if p.device == f"d-{ROOMS[0]}"][-1]
    assert last.values["obscuration"] < 0.06
    assert not [p for p in out if p.device == f"d-{ROOMS[1]}" and START + 400_000 <= p.ts <= START + 500_000]


def test_a_controller_started_again_builds_the_same_world() -> None:
    one, two = (Stageplay(drill(FIRE), lambda _: None).world() for _ in range(2))
    two.step(START + 123_456)
    later = [p.payload() for p in two.step(START + 300_000)]
    assert [p.payload() for p in one.step(START + 300_000)][-len(later) :] == later


def test_water_and_panels_can_be_played_too() -> None:
    storm = inject("storm", 0, params={"phenomenon": "storm", "years": 50})
    trip = inject("trip", 600, params={"phenomenon": "pumps_trip"})
    flood = Stageplay(drill(storm, trip, hazard="water_level", profile="shouwang/water-level"), lambda _: None)
    assert isinstance(flood.place, Water)
    deepest = max(p.values["level"] for p in flood.world().step(START + 5_400_000))
    assert deepest > 0.3
    loosen = inject("loosen", 600, device=f"d-{ROOMS[0]}", params={"phenomenon": "loosen", "share": 0.3})
    panels = Stageplay(drill(loosen, hazard="curtain_wall", profile="shouwang/facade"), lambda _: None)
    assert isinstance(panels.place, Facade)
    out = panels.world().step(START + 3_600_000)
    heard = [p.values["frequency"] for p in out if p.device == f"d-{ROOMS[0]}"]
    assert heard[0] == pytest.approx(25, rel=0.04)
    assert heard[-1] < 0.9 * heard[0]


def test_other_models_stay_silent() -> None:
    assert Stageplay(drill(FIRE, profile="milesight/em500-udl"), lambda _: None).world().next_ms() is None


@pytest.mark.parametrize(
    "broken",
    [
        inject("x", 0, params={"phenomenon": "earthquake"}),
        inject("x", 0, "fault", device="d", params={"fault": "gremlins"}),
    ],
)
def test_what_cannot_be_played_is_named(broken: dict[str, Any]) -> None:
    with pytest.raises(InjectError, match="inject x"):
        Stageplay(drill(broken), lambda _: None).world()


def test_fires_are_what_the_script_says() -> None:
    fire = fire_of({"growth": "ultra", "peak_kw": 300, "fuel": "wood"}, 10)
    assert (fire.alpha, fire.peak_kw, fire.ignition_s) == (0.1876, 300, 10)
    with pytest.raises(InjectError, match="growth"):
        fire_of({"growth": "explosive"}, 0)


def test_the_clock_is_the_drills() -> None:
    assert timeline_of(drill()).scenario(1005) == START + 1000
