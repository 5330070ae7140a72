"""`shouwang backtest` as people call it."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from recorded_fires import FIRES, stations
from typer.testing import CliRunner

from rules.declaration import resolve
from rules.defaults import DEFAULTS
from shouwang.backtest_judge import thresholds
from shouwang.main import app
from shouwang.units import unit_of
from wire.alert import Hazard
from wire.level import Level


def run(*arguments):
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def alarms(result, rule=None):
    assert result.exit_code == 0, result.stderr
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [each for each in found if rule in (None, each["rule"])]


@pytest.fixture
def stage(tmp_path):
    """Feet, every five minutes, over 5 ft for half an hour and over 6 ft for ten minutes."""
    path = tmp_path / "level.csv"
    depth = np.concatenate((np.full(30, 2.0), [5.2, 5.5, 6.1, 6.4, 5.9, 5.1], np.full(30, 2.0)))
    rows = [f"2026-05-01T{8 + i // 12:02d}:{i % 12 * 5:02d}:00Z,{each:.2f}" for i, each in enumerate(depth)]
    path.write_text("ts,stage_ft\n" + "\n".join(rows) + "\n")
    return path


WATER = ("--time", "ts", "--value", "stage_ft", "--kind", "water_level", "--unit", "ft")


def test_thresholds_are_taken_and_told_in_the_unit_of_the_file(stage):
    result = run(stage, *WATER, "--threshold", "IV=5", "--threshold", "III=6", "--json")
    (crossing,) = alarms(result, "water_depth")
    assert crossing["level"] == "III"
    assert crossing["raised_at"] == "2026-05-01T10:30:00.000Z"
    assert crossing["cleared_at"] == "2026-05-01T11:20:00.000Z"  # the first low reading might be a spike
    assert (crossing["peak"], crossing["unit"]) == (6.4, "ft")
    assert crossing["evidence"]["value"] == pytest.approx(5.2)
    assert crossing["evidence"]["threshold"] == pytest.approx(5.0)
    assert [step["verb"] for step in crossing["steps"]] == ["raised", "escalated", "deescalated", "cleared"]


def test_the_quality_tests_of_the_edge_are_run_and_told_unless_asked_not_to(stage):
    tested = run(stage, *WATER, "--threshold", "IV=5", "--json")
    assert "quality of level: spike 2" in tested.stderr
    assert alarms(tested, "water_depth")[0]["suspect"]
    plain = run(stage, *WATER, "--threshold", "IV=5", "--json", "--no-quality")
    assert "spike" not in plain.stderr
    (crossing,) = alarms(plain, "water_depth")
    assert (crossing["cleared_at"], crossing["suspect"]) == ("2026-05-01T11:15:00.000Z", False)


def test_thresholds_of_a_family_that_judges_an_index_make_a_plain_rule(monkeypatch):
    own = {"kind": "smoke_fusion", "gate_s": 60, "latch": True, "levels": {"III": {"enter": 1.0}}}
    monkeypatch.setitem(DEFAULTS, Hazard.SMOKE, {"smoke": own})
    layer = thresholds(Hazard.SMOKE, ["III=0.02"], unit_of("obscuration", "1/m"))
    rule = resolve(Hazard.SMOKE, ["obscuration"], 4.0, layer)["smoke"]
    assert (rule.kind, rule.point, rule.latch, list(rule.levels)) == ("level", "obscuration", True, [Level.III])
    assert rule.levels[Level.III].enter == pytest.approx(0.2)
    assert rule.levels[Level.III].hold_s == 12


def test_a_file_may_bring_rules_and_tests_of_quality(stage, tmp_path):
    layer = tmp_path / "layer.yaml"
    layer.write_text("rules: {water_rise: null}\nquality: {level: {user_span: [0, 1.6]}}\n")
    result = run(stage, *WATER, "--threshold", "IV=5", "--rules", layer, "--json")
    assert {each["rule"] for each in alarms(result)} == {"water_depth"}
    assert "user_range" in result.stderr
    layer.write_text("water_rise: null\n")
    assert {each["rule"] for each in alarms(run(stage, *WATER, "--rules", layer, "--json"))} == {"water_depth"}
    for text in ("- 1", "rules: [1]", "{1: 2}"):
        layer.write_text(text)
        result = run(stage, *WATER, "--rules", layer)
        assert (result.exit_code, "layer.yaml" in result.stderr) == (2, True)


def test_without_json_a_table_is_printed(stage):
    result = run(stage, *WATER, "--threshold", "IV=5")
    assert result.exit_code == 0
    assert "water_depth" in result.stdout
    assert "6.4 ft" in result.stdout


@pytest.mark.parametrize("column", ["epoch_s", "epoch_ms", "local"])
def test_time_comes_in_several_ways(tmp_path, column):
    path = tmp_path / "level.csv"
    start = 1_777_622_400  # 2026-05-01T08:00:00Z
    rows = [f"{start + 60 * i},{1000 * (start + 60 * i)},2026-05-01 16:{i:02d}:00,{0.5 * (i > 9)}" for i in range(20)]
    path.write_text("epoch_s,epoch_ms,local,level\n" + "\n".join(rows) + "\n")
    result = run(path, "--time", column, "--value", "level", "--kind", "water-level", "--zone", "+08:00", "--json")
    assert alarms(result, "water_depth")[0]["raised_at"] == "2026-05-01T08:11:00.000Z"


def test_bad_rows_are_counted_and_named_and_the_rest_is_judged(stage):
    text = stage.read_text().splitlines()
    text[5] = "2026-05-01T08:20:00Z,ice"
    text[7] = "yesterday,2.0"
    text[9] = "2026-05-01T08:40:00Z,"
    text[11] = "2026-05-01T08:50:00Z"
    stage.write_text("\n".join(text))
    result = run(stage, *WATER, "--threshold", "IV=5", "--json")
    assert len(alarms(result, "water_depth")) == 1
    assert "2 of 66 rows" in result.stderr
    assert "row 6, column 'stage_ft': 'ice' is not a number" in result.stderr
    assert "row 8, column 'ts': 'yesterday'" in result.stderr
    assert "2 empty cells" in result.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"--time": "when"}, "no column 'when'; it has ts, stage_ft"),
        ({"--value": "depth"}, "no column 'depth'"),
        ({"--unit": "fathom"}, "does not come in 'fathom'; it comes in m, cm, mm, ft, in"),
        ({"--kind": "fog"}, "choose one of water_level, smoke, curtain_wall"),
        ({"--threshold": "V=5"}, "--threshold V=5"),
        ({"--threshold": "IV=deep"}, "--threshold IV=deep"),
        ({"--threshold": "IV"}, "--threshold IV"),
        ({"--point": "level"}, "NAME=COLUMN:UNIT"),
        ({"--point": "depth=stage_ft:m"}, "no point 'depth'"),
        ({"--point": "level=stage_ft:m"}, "given twice"),
        ({"--rules": "nowhere.yaml"}, "nowhere.yaml: No such file"),
        ({"--zone": "Mars"}, "Mars"),
        ({"--time": "stage_ft", "--value": "ts"}, None),
    ],
)
def test_what_cannot_be_is_said_in_one_line_and_ends_with_2(stage, change, says):
    options = {"--time": "ts", "--value": "stage_ft", "--kind": "water_level", "--unit": "ft"} | change
    result = run(stage, *[each for pair in options.items() for each in pair])
    if says is None:
        assert result.exit_code == 0
        assert "hold what cannot be read" in result.stderr
        return
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("ts,stage_ft\n", "no row could be read"),
        ("ts,stage_ft\n2026-05-01,1\n", "no offset: give --zone"),
    ],
)
def test_a_file_without_readings_is_refused(tmp_path, content, says):
    path = tmp_path / "level.csv"
    path.write_text(content)
    result = run(path, *WATER)
    assert result.exit_code == 2
    assert says in result.stderr
    assert run(tmp_path / "missing.csv", *WATER).exit_code == 2
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    assert run(tmp_path / "binary.csv", *WATER).exit_code == 2


def test_a_panel_without_its_baseline_is_told_so_and_with_it_judged(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text("t,f,k\n" + "\n".join(f"{3600 * i},{20 if i < 50 else 18.5},20" for i in range(100)))
    options = (path, "--time", "t", "--value", "f", "--kind", "curtain_wall", "--json",
               "--point", "surface_temperature=k:Cel")  # fmt: skip
    bare = run(*options)
    assert alarms(bare) == []
    assert "baseline_frequency_hz" in bare.stderr
    (shift,) = alarms(run(*options, "--parameter", "baseline_frequency_hz=20"))
    assert (shift["rule"], shift["peak"]) == ("frequency_shift", 18.5)
    assert 50 * 3600 <= shift["raised_at"] <= 56 * 3600


def test_a_rule_by_a_parameter_that_is_not_given_is_refused(stage, tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("bank: {kind: level, point: level, reference: bank_m, levels: {III: {enter: 5}}}\n")
    result = run(stage, *WATER, "--rules", rules)
    assert (result.exit_code, "rule bank needs --parameter bank_m=VALUE" in result.stderr) == (2, True)
    assert run(stage, *WATER, "--rules", rules, "--parameter", "bank_m=1.5").exit_code == 0
    assert run(stage, *WATER, "--parameter", "bank_m=high").exit_code == 2


def test_silence_is_reported_when_asked_for(tmp_path):
    path = tmp_path / "level.csv"
    times = [*range(0, 600, 10), *range(4000, 4600, 10)]
    path.write_text("t,level\n" + "\n".join(f"{each},0.0" for each in times))
    options = (path, "--time", "t", "--value", "level", "--kind", "water_level", "--json")
    assert alarms(run(*options)) == []
    (silent,) = alarms(run(*options, "--silence"))
    assert (silent["rule"], silent["raised_at"], silent["cleared_at"]) == ("silence", 620.0, 4000.0)


@pytest.mark.parametrize(
    ("point", "unit", "value", "canonical"),
    [
        ("obscuration", "dB/m", 0.15, 0.15), ("obscuration", "1/m", 0.015, 0.15), ("obscuration", "%/m", 3.39, 0.15),
        ("obscuration", "%/m", 20.6, 1.0), ("obscuration", "%/ft", 1.0, 0.143), ("obscuration", "%/ft", 4.0, 0.582),
        ("level", "ft", 5.0, 1.524), ("level", "cm", 25.0, 0.25), ("temperature", "°F", 212.0, 100.0),
        ("temperature", "K", 273.15, 0.0), ("gap", "cm", 0.5, 5.0), ("co", "ppm", 50, 50),
    ],
)  # fmt: skip
def test_units_are_converted_there_and_back(point, unit, value, canonical):
    found = unit_of(point, unit)
    assert float(found.to_canonical(np.array([value]))[0]) == pytest.approx(canonical, rel=5e-3, abs=1e-9)
    assert float(found.from_canonical(found.to_canonical(np.array([value])))[0]) == pytest.approx(value)


def test_a_year_of_five_minute_readings_is_judged_in_a_moment(tmp_path):
    path = tmp_path / "year.csv"
    count = 105_120
    level = 1 + 0.3 * np.sin(np.arange(count) / 900)
    stamp = np.datetime64("2025-01-01T00:00:00") + np.arange(count) * np.timedelta64(300, "s")
    path.write_text("ts,level\n" + "\n".join(f"{t}Z,{v:.3f}" for t, v in zip(stamp, level, strict=True)))
    began = time.process_time()
    found = alarms(
        run(path, "--time", "ts", "--value", "level", "--kind", "water_level", "--threshold", "IV=1.2", "--json")
    )
    assert time.process_time() - began < 5
    assert len([each for each in found if each["rule"] == "water_depth"]) == 19


@pytest.mark.realdata
def test_the_recorded_floods_from_the_command_line(data_dir):
    options = ("--time", "datetime_utc", "--value", "gage_height_ft", "--kind", "water_level", "--unit", "ft", "--json")
    sligo = run(data_dir / "water" / "usgs_01650800_2019_2019.csv", *options, "--threshold", "IV=4")
    (crossing,) = alarms(sligo, "water_depth")
    assert (crossing["raised_at"], crossing["peak"]) == ("2019-05-23T20:20:00.000Z", 4.14)
    dead_run = run(data_dir / "water" / "usgs_01589330_2019_2019.csv", *options, "--threshold", "IV=8")
    assert alarms(dead_run, "water_depth") == []
    assert [each["level"] for each in alarms(dead_run, "water_rise") if each["raised_at"].startswith("2019-05-11")] == [
        "II"
    ]


@pytest.mark.realdata
def test_a_recorded_fire_from_the_command_line(data_dir):
    assert FIRES[0] == "SDC02"
    station = stations(data_dir, "SDC02")[0]
    result = run(data_dir / "smoke" / "nist_SDC02.csv", "--time", "TIME", "--kind", "smoke",
                 "--point", "obscuration=SMA_1:1/m", "--point", "temperature=TCA_1:Cel", "--json")  # fmt: skip
    (smoke,) = alarms(result, "smoke")
    assert smoke["raised_at"] < station.sounded_s[-1]
    assert (smoke["level"], smoke["unit"], smoke["cleared_at"]) == ("I", "1/m", None)


def test_the_command_is_there():
    answer = subprocess.run(
        [sys.executable, "-m", "shouwang.main", "backtest", "--help"], capture_output=True, text=True
    )
    assert answer.returncode == 0
    assert "--threshold" in answer.stdout
