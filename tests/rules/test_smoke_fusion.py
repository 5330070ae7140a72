"""Smoke, warmth and gas together: by hand, and in episodes as the kitchen and the room make them."""

import numpy as np
import pytest
from plain_frame import PlainFrame

from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from rules.frame import Input, Window
from rules.kinds import contamination, smoke_fusion
from simulators.batch import kitchen
from wire.alert import Hazard, Verb
from wire.level import Level

POINTS = ("obscuration", "temperature", "co", "humidity")
START = 1_780_300_800_000  # 16:00 in China
A = 0.15
WEAK = [0.0] * 80 + [0.012 * number for number in range(13)]
"""Up to A so slowly that no rise is fast, and too soon for growth without a break."""


def engine_of(parameters=None, points=POINTS):
    table = resolve(Hazard.SMOKE, points, 10.0)
    engine = Engine()
    engine.configure([DeviceRules("d", {"smoke": table["smoke"]}, points, parameters=parameters or {}, cadence_s=10.0)])
    return engine


def judged(smoke, warmth=None, co=None, humidity=None, parameters=None, points=POINTS, quiet=180):
    """Changes, each with seconds since the first reading of `smoke`; `quiet` readings of clean air come before."""
    rng = np.random.default_rng(5)
    count = quiet + len(smoke)
    sides = {"obscuration": (smoke, 0.0), "temperature": (warmth, 22.0), "co": (co, 1.0), "humidity": (humidity, 55.0)}
    values = np.empty((count, len(points)))
    for column, point in enumerate(points):
        given, usual = sides[point]
        values[:quiet, column] = usual
        values[quiet:, column] = usual if given is None else usual + np.asarray(given)
    values[:, 0] += 0.003 * rng.standard_normal(count)
    ts = START + 10_000 * np.arange(count)
    engine = engine_of(parameters, points)
    channels = [engine.channel("d", point) for point in points]
    changes = engine.step(Columns.of(np.tile(channels, count), np.repeat(ts, len(points)), values.ravel()))
    return [(round((each.at - START) / 1000) - 10 * quiet, each) for each in changes]


def reached(changes, level):
    """Seconds until the alarm was so high, None = never."""
    at = [s for s, each in changes if each.level is not None and each.level.rank >= Level(level).rank]
    return min(at, default=None)


def signal_of(smoke, **parameters):
    """The kind alone, over readings of obscuration every ten seconds."""
    text = {"max_verify_delay_s": 60, "max_gap_s": 30}
    options = smoke_fusion.parse("smoke", text, 10.0)
    settings, memory = np.zeros(1, dtype=smoke_fusion.SETTINGS), np.zeros(1, dtype=smoke_fusion.MEMORY)
    assert smoke_fusion.settings(options, parameters, settings[0]) is None
    memory[0] = smoke_fusion.blank()
    readings = [(START + 10_000 * number, float(value)) for number, value in enumerate(smoke)]
    frame = PlainFrame(smoke_fusion.inputs(options), {"obscuration": readings})
    return smoke_fusion.signal(frame, settings, memory)


def test_steady_smoke_at_the_threshold_is_one_and_half_of_the_way_is_half():
    found = signal_of([A] * 5 + [0.1] * 5)
    assert found.evidence["fusion"][:5] == pytest.approx(1.0)
    assert found.evidence["fusion"][5:] == pytest.approx(0.5)
    assert found.value[:5] == pytest.approx(0.99), "not verified yet"


def test_rising_smoke_is_seen_ahead_of_the_chamber():
    found = signal_of([0.0, 0.0, 0.0, 0.06, 0.12])
    # The newest kept reading of 15 s and more: 0.0, 20 s ago; 20 s · 0.12/20 s, not more than the smoke itself.
    assert found.evidence["fusion"][4] == pytest.approx((0.24 - 0.05) / 0.1)


