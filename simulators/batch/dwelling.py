"""What happens in dwellings over weeks: their rooms and detectors, fires, meals, showers, dust, insects, seasons.

Rates marked [P] are ours: nobody publishes how often an insect sits in a chamber. They are arguments of the plan, so a
bench can say how its figures move with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulators.batch import fires, kitchen
from simulators.batch.recording import Floats, Ints

ZONES = ("kitchen", "hall", "bedroom", "landing")
AREA_M2 = (6.0, 16.0, 12.0, 9.0)
NOISE_DB_M, RESOLUTION_DB_M = 0.004, 0.002


@dataclass(frozen=True, slots=True)
class SmokePlan:
    """Which dwellings, for how long, and how often what happens; rates per dwelling-month unless said."""

    dwellings: int = 200
    days: int = 30
    seed: int = 1
    start_ms: int = 1_780_243_200_000  # 2026-06-01 00:00 in China
    detectors: tuple[str, ...] = ("hall", "bedroom", "landing")
    cadence_s: float = 10.0
    quiet_cadence_s: float | None = None  # thin out what is quiet; the readings around anything that happens all stay
    fires: float = 0.0
    smoulder_share: float = 0.25
    dry_burns: float = 0.0
    meals_per_day: float = 2.4
    meal_spread: float = kitchen.SPREAD  # σ of the logarithm of a meal's peak: how heavy the tail is
    wet_share: float = 0.15  # dwellings whose hall detector hangs beside the bathroom
    showers_per_day: float = 1.2
    smokers: float = 0.2
    cigarettes_per_day: float = 4.0
    incense_share: float = 0.05
    dirty_share: float = 0.05  # devices that get dirty fast: 0.02 … 0.05 dB/m a month
    renovation: float = 0.01  # dust for one to five days, plumes of dust
    insects: float = 0.05  # per device-month: an insect about the chamber, one-sample spikes
    insect_stays: float = 0.04  # share of those that sit inside for 1 … 10 minutes
    event_only: float = 0.0  # share of devices that are stand-alone alarms: alarm, reset and heartbeat only
    near_m: float = 1.5
    far_m: float = 7.0

    @property
    def seconds(self) -> float:
        """Length of the run."""
        return self.days * 86_400.0


@dataclass(frozen=True, slots=True)
class Episode:
    """One thing that happens in a dwelling, as its detectors' chambers feel it: d × T every `kitchen.STEP_S`."""

    kind: str
    dangerous: bool
    at_s: float
    duration_s: float
    chamber: Floats
    rise_k: Floats
    co: Floats
    humidity: Floats
    detail: dict[str, float | str] = field(default_factory=dict)


@dataclass(slots=True)
class Dwelling:
    """One dwelling: how far its hall's detector is from the cooker, and its episodes."""

    number: int
    distance_m: float
    dilution: Floats  # d
    passage_s: Floats  # d
    episodes: list[Episode] = field(default_factory=list)


def dwellings(plan: SmokePlan, numbers: range) -> list[Dwelling]:
    """The dwellings of a block with all that happens in them."""
    rng = np.random.default_rng([plan.seed, 1, numbers.start])
    n = len(numbers)
    distance = np.exp(rng.uniform(np.log(plan.near_m), np.log(plan.far_m), n))
    dilution, passage = _ways(plan, n, rng)
    homes = [
        Dwelling(number, float(far), share, delay)
        for number, far, share, delay in zip(numbers, distance, dilution, passage, strict=True)
    ]
    for kind, owners, at_s in _diary(plan, n, rng):
        _live(plan, kind, homes, owners, at_s, rng)
    _ignite(plan, homes, rng)
    for home in homes:
        home.episodes.sort(key=lambda episode: episode.at_s)
    return homes


