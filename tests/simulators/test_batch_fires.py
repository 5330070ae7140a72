"""Fires in batch: the same physics as live, DOMAIN D1's sanity figures, and what each kind of fire looks like."""

import numpy as np
import pytest

from simulators.batch.fires import NEVER, Fires, Flats, burn
from simulators.fire import FUELS, GROWTH_KW_S2, Detector, Fire, Room, drift

AMBIENT_C = 22


def flats(zones: int = 1, flow: float = 0.0) -> Flats:
    flows = np.zeros((1, zones, zones))
    if zones > 1:
        flows[0, 0, 1] = flow
    return Flats(np.full((1, zones), 16.0), np.full((1, zones), 2.7), np.full((1, zones), 1.0), flows)


def fire(
    alpha: float = 0.0, peak_kw: float = 3000, smoulder: float = 0.0, fuel: str = "mixed", kg: float = 50
) -> Fires:
    made_of = FUELS[fuel]
    values = (alpha, peak_kw, made_of.soot, made_of.co, made_of.heat_mj_kg, kg, smoulder, NEVER)
    return Fires(np.array([0]), *(np.array([float(value)]) for value in values))


def live(flame: Fire, seconds: int, flow: float = 0.0) -> list[np.ndarray]:
    rooms = [Room("a"), Room("b")] if flow else [Room("a")]
    for room in rooms:
        room.detectors["d"] = Detector()
    rooms[0].fires.append(flame)
    out = []
    for second in range(1, seconds + 1):
        for room in rooms:
            room.step(second)
        if flow:
            drift(rooms[0], rooms[1], flow)
        out.append(
            [[room.detectors["d"].chamber, room.detectors["d"].rise_k, room.detectors["d"].co] for room in rooms]
        )
    return list(np.array(out).transpose(2, 1, 0))  # quantity → zone × time


@pytest.mark.parametrize("growth", GROWTH_KW_S2)
def test_batch_and_live_are_the_same_fire(growth: str) -> None:
    ours = burn(flats(2, 0.2), fire(GROWTH_KW_S2[growth], 500, kg=5), np.array([0, 1]), np.full((1, 2), 2.5), 600)
    theirs = live(Fire(0, GROWTH_KW_S2[growth], peak_kw=500, fuel_kg=5), 600, flow=0.2)
    for mine, other in zip((ours.chamber, ours.rise_k, ours.co), theirs, strict=True):
        # Live rooms step one after the other and then drift, batch all at once: the same to a part in a hundred.
        assert np.abs(mine[0] - other).max() <= 0.01 * other.max()


@pytest.mark.parametrize(
    ("growth", "smoke_s", "heat_s"), [("slow", 52, 283), ("medium", 34, 158), ("fast", 20, 93), ("ultra", 13, 56)]
)
def test_smoke_leads_heat_at_the_published_times(growth: str, smoke_s: int, heat_s: int) -> None:
    traces = burn(flats(), fire(GROWTH_KW_S2[growth]), np.array([0]), np.full((1, 1), 2.5), 600)
    smoke = int(np.argmax(traces.chamber[0, 0] >= 0.15)) + 1
    heat = int(np.argmax(AMBIENT_C + traces.rise_k[0, 0] >= 54)) + 1
    assert smoke == pytest.approx(smoke_s, rel=0.35)
    assert heat == pytest.approx(heat_s, rel=0.25)
    assert 40 <= heat - smoke <= 260
    assert 0.8 <= traces.co[0, 0, smoke - 1] <= 15


@pytest.mark.parametrize(("rate", "minutes"), [(1e-9, 23), (3e-10, 43)])
def test_smoulder_reaches_the_threshold_when_published(rate: float, minutes: float) -> None:
    traces = burn(flats(), fire(smoulder=rate), np.array([0]), np.full((1, 1), 2.5), 4500)
    reached = (int(np.argmax(traces.chamber[0, 0] >= 0.15)) + 1) / 60
    assert reached == pytest.approx(minutes, rel=0.15)
    assert traces.rise_k.max() < 3
    assert traces.co[0, 0, round(reached * 60) - 1] > 3


def test_drawn_fires_all_reach_a_detector_of_their_dwelling() -> None:
    rng = np.random.default_rng(5)
    zone = rng.choice(2, 60)
    drawn = Fires.draw(rng, zone, smoulder_share=0.0)
    flow = np.zeros((60, 2, 2))
    flow[:, 0, 1] = flow[:, 1, 0] = 0.15
    rooms = Flats(np.full((60, 2), 14.0), np.full((60, 2), 2.7), np.full((60, 2), 1.5), flow)
    traces = burn(rooms, drawn, np.array([0, 1]), np.full((60, 2), 2.5), 900)
    assert (traces.chamber.max(axis=(1, 2)) > 0.3).all()
    here = traces.chamber[np.arange(60), zone]
    there = traces.chamber[np.arange(60), 1 - zone]
    assert (np.argmax(here >= 0.15, axis=1) <= np.argmax(there >= 0.15, axis=1)).all()
