"""The demonstration's world over the seed's places: devices, the three stories, what people on the scene change."""

from typing import Any

import pytest

from simulators.neighbourhood import LOOSE_PANEL, MissingZoneError, Neighbourhood, import_table, survey

START = 1_800_000_000_000


def sites() -> list[dict[str, Any]]:
    """The tree of GET /sites, from the seed."""
    from cloud.registry import seed

    zones = list(seed.zones())
    return [
        {
            "id": site.id,
            "zones": [{"id": z.id, "name": z.name} for z in zones if z.site_id == site.id and not z.building_id],
            "buildings": [
                {"id": b.id, "zones": [{"id": z.id, "name": z.name} for z in zones if z.building_id == b.id]}
                for b in site.buildings
            ],
        }
        for site in seed.SITES
    ]


@pytest.fixture(scope="module")
def town() -> Neighbourhood:
    return Neighbourhood.build(survey(sites()), start_ms=START)


def test_some_sixty_sensors_in_six_buildings() -> None:
    devices = survey(sites())
    assert 55 <= len(devices) <= 65
    assert len({device.id for device in devices}) == len(devices)
    profiles = {device.profile for device in devices}
    assert profiles == {"shouwang/smoke", "shouwang/water-level", "shouwang/facade"}
    buildings = {zone.rsplit("-", 2)[0] for zone in (d.zone for d in devices) if not zone.startswith("up-")}
    assert len(buildings) == 6
    assert all(d.parameters["baseline_frequency_hz"] > 10 for d in devices if d.profile == "shouwang/facade")


def test_the_table_names_the_timeline() -> None:
    table = import_table(survey(sites()), "gw", "demo").splitlines()
    assert table[0].startswith("id,name,site,zone,profile,edge,timeline")
    assert all(",gw,demo," in line for line in table[1:])


def test_other_places_are_refused_by_name() -> None:
    with pytest.raises(MissingZoneError, match="smoke-wh7-s1-302"):
        survey([])


def incident(hazard: str, **place: Any) -> dict[str, Any]:
    return {"hazard": hazard, "place": place}


def test_three_stories_begin_and_people_end_them(town: Neighbourhood) -> None:
    out = town.world.step(START + 840_000)

    def newest(device: str) -> dict[str, float]:
        return [p for p in out if p.device == device][-1].values

    flat = incident("smoke", section="wh-7-s1", zone_id="wh-7-s1-302")
    water, facade = incident("water_level"), incident("curtain_wall")
    assert newest("smoke-wh7-s1-302")["obscuration"] > 1.0
    assert newest("smoke-wh7-s1-3f")["obscuration"] > 0.15
    assert newest("smoke-wh7-s2-302")["obscuration"] < 0.05
    assert newest("smoke-wh8-s1-302")["obscuration"] < 0.05
    assert newest("water-up-low")["level"] > 0.10
    sound = next(p.values["frequency"] for p in out if p.device == LOOSE_PANEL)
    assert newest(LOOSE_PANEL)["frequency"] < 0.92 * sound
    assert not town.safe(water)
    assert [town.outcome(one) for one in (flat, water, facade)] == ["fire", "hazard_true", "hazard_true"]
    for one in (flat, water, facade):
        town.arrive(one)
    out = town.world.step(START + 2_700_000)
    assert newest("smoke-wh7-s1-302")["obscuration"] < 0.06
    assert newest("water-up-low")["level"] < 0.10
    assert newest(LOOSE_PANEL)["frequency"] > 0.97 * sound
    assert all(town.safe(one) for one in (flat, water, facade))


def test_nothing_else_happens_to_the_others_meanwhile(town: Neighbourhood) -> None:
    assert {truth.place for truth in town.world.truths} == {"wh-7-s1", "facade", "underpass"}


def test_the_faults_are_labelled(town: Neighbourhood) -> None:
    assert town.world.injector is not None
    kinds = {label.kind.value for label in town.world.injector.labels}
    assert {"malformed", "nan", "clock_skew", "unknown_device", "spike", "duplicate"} <= kinds