def test_strong_smoke_is_verified_sooner_than_weak_and_thick_smoke_is_danger():
    strong = signal_of([0.0] * 4 + [0.6] * 12).value
    assert np.argmax(strong >= 1.0) == 5
    thick = signal_of([0.0] * 4 + [1.5] * 12).value
    assert np.argmax(thick >= 4.0) == 6  # 45 s / 1.5² = 20 s
    weak = signal_of([*WEAK, *[0.16] * 40]).value
    assert weak.max() < 1.0, "weak smoke that does not grow is no attention within minutes"


def test_where_nothing_may_be_held_back_weak_smoke_is_attention_in_less_than_a_minute_and_urgent_after_another():
    found = signal_of([*WEAK, *[0.16] * 20], vulnerable=1.0)
    on = np.argmax(found.evidence["fusion"] >= 1.0)
    assert 2 <= np.argmax(found.value >= 1.0) - on <= 5
    assert np.argmax(found.value >= 2.0) - on <= 13


def test_a_threshold_of_its_own_moves_everything():
    assert signal_of([0.3] * 5, alarm_threshold_db_m=0.3).evidence["fusion"] == pytest.approx(1.0)
    row = np.zeros(1, dtype=smoke_fusion.SETTINGS)[0]
    options = smoke_fusion.parse("smoke", {}, 10.0)
    assert "alarm_threshold_db_m" in smoke_fusion.settings(options, {"alarm_threshold_db_m": 7.0}, row)


def test_one_reading_of_dust_raises_nothing():
    assert judged([0.9] + [0.0] * 60 + [1.8] + [0.0] * 60) == []


def test_an_insect_that_flickers_in_the_chamber_is_never_urgent():
    flicker = np.tile([1.2, 1.4, 0.0, 1.3, 1.1, 1.5, 0.0], 12)
    assert reached(judged(flicker), "II") is None


