"""Kind `upstream`: a fit that finds what made the data, and a forecast that stays until the crest has come."""

import numpy as np
import pytest
from plain_frame import PlainFrame

from rules import parts
from rules.kinds import upstream
from simulators.batch import storms
from simulators.batch.river import Channel

START = 1_780_000_000_000


def river(seed=1, days=20):
    """Two gauges, two hours and a quarter apart (kinematic wave and a small reservoir), every five minutes."""
    rng = np.random.default_rng(seed)
    times = np.arange(1, days * 1440 + 1) * 60.0
    rain = storms.plum_rain(times, rng, 280)
    upper = 1 + storms.nash((0.5 * 25e6 / 3.6e6 * rain)[None], np.array([5400.0]), 60.0, 3)[0]
    late = np.concatenate([np.full(120, upper[0]), upper])[: len(upper)]
    lower = 1.3 * storms.nash(late[None], np.array([900.0]), 60.0, 1)[0]
    channel, rows = Channel(), slice(4, None, 5)
    ts = START + (times[rows] * 1000).astype(np.int64)
    up, down = (channel.stage_m(flow)[rows] + 0.004 * rng.standard_normal(len(ts)) for flow in (upper, lower))
    return ts, up, down


def judged(fit, ts, up, down):
    options = upstream.parse("up", {"fit": {key: getattr(fit, key) for key in upstream.FIT_KEYS}}, 300.0)
    chosen = np.zeros(1, dtype=upstream.SETTINGS)
    assert upstream.settings(options, {}, chosen[0]) is None
    at = ts.tolist()
    readings = {"level": list(zip(at, down, strict=True)), "upstream": list(zip(at, up, strict=True))}
    return upstream.signal(PlainFrame(upstream.inputs(options), readings), chosen, np.zeros(1, dtype=upstream.MEMORY))


def test_the_fit_finds_lag_and_line_and_foretells_what_comes():
    ts, up, down = river()
    fit = upstream.fit(ts, up, ts, down)
    assert fit.lag_s == pytest.approx(7200 + 900, abs=900)
    assert fit.r2 > 0.95
    lag = round(fit.lag_s / 300)
    top = int(np.argmax(down))
    part = slice(max(0, top - 3 * lag), top + lag)
    told = judged(fit, ts[part], up[part], down[part])
    foretold = told.value[2 * lag + lag // 2]  # half a travel time before the crest
    assert foretold == pytest.approx(down[top], abs=0.08)


def test_levels_that_have_nothing_to_do_with_each_other_cannot_be_judged():
    ts, up, _ = river()
    _, _, other = river(seed=2)
    fit = upstream.fit(ts, up, ts, other)
    assert fit.r2 < 0.8
    options = upstream.parse("up", {"fit": {key: getattr(fit, key) for key in upstream.FIT_KEYS}}, 300.0)
    assert "R²" in upstream.settings(options, {}, np.zeros(1, dtype=upstream.SETTINGS)[0])
    assert upstream.fit(ts[:3], up[:3], ts[:3], up[:3]).r2 == 0
    assert upstream.fit(ts, np.ones(len(ts)), ts, np.ones(len(ts))).r2 == 0


def test_the_equation_holds_and_the_crest_stays_foretold_until_it_has_come():
    fit = upstream.Fit(0.5, 2.0, 1.0, 3600.0, 1800.0, 0.9)
    ts = START + 300_000 * np.arange(40)
    up = np.where(np.arange(40) < 20, 1.0, 1.4)
    up[22:] = 1.0
    told = judged(fit, ts, up, np.zeros(40))
    assert told.value[19] == pytest.approx(0.5 + 2.0 * 1.0)
    assert told.value[20] == pytest.approx(0.5 + 2.0 * 1.4 + 1.0 * 0.4)
    assert told.value[30] == pytest.approx(told.value[21], abs=0.01)  # the crest is on its way
    assert told.value[38] == pytest.approx(2.5, abs=0.05)  # it has passed


def test_a_silent_gauge_foretells_nothing():
    fit = upstream.Fit(0.0, 1.0, 0.0, 3600.0, 1800.0, 0.9)
    ts = START + 300_000 * np.arange(40)
    up = np.where(np.arange(40) < 10, 1.0, np.nan)
    assert np.isnan(judged(fit, ts, up, np.zeros(40)).value[-1]) or not np.isfinite(up[-1])


def test_a_declaration_names_what_is_missing():
    with pytest.raises(parts.DeclarationError, match=r"u\.fit"):
        upstream.parse("u", {}, 300.0)
    with pytest.raises(parts.DeclarationError, match=r"u\.fit\.r2"):
        upstream.parse("u", {"fit": {"a": 0, "b": 1, "c": 0, "lag_s": 3600}}, 300.0)
