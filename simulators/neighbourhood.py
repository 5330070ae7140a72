"""The demonstration's world: six buildings with smoke detectors, an underpass with gauges, a façade with panel sensors.

Built over the places that the registry has (GET /sites), so that devices stand in zones that exist. Three things happen
to it within the first minutes – a fire in a flat, a flooding underpass, a loosening panel – and smaller ones later.
People change it: whoever is on the scene puts the fire out, brings a pump, secures the panel.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.faults import FaultKind, Injector, Rates, Scheduled
from simulators.fire import FUELS, GROWTH_KW_S2, Fire, Room
from simulators.nuisance import Nuisance
from simulators.panel import Panel
from simulators.places import Facade, Place, Rooms, Water
from simulators.rain import Storm, Underpass
from simulators.sensor import FACADE, MODELS, SMOKE, WATER_LEVEL, Sensor, generator
from simulators.wind import Weather
from simulators.world import Event, Truth, World
from wire.alert import Hazard
from wire.time import to_datetime

FIRE_SECTION, FIRE_FLAT = "wh-7-s1", "302"
LOOSE_PANEL = "facade-ljb-18e-07"
GAUGE_OFFSETS_M = {"up-low": 0.0, "up-west": 0.30, "up-east": 0.35}
MINUTES_TO_25_CM = 58.0
"""From the start of a storm of 20 years until the underpass stands 25 cm deep (`tests/simulators/test_rain.py`)."""

DEEP_AT_S = 900.0
"""When it would be so deep with its pumps running; they trip before, and it is earlier."""

CREW_S, MOBILE_PUMP_M3_S = 200.0, 1.2
"""The drainage crew, called from the scene, needs so long and brings a pump truck."""

PANELS = (
    *((18, "e", number) for number in (1, 3, 5, 7, 9)),
    *((17, "e", number) for number in (3, 7)),
    *((18, "s", number) for number in (2, 6)),
    *((12, "e", number) for number in (4, 8)),
    (12, "s", 4),
)


class MissingZoneError(LookupError):
    """The registry has not the zones that the demonstration stands in: was `cloud seed --demo` run?"""


@dataclass(frozen=True, slots=True)
class Installed:
    """One device of the demonstration and what it looks at."""

    id: str
    name: str
    site: str
    zone: str
    profile: str
    place: str  # key of its place in the world
    spot: str = ""  # room of a smoke detector
    parameters: Mapping[str, float] = field(default_factory=dict)


def zones_of(sites: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(site, zone id, zone name) of every zone in the tree of GET /sites."""
    for site in sites:
        for holder in (site, *site.get("buildings", ())):
            for zone in holder.get("zones", ()):
                yield site["id"], zone["id"], zone["name"]


def survey(sites: Iterable[Mapping[str, Any]]) -> list[Installed]:
    """Some sixty devices for the zones of the demonstration.

    Raises:
        MissingZoneError: when the places are not those of the seed.
    """
    zones = {zone: (site, name) for site, zone, name in zones_of(sites)}
    devices: list[Installed] = []
    for zone, (site, name) in zones.items():
        landing = re.fullmatch(r"((?:wh|sn)-\d+-s\d)-([135])f", zone)
        flat = re.fullmatch(r"((?:wh|sn)-\d+-s\d)-(302|501)", zone)
        if landing or (flat and (flat[2] == "302" or flat[1].startswith("wh-7"))):
            found = landing or flat
            assert found is not None
            short = zone.replace("-", "", 1)
            devices.append(Installed(f"smoke-{short}", f"{name} 烟感", site, zone, SMOKE.profile, found[1], zone))
    for zone in GAUGE_OFFSETS_M:
        if zone in zones:
            site, name = zones[zone]
            device = f"water-{zone}"
            devices.append(Installed(device, f"下穿{name} 液位计", site, zone, WATER_LEVEL.profile, "underpass"))
    for floor, side, number in PANELS:
        zone = f"lj-b-{floor}-{side}"
        if zone in zones:
            site, name = zones[zone]
            baseline = round(_panel(floor, number).frequency_hz(_weather(9.0).surface_c(0)), 2)
            devices.append(
                Installed(
                    f"facade-ljb-{floor}{side}-{number:02d}",
                    f"{name} {number:02d}号板块",
                    site,
                    zone,
                    FACADE.profile,
                    "facade",
                    parameters={"baseline_frequency_hz": baseline},
                )
            )
    present = {device.id for device in devices}
    needed = {f"smoke-{FIRE_SECTION.replace('-', '', 1)}-{FIRE_FLAT}", "water-up-low", LOOSE_PANEL}
    if missing := sorted(needed - present):
        raise MissingZoneError(f"no zone for {', '.join(missing)}: seed the demonstration's places first")
    return devices


