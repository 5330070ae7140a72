"""What `profiles check` says: every mistake at once, where it is, how to mend it, and what users will miss."""

import json

import pytest
from profile_yaml import HEAD, JSON, STRUCT, TLV, profile
from typer.testing import CliRunner

from device_profiles.authoring import advice
from device_profiles.error import ProfileError
from device_profiles.loading.load import parse_profile
from shouwang.profiles import app


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def checked(tmp_path, text):
    file = tmp_path / "probe.yaml"
    file.write_text(text, encoding="utf-8")
    result = run("check", file)
    return result.exit_code, result.stdout.replace(f"{file}:", "")


def problems(text):
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "f")
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


def test_mistakes_of_every_sort_come_at_once_in_the_order_of_the_file():
    said = problems(
        """\
profile: acme/wl-20
vendor: {zh: 顶点仪表, en: Acme}
model: {zh: 积水监测仪 WL-20}
hazard: water
frame: {kind: struct, length: 6}
points:
  voltage: {at: 1, type: u8, skale: 0.1, unit: V}
  distance: {at: 2, type: u16, unit: mm}
  level: {formula: mounting_height_m - distnce, unit: m}
  temperature: {at: 4, type: u17, unit: °C}
  flow: {at: 5, type: u16, unit: L/s}
examples:
  - {name: one, hex: 0124, values: {voltage: 3.6}}
  - {name: two, hex: "0124", values: {voltag: 3.6}}
"""
    )
    expected = [
        (1, "cadence_s: is missing"),
        (3, "model.en: is missing"),
        (4, "did you mean 'water_level'?"),
        (7, "points.voltage.skale: unknown key – did you mean 'scale'?"),
        (8, "points.distance.unit: distance is kept in m, not in mm – scale: 0.001"),
        (9, "'distnce' is neither"),
        (9, "'mounting_height_m' is neither"),
        (10, "points.temperature.type: 'u17' is none of"),
        (10, "'°C' is no UCUM unit – unit: Cel"),
        (11, "points.flow: needs a label"),
        (11, "points.flow.at: reaches beyond"),
        (13, "write bytes in quotes"),
        (14, "examples.1.values.voltag: there is no such point"),
    ]
    assert len(said) == len(expected), "\n".join(said)
    for line, words in expected:
        assert any(one.startswith(f"{line}: ") and words in one for one in said), (line, words, said)
    assert [int(one.split(":")[0]) for one in said] == sorted(line for line, _ in expected)


@pytest.mark.parametrize(
    ("replaced", "by", "words"),
    [
        ("kind: json", "kind: jsom", "frame.kind: 'jsom' is none of"),
        ("{kind: json,", "{", "frame: has no kind"),
        ("vendor: {zh: 顶点, en: Acme}", "vendor: Acme", "{zh: the Chinese name, en: the English name}"),
        ("cadence_s: 60", "cadence_s: 5min", "'5min' stands where a number belongs"),
        ("cadence_s: 60", "cadence_s: 0", "a greater number belongs (0)"),
        ("{unit: m}", "{unit: 1}", "1 stands where text in quotes belongs – write it in quotes"),
        ("{unit: m}", "{unit: m, valid: 5}", "[lowest, highest]"),
        ("{unit: m}", "{unit: m, event: alarmed}", "did you mean 'alarm'?"),
        ("{unit: m}", "{unit: m, at: true}", "true does not fit"),
        ("  level:", "  Level:", "small letters, digits and _"),
    ],
)
def test_a_mistake_of_form_is_told_in_plain_words(replaced, by, words):
    said = problems(JSON.replace(replaced, by, 1))
    assert any(words in one for one in said), said
    assert not any("pydantic" in one or "input should" in one.lower() for one in said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (STRUCT.replace("scale: 0.001, ", ""), "level is 200.0; expected 0.2 – scale: 0.001 would give it"),
        (STRUCT.replace("00 C8 5A", "C8 00 5A"), "with `order: little` in the frame it would come true"),
        (
            STRUCT.replace("00 C8 5A", "FF 38 5A").replace("level: 0.2", "level: -0.2"),
            "is the number signed? type: i16",
        ),
        (STRUCT.replace("level: 0.2,", "level: 0.2, battery: 90, ").replace(", battery: 90}", "}"), "of 1 profiles"),
        (TLV.replace('"01 00 C8"', '"01 00 C8 02 05"'), "or in the frame its size: skip:"),
    ],
)
def test_an_example_that_fails_hints_at_the_slip(text, words, tmp_path):
    _, said = checked(tmp_path, text)
    assert words in said


def test_an_example_that_fails_shows_what_it_decodes_to_and_where_it_stands(tmp_path):
    code, said = checked(tmp_path, STRUCT.replace("battery: 90", "battery: 91"))
    assert code == 1
    assert "13: example 'one': battery is 90.0; expected 91.0" in said
    assert "11: example 'one': decodes to values: {level: 0.2, battery: 90}" in said


