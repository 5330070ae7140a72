"""`shouwang profiles`: the contract that scripts rely on, and errors that help."""

import json

import pytest
from profile_yaml import JSON
from typer.testing import CliRunner

from device_profiles.library import BUILT_IN
from shouwang.profiles import app


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def test_decode_answers_as_the_design_says():
    result = run("decode", "milesight/em500-udl", "--fport", 85, "--hex", "01755C03821E00", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "readings": [
            {"point": "battery", "value": 92, "unit": "%"},
            {"point": "distance", "value": 0.03, "unit": "m"},
        ],
        "errors": [],
    }


def test_decode_with_a_parameter_derives_the_level():
    result = run("decode", "milesight/em500-udl", "--hex", "03826B10", "-p", "mounting_height_m=4.5", "--json")
    readings = {reading["point"]: reading for reading in json.loads(result.stdout)["readings"]}
    assert readings["level"]["value"] == pytest.approx(0.297)
    assert readings["level"]["unit"] == "m"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--hex", "01755C03821E00", "--fport", "2"), "wrong_port"),
        (("--hex", "01755C0382"), "wrong_length"),
        (("--hex", ""), "wrong_length"),
        (("--hex", "01755CFE"), "wrong_length"),
        (("--hex", "01755C7777"), "unknown_tag"),
    ],
)
def test_an_error_in_the_payload_is_exit_code_1_and_stands_in_the_answer(arguments, code):
    result = run("decode", "milesight/em500-udl", *arguments, "--json")
    assert result.exit_code == 1
    errors = json.loads(result.stdout)["errors"]
    assert [error["code"] for error in errors] == [code]
    assert errors[0]["message"]


def test_decode_takes_text_base64_file_and_standard_input(tmp_path):
    payload = '{"level": 0.25}'
    file = tmp_path / "payload.json"
    file.write_text(payload, encoding="utf-8")
    ways = [("--text", payload), ("--base64", "eyJsZXZlbCI6IDAuMjV9"), ("--file", file), ("--file", "-")]
    for way in ways:
        result = run("decode", "shouwang/water-level", *way, "--json", stdin=payload)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["readings"] == [{"point": "level", "value": 0.25, "unit": "m"}]


def test_states_events_and_time_stand_beside_the_readings_when_there_are_any(tmp_path):
    file = tmp_path / "probe.yaml"
    state = "states:\n  report: {at: r, map: {1: alarm}, event: {alarm: alarm}, label: {zh: 报告, en: Report}}\n"
    file.write_text(JSON + state, encoding="utf-8")
    result = run("decode", file, "--text", '{"r": 1}', "--json")
    answer = json.loads(result.stdout)
    assert answer == {"readings": [], "errors": [], "states": {"report": "alarm"}, "events": ["alarm"]}
    native = run("decode", "shouwang/smoke", "--text", '{"ts": 1795329171250, "co": NaN}', "--json")
    assert native.exit_code == 1
    assert json.loads(native.stdout) == {
        "readings": [],
        "errors": [{"code": "not_finite", "message": "nan is no measured value", "point": "co"}],
        "ts": "2026-11-22T06:32:51.250Z",
    }


def test_decode_for_people_names_the_points_in_both_languages():
    result = run("decode", "shouwang/smoke", "--text", '{"obscuration": 0.2, "alarm": true}')
    assert result.exit_code == 0
    assert "烟雾减光率 / Smoke obscuration" in result.stdout
    assert "event alarm" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "helps"),
    [
        (("decode", "milesight/em500", "--hex", "00"), "did you mean"),
        (("decode", "milesight/em500-udl", "--hex", "0g"), "hexadecimal"),
        (("decode", "milesight/em500-udl", "--hex", "00", "--text", "x"), "exactly one way"),
        (("decode", "milesight/em500-udl"), "exactly one way"),
        (("decode", "milesight/em500-udl", "--base64", "!"), "base64"),
        (("decode", "milesight/em500-udl", "--hex", "00", "-p", "height=2"), "mounting_height_m"),
        (("decode", "milesight/em500-udl", "--hex", "00", "-p", "mounting_height_m=high"), "number"),
        (("decode", "shouwang/smoke", "--file", "/nowhere/at/all"), "cannot be read"),
        (("show", "nowhere.yaml"), "cannot be read"),
        (("check", "nowhere.yaml"), "no file"),
        (("list", "--folder", "/nowhere/at/all"), "not a folder"),
        (("list", "--hazard", "watr"), "water_level"),
    ],
)
def test_a_wrong_call_is_exit_code_2_with_a_sentence_that_helps(arguments, helps):
    result = run(*arguments)
    assert result.exit_code == 2
    assert helps in result.stderr
    assert "Traceback" not in result.output


def test_list_and_show():
    everything = json.loads(run("list", "--json").stdout)
    names = [profile["name"] for profile in everything]
    assert "shouwang/smoke" in names
    water = json.loads(run("list", "--hazard", "water_level", "--json").stdout)
    assert 0 < len(water) < len(everything)
    assert "守望" in run("list").stdout
    shown = json.loads(run("show", "dragino/ldds75", "--json").stdout)
    assert [parameter["name"] for parameter in shown["parameters"]] == ["mounting_height_m"]
    assert "水位" in run("show", "dragino/ldds75").stdout
    source = run("show", "dragino/ldds75", "--source").stdout
    assert source == (BUILT_IN / "dragino" / "ldds75.yaml").read_text(encoding="utf-8")


def test_the_whole_library_passes_its_own_check():
    result = run("check", BUILT_IN, "--json")
    assert [problem["text"] for entry in json.loads(result.stdout) for problem in entry["problems"]] == []
    assert result.exit_code == 0