def import_table(devices: Iterable[Installed], edge: str, timeline: str) -> str:
    """The devices as a CSV for the registry's import."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name", "site", "zone", "profile", "edge", "timeline", "param_baseline_frequency_hz"])
    for device in devices:
        baseline = device.parameters.get("baseline_frequency_hz", "")
        writer.writerow([device.id, device.name, device.site, device.zone, device.profile, edge, timeline, baseline])
    return text.getvalue()


@dataclass(slots=True)
class Neighbourhood:
    """The world of the demonstration and what people can do in it."""

    world: World
    sections: dict[str, Rooms]
    water: Water
    facade: Facade
    outcomes: dict[str, str] = field(default_factory=dict)  # place → right outcome of the newest event there

    @classmethod
    def build(cls, devices: Iterable[Installed], *, start_ms: int, seed: int = 7) -> Neighbourhood:
        """Places, sensors, the script of events.

        Args:
            devices: as surveyed.
            start_ms: scenario time at which the demonstration's timeline begins.
            seed: same seed, same readings.
        """
        devices = list(devices)
        hour = (to_datetime(start_ms).hour + to_datetime(start_ms).minute / 60 + 8) % 24
        sections = {name: _stairwell(name, devices, hour) for name in _sections(devices)}
        gauges = {d.id: GAUGE_OFFSETS_M[d.zone] for d in devices if d.profile == WATER_LEVEL.profile}
        storm = Storm(DEEP_AT_S - 60 * MINUTES_TO_25_CM, 20)
        water = Water(Underpass([storm]), gauges)
        facade = Facade({d.id: _panel_of(d.id) for d in devices if d.profile == FACADE.profile}, seed, _weather(9.0))
        places: dict[str, Place] = {**sections, "underpass": water, "facade": facade}
        sensors: dict[str, list[Sensor]] = {name: [] for name in places}
        for device in devices:
            sensors[device.place].append(Sensor(device.id, device.site, MODELS[device.profile], seed))
        world = World(start_ms, places, sensors, injector=_injector(start_ms, seed))
        town = cls(world, sections, water, facade)
        world.events = sorted(town._script(seed), key=lambda event: event.at_s)
        if storm.start_s < 0:
            world.prepare(-storm.start_s)
        return town

    # ------------------------------------------------------------ what people do

    def arrive(self, incident: Mapping[str, Any]) -> None:
        """Someone is on the scene of an incident: they do what ends the danger."""
        now_s, place = self.world.now_s, incident["place"]
        match incident["hazard"]:
            case Hazard.SMOKE:
                section = self.sections.get(self.section_of(place))
                if section is not None:
                    section.put_out(now_s)
            case Hazard.WATER_LEVEL:
                self.world.schedule(Event(now_s + CREW_S, lambda _: self.water.bowl.restore(MOBILE_PUMP_M3_S)))
            case Hazard.CURTAIN_WALL:
                for panel in self.facade.panels.values():
                    panel.secure()

    def safe(self, incident: Mapping[str, Any]) -> bool:
        """Whether the one on the scene may report it cleared."""
        match incident["hazard"]:
            case Hazard.SMOKE:
                section = self.sections.get(self.section_of(incident["place"]))
                return section is None or all(room.power_kw < 1 for room in section.rooms.values())
            case Hazard.WATER_LEVEL:
                return self.water.bowl.depth_m() < 0.10
        return True

    def outcome(self, incident: Mapping[str, Any]) -> str:
        """The right outcome, from what really happened there."""
        match incident["hazard"]:
            case Hazard.SMOKE:
                return self.outcomes.get(self.section_of(incident["place"]), "nuisance")
            case Hazard.WATER_LEVEL:
                return self.outcomes.get("underpass", "nuisance")
            case Hazard.CURTAIN_WALL:
                return self.outcomes.get("facade", "nuisance")
        return "fault"

    @staticmethod
    def section_of(place: Mapping[str, Any]) -> str:
        """Stairwell of an incident's place, by its section or by the name of its zone."""
        section = place.get("section") or ""
        return section or re.sub(r"-[^-]+$", "", place.get("zone_id") or "")

    # ------------------------------------------------------------ what happens

    def _script(self, seed: int) -> Iterator[Event]:
        """In scenario seconds; at ×20 the first three are over within three minutes of wall time."""
        rng = generator(seed, "script")
        yield self._fire(240, FIRE_SECTION, FIRE_FLAT)
        yield self._event(300, "facade", "hazard_true", Hazard.CURTAIN_WALL, self._loosen)
        yield self._event(480, "underpass", "hazard_true", Hazard.WATER_LEVEL, lambda _: self.water.bowl.trip())
        others = sorted(name for name in self.sections if name != FIRE_SECTION)
        for turn in range(60):
            at = 5400 + 1800 * turn + float(rng.uniform(0, 800))
            section = others[int(rng.integers(len(others)))]
            if turn % 4 == 3:
                yield self._fire(at, section, FIRE_FLAT)
            else:
                yield self._cooking(at, section, dry=turn % 4 == 1, seed=seed + turn)

    def _fire(self, at_s: float, section: str, flat: str) -> Event:
        def act(now_s: float) -> None:
            room = f"{section}-{flat}"
            flame = Fire(now_s, GROWTH_KW_S2["medium"], peak_kw=60, fuel=FUELS["mixed"], fuel_kg=0.6)
            for air in self.sections[section].rooms.values():
                air.ventilate(2.0)
            self.sections[section].ignite(room, flame)

        return self._event(at_s, section, "fire", Hazard.SMOKE, act)

    def _cooking(self, at_s: float, section: str, *, dry: bool, seed: int) -> Event:
        def act(now_s: float) -> None:
            kind = "dry_burn" if dry else "frying"
            episode = Nuisance.draw("dry_burn" if dry else "frying", now_s, generator(seed, kind, section))
            self.sections[section].disturb(f"{section}-{FIRE_FLAT}", episode)

        return self._event(at_s, section, "danger_caught" if dry else "nuisance", Hazard.SMOKE, act)

    def _loosen(self, _: float) -> None:
        panel = self.facade.panels[LOOSE_PANEL]
        panel.loosen(0.25)
        panel.fatigue_per_s = 2e-5

    def _event(self, at_s: float, place: str, outcome: str, hazard: Hazard, act: Callable[[float], None]) -> Event:
        def happen(now_s: float) -> None:
            self.outcomes[place] = outcome
            act(now_s)

        onset = self.world.start_ms + round(at_s * 1000)
        return Event(at_s, happen, Truth(hazard, place, onset, outcome=outcome))