FLAGS = (
    HEAD.replace("water_level", "smoke")
    + """\
frame: {kind: struct, length: 6}
parameters:
  height_m: {unit: m, label: {zh: 高度, en: Height}}
points:
  temperature: {at: 0, type: u8, unit: Cel}
  alarm: {at: 1, type: u8, unit: "1"}
  battery_low: {at: 2, type: u8, unit: "1", quantity: flag, label: {zh: 电量不足, en: Low battery}}
  air: {at: 3, type: i8, unit: Cel, label: {zh: air, en: air}}
  humidity: {at: 4, type: u8, scale: 10, unit: "%", valid: [0, 100]}
states:
  report: {at: 1, type: u8, label: {zh: 报告, en: Report}}
examples:
  - name: one
    hex: "15 00 00 15 5A 00"
    values: {temperature: 21, alarm: 0, battery_low: 0, air: 21, humidity: 900}
    states: {report: "0"}
"""
)


def test_what_users_will_miss():
    found = advice.notes(profile(FLAGS), rules="no parameter")
    for words in (
        "no `valid` range for temperature",
        "no Chinese label for air",
        "report is a bare number: a `map`",
        "no formula and no rule uses the parameter height_m",
        "says nothing of power",
        "no example of an error",
    ):
        assert any(words in note for note in found), (words, found)
    assert not any("height_m" in note for note in advice.notes(profile(FLAGS), rules="reference: height_m"))


def test_what_deserves_a_second_look():
    found = advice.remarks(profile(FLAGS))
    for words in (
        "temperature can never fall below 0: is it a signed number (i8)?",
        "air is in Cel: is it `quantity: temperature`?",
        "humidity is 900 here, outside of its `valid` 0 … 100",
        "alarm announces nothing: add `event: alarm`",
        "battery_low announces nothing: add `event: low_battery`",
        "no event `test`",
        "no service_years",
        "no `documentation`",
        "read by no point or state: bytes 5",
    ):
        assert any(words in note for note in found), (words, found)


def test_keys_of_a_sample_that_no_point_reads_are_named():
    text = JSON.replace("json: {level: 0.2}", "json: {level: 0.2, battery: {mv: 3600}, ts: 0, seq: 1}")
    assert any("keys battery.mv" in note for note in advice.remarks(profile(text)))


def test_cadence_is_compared_with_the_records_of_the_examples():
    text = JSON.replace("seq: seq, boot: boot}", "records: {at: log, ts: ts}}").replace(
        "    json: {level: 0.2}\n",
        "    json: {level: 0.2, log: [{ts: 1795329171000, level: 1}, {ts: 1795332771000, level: 1}]}\n"
        "    earlier:\n"
        '      - {ts: "2026-11-22T06:32:51Z", values: {level: 1}}\n'
        '      - {ts: "2026-11-22T07:32:51Z", values: {level: 1}}\n',
    )
    assert any("3600 s apart" in note for note in advice.notes(profile(text)))


def test_notes_fail_only_when_asked_and_exit_codes_tell_the_cases_apart(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON, encoding="utf-8")
    assert run("check", file).exit_code == 0
    assert run("check", "--strict", file).exit_code == 3
    file.write_text(JSON.replace("cadence_s", "cadence"), encoding="utf-8")
    assert run("check", "--strict", file).exit_code == 1
    assert run("check", tmp_path / "nothing").exit_code == 2


def test_programs_get_problems_notes_and_remarks_with_their_lines(tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(FLAGS + "# TODO ask the maker\n", encoding="utf-8")
    [result] = json.loads(run("check", file, "--json").stdout)
    assert result["problems"] == []
    by_place = {note["where"]: note["line"] for note in result["remarks"]}
    assert by_place["points.battery_low"] == 12
    assert result["notes"][-1]["what"] == "1 lines say TODO: 22"
    assert result["notes"][-1]["line"] == 22


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (JSON.replace("  level:", "\tlevel:"), "blanks, never with tabs"),
        (JSON.replace("{unit: m}", "{unit: %}"), 'put it in quotes: "%"'),
        (JSON.replace("{unit: m}", "{unit: m"), "close every { and ["),
        (JSON.replace("{unit: m}", '{unit: m, at: "$.a[0].b"}'), "at: a.0.b"),
        (STRUCT.replace("type: u16", "type: u16be"), "did you mean 'u16'? The byte order is `order: big`"),
        (STRUCT.replace("at: 0", 'at: 0, mask: "0xFF"'), "without quotes: 0xFF"),
        (STRUCT.replace("battery: 90", "battery: true"), "1 for true, 0 for false"),
    ],
)
def test_a_slip_that_many_make_has_a_fix_of_its_own(text, words):
    said = problems(text)
    assert any(words in one for one in said), said


def test_a_wrong_path_hints_at_what_the_message_has(tmp_path):
    text = (
        JSON.replace("{unit: m}", "{unit: m, at: data/level}")
        .replace("json: {level", "json: {data: {level")
        .replace("level: 0.2}\n    v", "level: 0.2}}\n    v")
    )
    assert "level is missing; expected 0.2 – the message has `data.level`" in checked(tmp_path, text)[1]
