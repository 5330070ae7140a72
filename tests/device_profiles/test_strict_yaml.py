"""The loader refuses whatever could be misread, and says file, line and fix."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_yaml import HEAD, JSON, STRUCT, TLV, profile

from device_profiles.error import ProfileError


def problems(text):
    with pytest.raises(ProfileError) as caught:
        profile(text)
    return caught.value.problems


def only(text):
    found = problems(text)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


@pytest.mark.parametrize("text", [JSON, STRUCT, TLV], ids=["json", "struct", "tlv"])
def test_the_unbroken_ones_are_right(text):
    assert profile(text).name == "acme/probe"


def test_a_duplicate_key_names_both_lines():
    problem = only(JSON.replace("cadence_s: 60\n", "cadence_s: 60\ncadence_s: 30\n"))
    assert problem.line == 6
    assert "twice" in problem.what
    assert "line 5" in problem.what
    assert str(problem).startswith("probe.yaml:6: cadence_s:")


@pytest.mark.parametrize("word", ["off", "no", "ON", "Yes"])
def test_a_word_that_yaml_may_read_as_a_boolean_must_be_quoted(word):
    problem = only(JSON.replace("en: Probe", f"en: {word}"))
    assert problem.line == 3
    assert f'"{word}"' in problem.fix
    assert profile(JSON.replace("en: Probe", f'en: "{word}"')).model_en == word


def test_off_as_a_key_of_a_map_is_caught_too():
    text = JSON.replace("level: {unit: m}", "level: {unit: m, map: {off: 0, on: 1}}")
    assert [problem.fix.split('"')[1] for problem in problems(text)] == ["off", "on"]


@pytest.mark.parametrize("digits", ["0175", "12e5", "1:30", "0o17", ".inf"])
def test_digits_that_yaml_versions_read_differently_must_be_quoted(digits):
    assert "YAML" in only(JSON.replace("cadence_s: 60", f"cadence_s: {digits}")).what or digits == ".inf"


def test_an_unknown_key_gets_the_key_that_was_meant():
    texts = [str(found) for found in problems(JSON.replace("cadence_s", "cadence"))]
    assert any("cadence: unknown key – did you mean 'cadence_s'?" in text for text in texts)
    assert any("cadence_s: is missing" in text for text in texts)


def test_an_unknown_key_deep_inside_names_its_place_and_line():
    problem = only(STRUCT.replace("scale: 0.001", "skale: 0.001"))
    assert problem.where == "points.level.skale"
    assert problem.line == 8
    assert problem.fix == "did you mean 'scale'?"


def test_an_unknown_key_of_a_frame_is_compared_with_that_frames_keys():
    problem = only(TLV.replace("tag_bytes: 1", "tag_byte: 1"))
    assert problem.where == "frame.tag_byte"
    assert "tag_bytes" in problem.fix


def test_unquoted_hexadecimal_is_told_to_be_quoted():
    problem = only(TLV.replace('"01 00 C8"', "175001"))
    assert problem.where == "examples.0.hex"
    assert "quotes" in problem.fix


@pytest.mark.parametrize(
    "text",
    [
        JSON.replace("vendor: {zh", "vendor: &v {zh").replace("model: {zh: 探头, en: Probe}", "model: *v"),
        JSON.replace("cadence_s: 60", "cadence_s: !!float 60") + "---\na: 1\n",
        "a: " * 3,
        "[" * 5000,
        "- " * 5000,
        JSON.replace("cadence_s: 60", "cadence_s: !!float 60"),
        JSON + "---\na: 1\n",
        JSON.replace("cadence_s: 60", "cadence_s: 1.0e+999"),
        JSON.replace("cadence_s: 60", "? [a]\n: 60"),
        "\t- x",
        "a: 'unclosed",
        "a: \x00",
        "",
    ],
)
def test_what_is_not_one_plain_document_is_an_error_and_no_traceback(text):
    assert problems(text)


def test_a_billion_laughs_is_refused_at_the_first_alias():
    lines = ["a: &a [x, x]"]
    for index in range(20):
        before, name = chr(ord("a") + index), chr(ord("b") + index)
        lines.append(f"{name}: &{name} [*{before}, *{before}]")
    assert "anchors" in problems("\n".join(lines))[0].what


def test_all_problems_are_found_at_once():
    text = JSON.replace("hazard: water_level", "hazard: flood").replace("unit: m", "unit: m, skale: 2")
    assert len(problems(text)) == 2


def test_a_file_that_is_not_utf8_is_said(tmp_path):
    from device_profiles.loading.load import read_profile

    file = tmp_path / "gbk.yaml"
    file.write_bytes(JSON.encode("gb18030"))
    with pytest.raises(ProfileError, match="UTF-8"):
        read_profile(file)
    with pytest.raises(ProfileError, match="cannot be read"):
        read_profile(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (JSON.replace("unit: m", "unit: cm"), "points.level.unit", "kept in m"),
        (JSON.replace("unit: m", "unit: m, at: 3"), "points.level.at", "key path"),
        (JSON.replace("unit: m", "unit: m, type: u8"), "points.level.type", "binary"),
        (JSON.replace("unit: m", "unit: m, valid: [5, 1]"), "points.level.valid", "lowest"),
        (JSON.replace("unit: m", "unit: m, scale: 0"), "points.level.scale", "same"),
        (JSON.replace("unit: m", "unit: m, quantity: depth"), "points.level.quantity", "not a known"),
        (JSON.replace("level: {unit: m}", "seq: {unit: m, quantity: level}"), "points.seq", "kept for"),
        (JSON.replace("level: {unit: m}", "depth: {unit: m}"), "points.depth", "label"),
        (STRUCT.replace("at: 2, type: u8", "at: 4, type: u8"), "points.battery.at", "beyond"),
        (STRUCT.replace("at: 2, type: u8", "at: 2, type: u8, mask: 0x100"), "points.battery.mask", "outside"),
        (STRUCT.replace("at: 2, type: u8", "type: u8"), "points.battery", "offset"),
        (STRUCT.replace("at: 2, type: u8", "at: 2"), "points.battery", "type"),
        (STRUCT.replace("at: 2, type: u8", 'at: 2, type: u8, tag: "01"'), "points.battery.tag", "tlv"),
        (TLV.replace('tag: "01"', 'tag: "0102"'), "points.level.tag", "bytes"),
        (TLV.replace('tag: "01", ', ""), "points.level", "tag"),
        (JSON.replace("values: {level: 0.2}", "error: broken"), "examples.0.error", "error code"),
        (JSON.replace("values: {level: 0.2}", "values: {depth: 0.2}"), "examples.0.values.depth", "no such point"),
        (JSON.replace("    values: {level: 0.2}\n", ""), "examples.0", "nothing"),
        (JSON.replace("values: {level: 0.2}", 'values: {level: 0.2}\n    hex: "00"'), "examples.0", "exactly one"),
        (JSON.replace("values: {level: 0.2}", "values: {}\n    ts: noon"), "examples.0.ts", "instant"),
        (JSON.replace("  level: {unit: m}", "  level: {unit: m, formula: a - b}"), "points.level.formula", "'a'"),
        (JSON.replace("  level: {unit: m}", "  level: {unit: m, formula: 2 ** 9}"), "points.level.formula", "operator"),
        (JSON.replace("acme/probe", "Acme Probe"), "profile", "form"),
        (
            HEAD + JSON.partition("frame")[1] + JSON.partition("frame")[2].partition("examples")[0],
            "examples",
            "missing",
        ),
    ],
)
def test_what_does_not_hang_together_is_said_with_its_place(text, where, what):
    found = [problem for problem in problems(text) if problem.where == where]
    assert found, [str(problem) for problem in problems(text)]
    assert what in str(found[0])
    assert found[0].line is not None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mangled_file_is_a_profile_error_and_nothing_else(data):
    text = data.draw(st.sampled_from([JSON, STRUCT, TLV]))
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 12)))
    inserted = data.draw(st.text(alphabet="abz01:-[]{}'\"&*!|>%@`#,. \n\t\x00é守", max_size=6))
    with contextlib.suppress(ProfileError):
        profile(text[:start] + inserted + text[stop:])
