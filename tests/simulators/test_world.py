"""Worlds: the same seed gives the same bytes, however a run is cut; truth labels say what happened and when."""

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.faults import FaultKind, Injector, Rates, Scheduled
from simulators.fire import GROWTH_KW_S2, Fire, Room
from simulators.panel import Panel
from simulators.places import Facade, Rooms, Water
from simulators.rain import Storm, Underpass
from simulators.sensor import FACADE, SMOKE, WATER_LEVEL, Publication, Sensor
from simulators.world import Event, Truth, World
from wire.alert import Hazard

START = 1_800_000_000_000
END = START + 1_800_000


def build(seed: int = 1, rates: Rates | None = None) -> World:
    rooms = Rooms({"flat": Room("flat"), "3f": Room("3f")}, {"s1": "flat", "s2": "3f"}, (("flat", "3f", 0.1),))
    water = Water(Underpass([Storm(-2400, 20)]), {"w1": 0.0})
    facade = Facade({"p1": Panel(), "p2": Panel()}, seed)
    sensors = {
        "rooms": [Sensor("s1", "site", SMOKE, seed), Sensor("s2", "site", SMOKE, seed)],
        "water": [Sensor("w1", "site", WATER_LEVEL, seed)],
        "facade": [Sensor(name, "site", FACADE, seed) for name in ("p1", "p2")],
    }
    events = [
        Event(120.5, lambda now: rooms.ignite("flat", Fire(now, GROWTH_KW_S2["fast"])), _truth("rooms", 120.5)),
        Event(300, lambda _: facade.panels["p1"].loosen(0.3), _truth("facade", 300)),
    ]
    injector = Injector(seed, rates) if rates else None
    return World(START, {"rooms": rooms, "water": water, "facade": facade}, sensors, events, injector)


def _truth(place: str, at_s: float) -> Truth:
    return Truth(Hazard.SMOKE, place, START + round(at_s * 1000))


def run(world: World, cuts: list[int]) -> list[tuple[str, bytes]]:
    out: list[Publication] = []
    for until in [*sorted(cuts), END]:
        out += world.step(until)
    return [(p.topic, p.payload()) for p in out]


WHOLE = run(build(), [])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(START, END), max_size=20))
def test_the_outcome_does_not_depend_on_the_cuts(cuts: list[int]) -> None:
    assert run(build(), cuts) == WHOLE


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    usual = Rates().scaled(20)
    assert run(build(4, usual), []) == run(build(4, usual), [START + 777_777])
    assert run(build(4, usual), []) != run(build(5, usual), [])


def test_publications_come_in_order_with_rising_seq() -> None:
    world = build()
    out = world.step(END)
    assert [p.due for p in out] == sorted(p.due for p in out)
    for device in ("s1", "w1", "p1"):
        mine = [p.seq for p in out if p.device == device]
        assert mine == list(range(1, len(mine) + 1))
    assert {p.topic for p in out if p.device == "s1"} == {"sensors/site/s1/telemetry"}


def test_truth_is_labelled_and_visible_in_the_readings() -> None:
    world = build()
    out = world.step(END)
    assert [(t.place, t.onset - START) for t in world.truths] == [("rooms", 120_500), ("facade", 300_000)]
    first = next(p.ts for p in out if p.device == "s1" and p.values["obscuration"] >= 0.15)
    assert 5_000 < first - START - 120_500 < 60_000
    second = next(p.ts for p in out if p.device == "s2" and p.values["obscuration"] >= 0.15)
    assert second > first
    crossed = world.crossings()["water"]
    assert list(crossed) == sorted(crossed)
    wet = next(p.ts for p in out if p.device == "w1" and p.values["level"] >= 0.25)
    assert abs(wet - crossed[0.25]) < 30_000
    frequencies = {p.device: p.values["frequency"] for p in out if p.device in ("p1", "p2")}
    assert frequencies["p1"] < 0.9 * frequencies["p2"]


def test_prepared_rain_has_been_falling() -> None:
    dry, wet = build(), build()
    wet.prepare(2400)
    level = [next(p.values["level"] for p in world.step(START + 60_000) if p.device == "w1") for world in (dry, wet)]
    assert level[0] <= level[1]


def test_exercise_worlds_speak_under_their_drill() -> None:
    world = build()
    world.exercise = "drl-1"
    assert world.step(START + 20_000)[0].topic.startswith("exercise/drl-1/sensors/site/")


def publication(ts: int = START, **values: float) -> Publication:
    return Publication("d", "site", ts, 1, "boot", {"level": 0.5, "battery": 90.0} | values)


def through(fault: Scheduled, count: int = 6) -> tuple[list[Publication], Injector]:
    injector = Injector(1, Rates.none(), (fault,))
    out = [p for k in range(count) for p in injector.apply(publication(START + 10_000 * k, level=0.5 + 0.01 * k))]
    return out, injector


def window(kind: FaultKind, size: float = 0.0) -> Scheduled:
    return Scheduled("d", kind, START + 20_000, START + 40_000, "level", size)


def test_scheduled_faults_change_what_they_say_and_leave_one_label_each() -> None:
    stuck, injector = through(window(FaultKind.STUCK))
    assert [p.values["level"] for p in stuck] == [0.5, 0.51, 0.52, 0.52, 0.52, 0.55]
    (label,) = injector.labels
    assert (label.kind, label.start, label.end) == (FaultKind.STUCK, START + 20_000, START + 40_000)
    spike, _ = through(window(FaultKind.SPIKE, 0.9))
    assert spike[2].values["level"] > 1.4 > spike[1].values["level"]
    drift, _ = through(window(FaultKind.DRIFT, 36.0))
    assert drift[4].values["level"] == 0.54 + 0.2
    assert drift[2].values["level"] == 0.52


def test_message_faults() -> None:
    assert len(through(window(FaultKind.DROPOUT))[0]) == 3
    assert len(through(window(FaultKind.DUPLICATE))[0]) == 9
    late, _ = through(window(FaultKind.LATE, 5000))
    assert [p.due - p.ts for p in late] == [0, 0, 5000, 5000, 5000, 0]
    skewed, _ = through(window(FaultKind.CLOCK_SKEW, 28_800_000))
    assert b'"ts":%d' % (START + 20_000 + 28_800_000) in skewed[2].payload()
    nan, _ = through(window(FaultKind.NAN))
    assert b'"level":NaN' in nan[2].payload()
    ghosts, _ = through(window(FaultKind.UNKNOWN_DEVICE))
    assert sum(p.device.startswith("ghost-") for p in ghosts) == 3
    rebooted, _ = through(window(FaultKind.REBOOT))
    assert rebooted[2].seq == 1
    assert rebooted[2].boot != "boot"


def test_rates_of_nothing_change_nothing() -> None:
    injector = Injector(1, Rates.none())
    before = [publication(START + 10_000 * k) for k in range(500)]
    after = [p for one in before for p in injector.apply(one)]
    assert after == before
    assert injector.labels == []


def test_usual_rates_come_about() -> None:
    injector = Injector(3, Rates())
    out = [p for k in range(20_000) for p in injector.apply(publication(START + 10_000 * k))]
    counts = {kind: sum(label.kind is kind for label in injector.labels) for kind in FaultKind}
    assert 150 <= counts[FaultKind.DUPLICATE] <= 260
    assert 20 <= counts[FaultKind.SPIKE] <= 70
    assert counts[FaultKind.DROPOUT] > 100
    assert len(out) < 20_400
