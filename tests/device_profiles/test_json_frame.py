"""JSON payloads: the fast look, and the patient one for what does not fit."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from profile_yaml import with_frame

from device_profiles.decoder import MAX_PAYLOAD_BYTES, Code, DecodeError
from device_profiles.frames.values import IDLE
from device_profiles.library import Library

LIBRARY = Library.load()
SMOKE = LIBRARY["shouwang/smoke"].decoder()
NAMES = [point.name for point in SMOKE.points]
NATIVE = "{kind: json, ts: ts, seq: seq, boot: boot}"


def decode(text, decoder=SMOKE):
    message = decoder.decode(text.encode() if isinstance(text, str) else text)
    found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    return {name: value for name, value in found.items() if value is not None}, message


def test_values_stand_in_the_order_of_the_points_whatever_the_order_of_the_keys():
    message = SMOKE.decode(b'{"battery": 97, "obscuration": 0.02}')
    assert NAMES[0] == "obscuration"
    assert message.values == (0.02, None, None, None, 97.0, None)


def test_booleans_become_zero_and_one_wherever_they_stand():
    assert decode('{"alarm": true, "obscuration": 0.1}')[0] == {"alarm": 1.0, "obscuration": 0.1}
    assert decode('{"alarm": false}')[0] == {"alarm": 0.0}
    assert decode('{"co": true}')[0] == {"co": 1.0}, "a boolean where a number was expected"


def test_unknown_keys_are_ignored():
    values, message = decode('{"co": 3, "firmware": {"version": "1.2"}, "list": [1]}')
    assert values == {"co": 3.0}
    assert message.problems == ()


def test_null_is_absent_and_no_problem():
    values, message = decode('{"co": null, "temperature": 20}')
    assert values == {"temperature": 20.0}
    assert message.problems == ()


@pytest.mark.parametrize("bad", ['"high"', "[1]", "{}", '"0.2"', '""'])
def test_what_is_no_number_is_told_and_the_rest_stands(bad):
    values, message = decode(f'{{"obscuration": {bad}, "co": 4, "ts": 5000, "seq": 7}}')
    assert values == {"co": 4.0}
    assert [(name, code) for name, code, _ in message.problems] == [("obscuration", "not_a_number")]
    assert (message.ts, message.seq) == (5000, 7)


@pytest.mark.parametrize(
    ("token", "check"),
    [("NaN", math.isnan), ("Infinity", math.isinf), ("-Infinity", math.isinf), ("1e999", math.isinf)],
)
def test_what_is_not_finite_is_handed_on_to_be_seen(token, check):
    values, message = decode(f'{{"obscuration": {token}, "co": 4}}')
    assert check(values["obscuration"])
    assert values["co"] == 4.0
    assert message.problems == ()


def test_nan_announces_no_event():
    assert decode('{"alarm": NaN}')[1].events == ()


def test_a_huge_integer_is_a_number():
    assert decode('{"co": 100000000000000000000000}')[0] == {"co": 1e23}
    assert decode(f'{{"co": {"9" * 400}}}')[0] == {"co": math.inf}


@pytest.mark.parametrize(
    ("ts", "expected"),
    [("1795329171250", 1_795_329_171_250), ('"2026-11-22T14:32:51.25+08:00"', 1_795_329_171_250), ("null", None)],
)
def test_the_event_time_in_every_form(ts, expected):
    message = SMOKE.decode(f'{{"ts": {ts}, "co": 1}}'.encode())
    assert message.ts == expected
    assert message.ts_problem is None


@pytest.mark.parametrize("ts", ['"noon"', '"2026-11-22T14:32:51"', "true", "[]", "-5", "NaN", "1e30"])
def test_a_time_that_is_none_is_told_and_the_values_stand(ts):
    values, message = decode(f'{{"ts": {ts}, "co": 1}}')
    assert values == {"co": 1.0}
    assert message.ts is None
    assert message.ts_problem


def test_a_reading_from_2035_keeps_its_time():
    assert SMOKE.decode(b'{"ts": "2035-01-01T00:00:00Z", "co": 1}').ts == 2_051_222_400_000


@pytest.mark.parametrize(
    ("seq", "expected", "problems"), [("3", 3, 0), ("3.0", 3, 0), ('"3"', None, 1), ("3.5", None, 1)]
)
def test_the_counter_is_a_whole_number(seq, expected, problems):
    message = SMOKE.decode(f'{{"seq": {seq}, "co": 1}}'.encode())
    assert message.seq == expected
    assert len(message.problems) == problems


def test_a_boot_id_may_be_a_number():
    assert SMOKE.decode(b'{"boot": 7, "co": 1}').boot == "7"
    assert SMOKE.decode(b'{"boot": "a1", "co": 1}').boot == "a1"


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"3", b'"x"', b"null", b"\xff\xfe", b'{"a": 1} x', b"{'a': 1}"])
def test_what_is_no_object_is_malformed(payload):
    with pytest.raises(DecodeError) as caught:
        SMOKE.decode(payload)
    assert caught.value.code is Code.MALFORMED


def test_deep_nesting_is_malformed_and_no_crash():
    for payload in (b"[" * 200_000, b'{"a":' * 200_000, b'{"co":' + b"[" * 100_000):
        with pytest.raises(DecodeError):
            SMOKE.decode(payload)


def test_too_large_a_message_is_refused_unread():
    start = b'{"co": 1, "x": "'
    fits = start + b"y" * (MAX_PAYLOAD_BYTES - len(start) - 2) + b'"}'
    assert SMOKE.decode(fits).values[2] == 1.0
    with pytest.raises(DecodeError) as caught:
        SMOKE.decode(fits + b" ")
    assert caught.value.code is Code.TOO_LARGE


def test_an_object_of_another_model_says_which_keys_came():
    message = SMOKE.decode(b'{"brightness": 254, "state": "ON"}')
    assert message.problems == (("", "nothing_known", "keys brightness, state"),)


def test_a_bare_heartbeat_is_a_sign_of_life_and_no_problem():
    assert SMOKE.decode(b'{"seq": 4}').problems == ()
    assert SMOKE.decode(b'{"ts": 1795329171250}').problems == ()


def test_nested_keys_scale_offset_map_missing_and_numbers_as_text():
    decoder = with_frame(
        NATIVE,
        "  level: {at: data.depth_mm, scale: 0.001, missing: [65535], unit: m}\n"
        "  temperature: {at: [data, 'temp.c'], type: text_number, offset: -40, unit: Cel}\n"
        "  leak: {at: data.state, map: {dry: 0, wet: 1}, unit: '1', event: alarm}\n",
    ).decoder()
    values, message = decode('{"data": {"depth_mm": 1234, "temp.c": "61.5", "state": "wet"}}', decoder)
    assert values == {"level": 1.234, "temperature": 21.5, "leak": 1.0}
    assert message.events == ("alarm",)
    values, message = decode('{"data": {"depth_mm": 65535, "temp.c": "warm", "state": "damp"}}', decoder)
    assert values == {}
    assert [(name, code) for name, code, _ in message.problems] == [
        ("temperature", "not_a_number"),
        ("leak", "unmapped"),
    ]
    assert decode('{"data": [1], "ts": 1}', decoder)[0] == {}


def test_derived_points_and_the_parameter_that_nobody_gave():
    profile = with_frame(
        NATIVE + "\nparameters:\n  mounting_height_m: {unit: m, label: {zh: 高, en: Height}}",
        "  distance: {unit: m}\n  level: {formula: mounting_height_m - distance, unit: m}",
    )
    given_it = profile.decoder({"mounting_height_m": 3, "something_else": 1})
    assert given_it.missing == ()
    assert decode('{"distance": 2.5}', given_it)[0] == {"distance": 2.5, "level": 0.5}
    assert decode('{"seq": 1}', given_it)[0] == {}
    without = profile.decoder()
    assert without.missing == ("mounting_height_m",)
    assert decode('{"distance": 2.5}', without)[0] == {"distance": 2.5}


def test_a_formula_without_a_result_is_told():
    decoder = with_frame(NATIVE, "  distance: {unit: m}\n  level: {formula: 1 / distance, unit: m}").decoder()
    values, message = decode('{"distance": 0}', decoder)
    assert values == {"distance": 0.0}
    assert [(name, code) for name, code, _ in message.problems] == [("level", "no_result")]


readings = st.fixed_dictionaries(
    {}, optional={name: st.floats(allow_nan=False, allow_infinity=False) for name in NAMES if name != "alarm"}
)


@given(readings)
def test_what_a_device_measured_is_what_comes_out(written):
    assert decode(json.dumps(written | {"seq": 1}))[0] == written


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*NAMES, "ts", "seq", "boot", "smoke", "params", "last_seen", "action"])


@given(st.dictionaries(KEYS, json_values, max_size=6))
@example({"alarm": float("nan"), "ts": float("inf")})
@example({"seq": 10**30, "boot": [], "ts": 10**400})
def test_whatever_stands_behind_a_known_key_nothing_but_a_decode_error_is_raised(written):
    payload = json.dumps(written).encode()
    for name in ("shouwang/smoke", "lumi/jtyj-gd-01lm-bw", "shelly/plus-smoke", "aqara/djt11lm"):
        message = LIBRARY[name].decoder().decode(payload)
        assert all(value is None or isinstance(value, float) for value in message.values)
        assert all(isinstance(part, str) for problem in message.problems for part in problem)


@given(st.dictionaries(KEYS, json_values, max_size=6))
def test_the_fast_and_the_patient_look_see_the_same(written):
    payload = json.dumps(written).encode()
    fast, patient = SMOKE.decode(payload), SMOKE.plan.patiently(payload, IDLE)
    assert repr((fast.values, fast.ts, fast.events)) == repr((patient.values, patient.ts, patient.events))