def _sections(devices: Iterable[Installed]) -> list[str]:
    return sorted({device.place for device in devices if device.profile == SMOKE.profile})


def _stairwell(name: str, devices: Iterable[Installed], hour: float) -> Rooms:
    """Landings one above the other, with flats whose doors leak."""
    mine = [device for device in devices if device.place == name and device.profile == SMOKE.profile]
    rooms = {
        device.spot: Room(device.spot, area_m2=9.0, height_m=2.8, air_changes_h=2.0)
        if device.spot.endswith("f")
        else Room(device.spot)
        for device in mine
    }
    draughts = [
        (f"{name}-{lower}", f"{name}-{upper}", flow)
        for lower, upper, flow in (("302", "3f", 0.02), ("501", "5f", 0.02), ("1f", "3f", 0.1), ("3f", "5f", 0.05))
    ]
    existing = tuple(draught for draught in draughts if draught[0] in rooms and draught[1] in rooms)
    weather = Weather(mean_c=23.0, swing_c=1.5, start_hour=hour)
    return Rooms(rooms, {device.id: device.spot for device in mine}, existing, weather=weather)


def _weather(hour: float) -> Weather:
    return Weather(breeze_m_s=5.0, mean_c=22.0, swing_c=4.0, start_hour=hour)


def _panel(floor: int, number: int) -> Panel:
    return Panel(height_m=4.0 * floor, fixity=0.6 + 0.02 * (number % 10))


def _panel_of(device: str) -> Panel:
    found = re.fullmatch(r"facade-ljb-(\d+)[ensw]-(\d+)", device)
    assert found is not None
    return _panel(int(found[1]), int(found[2]))


def _injector(start_ms: int, seed: int) -> Injector:
    """What goes wrong on the side: repeats and stragglers all the time, and one of each visible fault."""

    def moment(device: str, kind: FaultKind, at_s: float, size: float = 0.0, point: str | None = None) -> Scheduled:
        start = start_ms + round(at_s * 1000)
        return Scheduled(device, kind, start, start + 9_999, point, size)  # one message at a cadence of 10 s

    return Injector(
        seed,
        Rates(0, 0, 0, 1, duplicate=0.002, late=0.001, clock_skew=0, malformed=0, unknown_device=0),
        (
            moment("smoke-wh8-s1-3f", FaultKind.MALFORMED, 400),
            moment("smoke-wh8-s2-1f", FaultKind.NAN, 500, point="co"),
            moment("smoke-wh9-s1-1f", FaultKind.CLOCK_SKEW, 600, size=9 * 365 * 86_400_000.0),
            moment("smoke-wh8-s2-3f", FaultKind.UNKNOWN_DEVICE, 560),
            moment("water-up-low", FaultKind.SPIKE, 440, size=0.9),
        ),
    )