def kitchen_episode(kind, peak, seed):
    traces = kitchen.simulate(kind, np.array([[1.0]]), np.array([[30.0]]), np.random.default_rng(seed))
    step = slice(1, None, 2)  # every ten seconds
    return (
        peak * traces.chamber[0, 0, step], traces.rise_k[0, 0, step], traces.co[0, 0, step],
        traces.humidity[0, 0, step],
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["frying", "boiling", "toast", "steam"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_meal_or_a_shower_is_never_urgent(kind, seed):
    assert reached(judged(*kitchen_episode(kind, 0.35, seed)), "II") is None


def test_a_pot_burnt_dry_is_always_called_and_mostly_urgent_before_it_is_over():
    """Some nine of ten become urgent while they burn (docs/rules/smoke_fusion.md)."""
    found = [judged(*kitchen_episode("dry_burn", 0.5, seed)) for seed in range(6)]
    assert all(reached(each, "III") is not None for each in found)
    assert sum(reached(each, "II") is not None for each in found) >= 5
    assert all(reached(each, "I") is None for each in found)


def test_a_pot_burnt_dry_at_an_old_persons_home_is_urgent_a_minute_after_the_call():
    found = judged(*kitchen_episode("dry_burn", 0.4, 1), parameters={"vulnerable": 1.0})
    assert reached(found, "II") <= reached(found, "III") + 120


def test_flaming_fire_is_attention_at_once_urgent_and_danger_within_a_minute():
    t = 10.0 * np.arange(40)
    smoke = np.minimum(3.0, 0.15 * (t / 60) ** 3)
    found = judged(smoke, np.minimum(60, 0.0005 * t**2.2), np.minimum(300, 2 * smoke**2 * 20))
    crossed = int(t[np.argmax(smoke >= A)])
    assert reached(found, "III") <= crossed + 10
    assert reached(found, "II") <= crossed + 60
    assert reached(found, "I") <= crossed + 90


@pytest.mark.parametrize("points", [POINTS, POINTS[:2], POINTS[:1]])
def test_smouldering_is_found_with_every_set_of_sensors(points):
    t = 10.0 * np.arange(540)
    smoke = 0.4 * (t / 5400) ** 1.5
    found = judged(smoke, co=40 * smoke, points=points)
    assert reached(found, "III") <= t[np.argmax(smoke >= A)]
    assert reached(found, "II") is not None


def test_heat_without_smoke_is_told_too():
    warmth = np.minimum(50.0, 2.0 * np.arange(60))
    found = judged(np.zeros(60), warmth)
    assert reached(found, "III") < 170  # on its way up
    assert reached(found, "II") <= 190  # 54 °C at 160 s
    assert reached(found, "I") <= 240


def hours(count, slope_a_per_h, cadence_s=60.0, start=0.0):
    """Obscuration that creeps up, in A an hour."""
    at = np.arange(0, count * 3600, cadence_s)
    return START + np.round(at * 1000).astype(np.int64), start + slope_a_per_h * A * at / 3600


def drifting(slope_a_per_h, count, module=smoke_fusion):
    options = module.parse("rule", {}, 60.0)
    settings, memory = np.zeros(1, dtype=module.SETTINGS), np.zeros(1, dtype=module.MEMORY)
    module.settings(options, {}, settings[0])
    memory[0] = module.blank()
    ts, values = hours(count, slope_a_per_h)
    return ts, values, module.signal(_quick_frame(ts, values), settings, memory)


class _QuickFrame(PlainFrame):
    """Only for slow drift: nothing is looked up in windows."""

    def window(self, name, rows=None):
        count = len(self.ts) if rows is None else len(rows)
        where = np.arange(len(self.ts)) if rows is None else rows
        empty = np.full((count, 1), -(2**62)), np.full((count, 1), np.nan)
        return Window(self.ts[where][:, None], self.value[where][:, None]) if name == "obscuration" else Window(*empty)

    def latest(self, name):
        return np.full(len(self.ts), np.nan), np.full(len(self.ts), -(2**62))


def _quick_frame(ts, values):
    readings = list(zip(ts.tolist(), values.tolist(), strict=True))
    return _QuickFrame([Input("obscuration", 640_000)], {"obscuration": readings})


def test_a_slow_fire_is_not_absorbed_as_en_54_7_asks():
    for slope in (0.26, 0.5, 1.0):  # A an hour; faster than A/4
        ts, _, found = drifting(slope, 10)
        alarm_s = (ts[np.argmax(found.evidence["smoke"] >= A)] - START) / 1000
        assert found.evidence["smoke"].max() >= A
        assert alarm_s <= 1.6 * 3600 / slope + 100


def test_dirt_is_taken_off_up_to_six_tenths_and_then_no_more():
    slope = 1 / 720  # A in a month
    ts, values, found = drifting(slope, 24 * 28)
    clean = found.evidence["clean_air"]
    late = ts > START + 4 * 86_400_000
    early = late & (values < 0.5 * A)
    assert np.abs(values - clean)[early].max() < 0.15 * A
    assert clean.max() == pytest.approx(0.6 * A)
    assert np.diff(clean).max() <= A / 40 / 60 + 1e-7  # an hour, of a minute's reading
    _, _, index = drifting(slope, 24 * 28, contamination)
    assert index.value.max() == 0.6
    assert (np.diff(index.value) >= 0).all()


def test_two_bands_do_not_mix_evidence_and_signal():
    found = signal_of([0.0] * 4 + [0.05, 0.1, 0.3, 0.7, 1.4, 2.5])
    assert (found.evidence["spreading"][6:] == found.evidence["fusion"][6:]).all()
    assert (found.value[6:] >= 1.0).all()


def test_an_alarm_clears_a_quarter_of_an_hour_after_the_smoke_is_gone_and_somebody_has_been_there():
    found = judged([0.9] * 30 + [0.0] * 200)
    assert [each.verb for _, each in found][:1] == [Verb.RAISED]


def test_smoke_that_stays_becomes_a_fire_even_where_nothing_but_obscuration_is_measured():
    dense, thin = judged([0.6] * 150, points=("obscuration",)), judged([0.2] * 260, points=("obscuration",))
    assert reached(dense, "III") <= 60
    assert 2 * 600 <= reached(dense, "II") <= 2 * 600 + 60
    assert 2 * 1200 <= reached(thin, "II") <= 2 * 1200 + 60
    damp_known = judged([0.2] * 140, humidity=np.zeros(140))
    assert 1200 <= reached(damp_known, "II") <= 1200 + 60