def _ways(plan: SmokePlan, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """How kitchen air reaches each detector: share and time constant."""
    share, delay = np.empty((n, len(plan.detectors))), np.empty((n, len(plan.detectors)))
    for column, zone in enumerate(plan.detectors):
        low, high, fast, slow = {
            "kitchen": (1.0, 1.0, 5.0, 15.0),
            "hall": (1.0, 1.0, 20.0, 60.0) if "kitchen" not in plan.detectors else (0.3, 0.7, 20.0, 60.0),
            "bedroom": (0.1, 0.5, 120.0, 400.0),
            "landing": (0.02, 0.15, 300.0, 900.0),
        }[zone]
        share[:, column] = rng.uniform(low, high, n)
        delay[:, column] = rng.uniform(fast, slow, n)
    return share, delay


def _diary(plan: SmokePlan, n: int, rng: np.random.Generator) -> list[tuple[str, Ints, Floats]]:
    """(kind, dwelling index, second since the start) of all episodes but fires."""
    midnight = -kitchen.local_hours(plan.start_ms) * 3600
    months = plan.days / 30
    found: dict[str, tuple[list[int], list[float]]] = {kind: ([], []) for kind in kitchen.KINDS}

    def note(kind: str, home: int, times: Floats) -> None:
        owners, at = found[kind]
        inside = times[(times >= 0) & (times < plan.seconds)]
        owners += [home] * len(inside)
        at += inside.tolist()

    for home in range(n):
        meals = midnight + 3600 * kitchen.meal_times(plan.days + 1, plan.meals_per_day, rng)
        kinds = np.array(kitchen.pick(kitchen.MEALS, kitchen.MEAL_SHARES, len(meals), rng))
        for kind in kitchen.MEALS:
            note(kind, home, meals[kinds == kind])
        burnt = rng.poisson(plan.dry_burns * months)
        if burnt:
            days = rng.integers(0, plan.days, burnt)
            hours = rng.choice([7.5, 12.0, 18.5, 21.0], burnt) + 0.7 * rng.standard_normal(burnt)
            note("dry_burn", home, midnight + 86_400.0 * days + 3600 * hours)
        if rng.random() < plan.wet_share:
            note("steam", home, _at_hours(plan, midnight, plan.showers_per_day, (6.5, 23.0), rng))
        if rng.random() < plan.smokers:
            note("cigarette", home, _at_hours(plan, midnight, plan.cigarettes_per_day, (7.0, 24.0), rng))
        if rng.random() < plan.incense_share:
            note("incense", home, _at_hours(plan, midnight, 0.7, (18.0, 23.0), rng))
    return [
        (kind, np.asarray(owners, dtype=np.int64), np.asarray(at)) for kind, (owners, at) in found.items() if owners
    ]


def _at_hours(
    plan: SmokePlan, midnight: float, per_day: float, hours: tuple[float, float], rng: np.random.Generator
) -> Floats:
    count = rng.poisson(per_day * plan.days)
    return midnight + 86_400.0 * rng.integers(0, plan.days + 1, count) + 3600 * rng.uniform(*hours, count)


def _live(
    plan: SmokePlan, kind: str, homes: list[Dwelling], owners: Ints, at_s: Floats, rng: np.random.Generator
) -> None:
    """Give the dwellings their episodes of one kind."""
    distance = np.array([home.distance_m for home in homes])[owners]
    dilution = np.stack([home.dilution for home in homes])[owners]
    passage = np.stack([home.passage_s for home in homes])[owners]
    for begin in range(0, len(owners), 2000):
        part = slice(begin, begin + 2000)
        traces = kitchen.simulate(kind, dilution[part], passage[part], rng)
        peak = kitchen.draw_peak(kind, distance[part], rng, plan.meal_spread)
        for row, home in enumerate(owners[part]):
            homes[int(home)].episodes.append(
                Episode(
                    kind,
                    kind == "dry_burn",
                    float(at_s[part][row]),
                    float(traces.duration_s[row]),
                    peak[row] * traces.chamber[row],
                    traces.rise_k[row],
                    traces.co[row],
                    traces.humidity[row],
                    {"distance_m": round(float(distance[part][row]), 2)},
                )
            )


def _ignite(plan: SmokePlan, homes: list[Dwelling], rng: np.random.Generator) -> None:
    """Fires in the dwellings, by the two-zone model."""
    count = rng.poisson(plan.fires * plan.days / 30, len(homes))
    owners = np.repeat(np.arange(len(homes)), count)
    if not len(owners):
        return
    zone = rng.choice(3, len(owners), p=(0.4, 0.3, 0.3))
    drawn = fires.Fires.draw(rng, zone, plan.smoulder_share)
    at_s = rng.uniform(3600, plan.seconds - 10_800, len(owners))
    columns = np.array([ZONES.index(name) for name in plan.detectors])
    slow = drawn.smoulder_kg_s2 > 0
    for smouldering, seconds in ((True, 9000), (False, 3300)):
        chosen = np.flatnonzero(slow == smouldering)
        for begin in range(0, len(chosen), 128):
            rows = chosen[begin : begin + 128]
            part = fires.Fires(*(getattr(drawn, name)[rows] for name in fires.Fires.__slots__))
            traces = fires.burn(
                _flats(len(rows), rng), part, columns, rng.uniform(1.0, 3.5, (len(rows), len(columns))), seconds
            )
            every = int(kitchen.STEP_S)
            for row, index in enumerate(rows):
                chamber = traces.chamber[row, :, every - 1 :: every].astype(np.float64)
                homes[int(owners[index])].episodes.append(
                    Episode(
                        "smoulder" if smouldering else "flaming",
                        True,
                        float(at_s[index]),
                        float(min(drawn.out_s[index], seconds)),
                        chamber,
                        traces.rise_k[row, :, every - 1 :: every].astype(np.float64),
                        traces.co[row, :, every - 1 :: every].astype(np.float64),
                        np.zeros_like(chamber),
                        {"zone": ZONES[int(zone[index])], "alpha": float(drawn.alpha[index])},
                    )
                )


def _flats(n: int, rng: np.random.Generator) -> fires.Flats:
    """Rooms of a dwelling and its landing; doors mostly open inside, closed to the stairs."""
    area = np.asarray(AREA_M2)[None, :] * rng.uniform(0.8, 1.3, (n, 4))
    flow = np.zeros((n, 4, 4))
    for a, b, low, high in ((0, 1, 0.08, 0.3), (1, 2, 0.03, 0.15), (2, 1, 0.03, 0.15), (1, 3, 0.004, 0.02)):
        flow[:, a, b] = rng.uniform(low, high, n)
    flow[:, 1, 0] = 0.3 * flow[:, 0, 1]
    return fires.Flats(area, np.full((n, 4), 2.7), rng.uniform(0.5, 3.0, (n, 4)), flow)
