"""What the default quality tests say of recorded fires and floods, and that they delay no alarm."""

import numpy as np
import pytest
from recorded_fires import FIRES, stations, stream

from rules import quality_declaration
from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from rules.quality import Check
from wire.alert import Hazard, Verb

pytestmark = pytest.mark.realdata
SMOKE = ("obscuration", "temperature")


def judged(hazard, points, cadence_s, columns_of, *, tested, overrides=None):
    rules = resolve(hazard, points, cadence_s, overrides or {})
    quality = quality_declaration.resolve(hazard, points, cadence_s) if tested else {}
    engine = Engine()
    engine.configure([DeviceRules("d", rules, points, cadence_s=cadence_s, quality=quality)])
    columns = engine.assess(columns_of([engine.channel("d", point) for point in points]))
    return engine.step(columns), columns


def opened(changes):
    return [(each.rule, each.opened_at) for each in changes if each.verb is Verb.RAISED]


@pytest.mark.parametrize("fire", FIRES)
def test_no_fire_is_told_later_for_being_tested(data_dir, fire):
    suspect = total = 0
    for station in stations(data_dir, fire):
        for meter in station.meters:
            values = np.column_stack([meter.obscuration, meter.temperature]).ravel()

            def columns(channels, meter=meter, values=values):
                return Columns.of(np.tile(channels, len(meter.ts)), np.repeat(meter.ts, 2), values)

            plain, _ = judged(Hazard.SMOKE, SMOKE, 10.0, columns, tested=False)
            tested, _ = judged(Hazard.SMOKE, SMOKE, 10.0, columns, tested=True)
            first, then = dict(reversed(opened(plain))), dict(reversed(opened(tested)))
            assert set(first) <= set(then), f"{station.station} {meter.number}"
            for rule, at in first.items():
                # what is doubted is verified somewhat longer, within the minute that every doubt has
                assert then[rule] <= at + 10_000, f"{station.station} {meter.number} {rule}"
            suspect += sum(each.suspect for each in tested if each.verb is Verb.RAISED)
            total += len(opened(tested))
    # a fast fire is told at its second or third reading, one of which may be the leap that is doubted
    assert suspect <= 0.4 * total


def test_of_a_river_gauge_few_readings_are_doubted_and_its_flood_is_told_at_the_same_instant(data_dir):
    gauge = stream(data_dir, "01650800")
    cadence_s = float(np.median(np.diff(gauge.ts))) / 1000
    levels = {"IV": {"enter": gauge.action_ft * 0.3048}, "III": None, "II": None, "I": None}

    def columns(channels):
        return Columns.of(channels[0], gauge.ts, gauge.level_m)

    both = [
        judged(Hazard.WATER_LEVEL, ("level",), cadence_s, columns, tested=tested,
               overrides={"water_depth": {"levels": levels}})
        for tested in (False, True)
    ]  # fmt: skip
    depth = [[each for each in opened(changes) if each[0] == "water_depth"] for changes, _ in both]
    assert depth[0] == depth[1] != []
    tests = both[1][1].tests
    assert ((tests & ~np.uint16(Check.GAP | Check.ORDER | Check.DUPLICATE)) != 0).mean() < 0.01
