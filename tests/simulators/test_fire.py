"""Physics of DOMAIN D1: smoke leads heat, faster fires sound earlier, smoulder is slow and full of CO."""

import itertools

import pytest

from simulators.fire import FUELS, GROWTH_KW_S2, Detector, Fire, Room, ceiling_jet, drift
from simulators.nuisance import KINDS, Nuisance
from simulators.places import Rooms
from simulators.sensor import generator

SMOKE_ALARM_DB_M = 0.15
HEAT_ALARM_C = 54.0


def burn(fire: Fire, seconds: int) -> tuple[Room, Detector, dict[str, int]]:
    room = Room("flat")
    detector = room.detectors["d"] = Detector()
    room.fires.append(fire)
    reached: dict[str, int] = {}
    for second in range(1, seconds):
        room.step(second)
        if detector.chamber >= SMOKE_ALARM_DB_M:
            reached.setdefault("smoke", second)
        if 22 + detector.rise_k >= HEAT_ALARM_C:
            reached.setdefault("heat", second)
    return room, detector, reached


@pytest.mark.parametrize(
    ("growth", "smoke_s", "heat_s"),
    [("slow", 52, 283), ("medium", 34, 158), ("fast", 20, 93), ("ultra", 13, 56)],
)
def test_smoke_leads_heat_by_tens_of_seconds(growth: str, smoke_s: int, heat_s: int) -> None:
    _, _, reached = burn(Fire(0, GROWTH_KW_S2[growth], peak_kw=3000), 600)
    assert reached["smoke"] == pytest.approx(smoke_s, rel=0.35)
    assert reached["heat"] == pytest.approx(heat_s, rel=0.25)
    assert 40 <= reached["heat"] - reached["smoke"] <= 260


def test_faster_growth_sounds_earlier() -> None:
    times = [burn(Fire(0, alpha), 120)[2]["smoke"] for alpha in GROWTH_KW_S2.values()]
    assert times == sorted(times, reverse=True)


def test_smoulder_takes_many_minutes_and_makes_more_co_than_heat() -> None:
    _, detector, reached = burn(Fire(0, smoulder_kg_s2=1e-9), 2400)
    assert 15 * 60 <= reached["smoke"] <= 30 * 60
    assert "heat" not in reached
    assert detector.rise_k < 1
    assert detector.co > 10


def test_fuel_runs_out_and_a_fan_clears_the_smoke() -> None:
    room, detector, _ = burn(Fire(0, peak_kw=60, fuel_kg=0.3), 400)
    assert room.power_kw < 1
    thick = detector.chamber
    room.ventilate(60)
    for second in range(400, 1600):
        room.step(second)
    assert detector.chamber < 0.06 < thick
    assert room.quiet or not room.fires


def test_smoke_drifts_upstairs_later_and_thinner() -> None:
    below, above = Room("1f"), Room("3f")
    for room in (below, above):
        room.detectors["d"] = Detector()
    below.fires.append(Fire(0, GROWTH_KW_S2["fast"], fuel=FUELS["battery"]))
    reached = {}
    for second in range(1, 300):
        below.step(second)
        drift(below, above, 0.3)
        above.step(second)
        for room in (below, above):
            if room.detectors["d"].chamber >= SMOKE_ALARM_DB_M:
                reached.setdefault(room.name, second)
    assert reached["1f"] < reached["3f"] <= reached["1f"] + 60


def test_ceiling_jet_follows_alpert() -> None:
    rise, speed = ceiling_jet(100.0, 3.0, 3.0)
    assert rise == pytest.approx(5.38 * (100 / 3) ** (2 / 3) / 3)
    assert speed == pytest.approx(0.195 * 100 ** (1 / 3) * 3**0.5 / 3 ** (5 / 6))


def test_dry_burn_rises_without_a_break_and_frying_does_not() -> None:
    def series(kind: str) -> list[float]:
        rooms = Rooms({"kitchen": Room("kitchen")}, {"d": "kitchen"})
        episode = Nuisance.draw(kind, 10, generator(3, kind))  # type: ignore[arg-type]
        rooms.disturb("kitchen", episode)
        out = []
        for second in range(1, int(10 + episode.duration_s)):
            rooms.step(second)
            out.append(rooms.sense("d", second)["obscuration"])
        return out

    dry, frying = series("dry_burn"), series("frying")
    falls = [sum(b < a - 1e-6 for a, b in itertools.pairwise(values)) for values in (dry, frying)]
    assert falls[0] == 0
    assert falls[1] > 20
    assert max(dry) > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_nuisances_stay_cool(kind: str) -> None:
    episode = Nuisance.draw(kind, 0, generator(1, kind))  # type: ignore[arg-type]
    hottest = max(episode.gas(second).rise_k for second in range(0, int(episode.duration_s), 5))
    assert hottest <= 2.0