def test_check_names_file_line_and_fix(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON.replace("cadence_s: 60", "cadence: 60"), encoding="utf-8")
    result = run("check", file)
    assert result.exit_code == 1
    assert f"{file}:5: cadence: unknown key – did you mean 'cadence_s'?" in result.stdout


def test_check_runs_the_examples(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON.replace("values: {level: 0.2}", "values: {level: 0.3}"), encoding="utf-8")
    result = run("check", file)
    assert result.exit_code == 1
    assert "level is 0.2; expected 0.3" in result.stdout


def test_check_says_what_users_will_miss_and_does_not_fail_for_it(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON, encoding="utf-8")
    result = run("check", file)
    assert result.exit_code == 0
    assert "note: no `valid` range for level" in result.stdout
    assert "note: in a library this file stands at acme/probe.yaml" in result.stdout


def test_check_reads_the_rules_as_the_edge_will(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON + "rules:\n  depth: {kind: levle, point: level}\n", encoding="utf-8")
    result = run("check", file)
    assert result.exit_code == 1
    assert "levle" in result.stdout


def test_check_reads_the_quality_tests_as_the_edge_will(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON + "quality:\n  level: {spike: {leest: 0.1}}\n", encoding="utf-8")
    result = run("check", file)
    assert result.exit_code == 1
    assert "quality.level.spike.leest: unknown key" in result.stdout
    file.write_text(JSON + "quality:\n  level: {spike: {least: 0.1}, flat: null}\n", encoding="utf-8")
    assert run("check", file).exit_code == 0


def test_a_profile_file_can_be_used_before_it_is_in_a_library(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON, encoding="utf-8")
    result = run("decode", file, "--text", '{"level": 0.5}', "--json")
    assert json.loads(result.stdout)["readings"][0]["value"] == 0.5


RECORDS = JSON.replace("seq: seq, boot: boot}", "records: {at: log, ts: ts}}")


def test_records_of_the_past_are_shown_oldest_first(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(RECORDS, encoding="utf-8")
    payload = '{"level": 3, "log": [{"ts": 1795332771000, "level": 2}, {"ts": 1795329171000, "level": 1}]}'
    answer = json.loads(run("decode", file, "--text", payload, "--json").stdout)
    assert [(one["ts"], one["readings"][0]["value"]) for one in answer["earlier"]] == [
        ("2026-11-22T06:32:51.000Z", 1),
        ("2026-11-22T07:32:51.000Z", 2),
    ]
    assert "earlier, 2026-11-22T06:32:51.000Z: level 1 m" in run("decode", file, "--text", payload).stdout


def test_a_log_of_payloads_is_decoded_line_by_line(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("# a week\n85: 01 75 5C 03 82 1E 00\n\n2: 01755C\n0x01 0x75 0x64\n", encoding="utf-8")
    result = run("decode", "milesight/em500-udl", "--file", log, "--lines", "hex", "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["line"] for one in found] == [2, 4, 5]
    assert found[1]["errors"][0]["code"] == "wrong_port"
    assert found[2]["readings"] == [{"point": "battery", "value": 100, "unit": "%"}]
    assert result.exit_code == 1
    several = run("decode", "milesight/em500-udl", "--hex", "01755C", "--hex", "01:75:64")
    assert several.exit_code == 0
    assert several.stdout.count("Battery") == 2
    log.write_text("01755C\nxyz\n", encoding="utf-8")
    broken = run("decode", "milesight/em500-udl", "--file", log, "--lines", "hex")
    assert broken.exit_code == 2
    assert "line 2" in broken.stderr
    log.write_text("01755C\n", encoding="utf-8")
    assert "--lines hex" in run("decode", "milesight/em500-udl", "--file", log).stderr


UP = {
    "deviceInfo": {"devEui": "24e124713c000001", "deviceName": "north"},
    "fCnt": 7,
    "fPort": 85,
    "data": "AXVcA4IeAA==",
    "time": "2026-11-22T08:00:00Z",
    "rxInfo": [{"rssi": -90, "snr": 7.5}],
}
TOPIC = "application/1/device/24e124713c000001/event/"


def test_an_envelope_is_taken_off(tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps(UP), encoding="utf-8")
    arguments = ("decode", "milesight/em500-udl", "--source", "chirpstack", "--file", file)
    answer = json.loads(run(*arguments, "--json").stdout)
    assert answer["readings"][0] == {"point": "battery", "value": 92, "unit": "%"}
    assert answer["envelope"]["fport"] == 85
    assert answer["envelope"]["link"] == {"rssi_dbm": -90.0, "snr_db": 7.5}
    with_topic = json.loads(run(*arguments, "--topic", TOPIC + "up", "--json").stdout)
    assert with_topic["envelope"]["address"] == "24e124713c000001"
    assert json.loads(run(*arguments, "--topic", TOPIC + "join", "--json").stdout)["envelope"]["kind"] == "join"
    assert json.loads(run(*arguments, "--fport", 2, "--json").stdout)["errors"][0]["code"] == "wrong_port"
    strange = run(*arguments, "--topic", "a/b", "--json")
    assert strange.exit_code == 1
    assert "no topic of chirpstack" in json.loads(strange.stdout)["errors"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "helps"),
    [
        (("--source", "chirpstak"), "the_things_stack"),
        (("--topic", "a/b"), "--source"),
        (("--lines", "hex"), "--file"),
    ],
)
def test_wrong_calls_around_envelopes_and_logs_help(arguments, helps):
    result = run("decode", "milesight/em500-udl", "--hex", "00", *arguments)
    assert result.exit_code == 2
    assert helps in result.stderr
