"""CBOR, keys, codecs, records of the past and list places: the text frames beside plain JSON."""

import contextlib
import json
import math
import time

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_yaml import HEAD, profile, with_frame

from device_profiles.decoder import MAX_EARLIER, MAX_PAYLOAD_BYTES, DecodeError
from device_profiles.error import ProfileError
from device_profiles.example import mismatches
from device_profiles.frames import codecs
from device_profiles.frames.text_frame import MAX_TEXT_BYTES
from device_profiles.frames.values import IDLE


def named(decoder, message):
    found = zip(decoder.points, message.values, strict=True)
    return {point.name: value for point, value in found if value is not None}


def code_of(decoder, payload, fport=None):
    with pytest.raises(DecodeError) as caught:
        decoder.decode(payload, fport)
    return caught.value.code


LEVEL = "  level: {at: data.0.value, unit: m}\n  battery: {at: [data, -1, value], unit: '%'}"


@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_a_number_in_a_path_is_a_place_in_a_list(kind):
    decoder = with_frame(f"{{kind: {kind}}}", LEVEL).decoder()
    encode = cbor2.dumps if kind == "cbor" else lambda tree: json.dumps(tree).encode()
    assert named(decoder, decoder.decode(encode({"data": [{"value": 1.5}, {}, {"value": 90}]}))) == {
        "level": 1.5,
        "battery": 90.0,
    }
    assert named(decoder, decoder.decode(encode({"data": {"0": {"value": 2}}}))) == {"level": 2.0}
    assert decoder.decode(encode({"data": []})).problems[0][1] == "nothing_known"
    assert named(decoder, decoder.decode(encode({"data": [3]}))) == {}


def test_a_cbor_map_may_have_numbers_for_keys():
    decoder = with_frame("{kind: cbor, ts: {at: '6', unit: s}, ports: [7]}", "  level: {at: 2, unit: m}").decoder()
    message = decoder.decode(cbor2.dumps({2: 0.5, 6: 1_795_329_171}), 7)
    assert (message.ts, message.values) == (1_795_329_171_000, (0.5,))
    assert code_of(decoder, cbor2.dumps({2: 0.5}), 8) == "wrong_port"


def test_cbor_keeps_to_plain_data():
    decoder = with_frame("{kind: cbor}", "  level: {unit: m}").decoder()
    assert decoder.decode(bytes.fromhex("d9d9f7a1656c6576656cc48221196ab3")).values == (273.15,)  # tags 55799 and 4
    assert math.isnan(decoder.decode(cbor2.dumps({"level": math.nan})).values[0])
    for tag in [*range(300), 1004, 43000, 70000]:
        if tag not in (0, 1, 4):
            assert code_of(decoder, cbor2.dumps({"level": cbor2.CBORTag(tag, 1)})) == "malformed", tag
    for payload in (b"", b"\xa0\x00", b"\x9f" * 5000, b"\x81" * 17 + b"\x01", b"\xbb" + b"\xff" * 8, b"\x01", b"\xff"):
        assert code_of(decoder, payload) == "malformed", payload[:4]
    assert code_of(decoder, b"\x99\x40\x00" + b"\x80" * 16384) == "too_large"


def test_examples_of_cbor_may_be_written_as_json_or_as_bytes():
    found = profile(
        HEAD + "frame: {kind: cbor}\npoints:\n  level: {unit: m}\n"
        "examples:\n  - {name: a, json: {level: 0.5}, values: {level: 0.5}}\n"
        "  - {name: b, hex: a1656c6576656cf93800, values: {level: 0.5}}\n"
    )
    assert found.examples[0].payload == cbor2.dumps({"level": 0.5})
    assert [mismatches(example, found.decoder()) for example in found.examples] == [[], []]


TUYA = """\
  alarm: {key: [1, smoke_sensor_status], map: {alarm: 1, normal: 0, "true": 1, "false": 0}, unit: "1", event: alarm}
  battery: {key: [15, battery_percentage], unit: "%"}
  fault: {key: fault, type: onoff, unit: "1", quantity: flag, label: {zh: 故障, en: Fault}, event: fault}
  temperature: {key: temp, type: text_number, unit: Cel}
  voltage: {key: power, at: bat.0.v, unit: V}
"""


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"dps": {"1": "alarm", "15": 80}}, {"alarm": 1, "battery": 80}),
        ({"data": {"dps": {"1": True}}}, {"alarm": 1}),
        (
            {"smoke_sensor_status": "normal", "fault": "OFF", "temp": "12.5"},
            {"alarm": 0, "fault": 0, "temperature": 12.5},
        ),
        (
            {"status": [{"code": "smoke_sensor_status", "value": "alarm"}, {"code": 15, "value": 7}]},
            {"alarm": 1, "battery": 7},
        ),
        (
            [{"code": "fault", "value": "On"}, {"code": "power", "value": {"bat": [{"v": 3.1}]}}],
            {"fault": 1, "voltage": 3.1},
        ),
        ({"code": "battery_percentage", "value": 50}, {"battery": 50}),
        ({"dps": {"15": "unavailable", "1": "unknown"}}, {}),
    ],
)
def test_keys_in_every_form_that_tuya_and_home_assistant_give_them(payload, expected):
    frame = "{kind: keys, at: [[dps], [data, dps], [status]], key: code, ts: {at: t, unit: s}}"
    decoder = with_frame(frame, TUYA).decoder()
    message = decoder.decode(json.dumps(payload).encode())
    assert named(decoder, message) == expected
    assert message.problems == ()
    if isinstance(payload, dict):
        assert decoder.decode(json.dumps(payload | {"t": 1_795_329_171}).encode()).ts == 1_795_329_171_000


def test_a_key_may_hold_a_bare_value_or_an_object():
    decoder = with_frame("{kind: keys}", "  leak: {key: Switch1, at: Action, type: onoff, unit: '1'}").decoder()
    assert decoder.decode(b'{"Switch1": "ON"}').values == (1.0,)
    assert decoder.decode(b'{"Switch1": {"Action": "OFF"}}').values == (0.0,)


def test_a_map_without_a_known_key_says_what_came():
    decoder = with_frame("{kind: keys, at: dps}", TUYA).decoder()
    assert decoder.decode(b'{"dps": {"105": 1}}').problems == (("", "nothing_known", "keys 105"),)
    assert decoder.decode(b'{"dps": {"fault": "broken"}}').problems[0][:2] == ("fault", "unmapped")
    assert code_of(decoder, b"[]") == code_of(decoder, b"3") == code_of(decoder, b"") == "malformed"


@pytest.mark.parametrize("word", ["ON", "on", "true", "Yes", "1", True, 1, 1.0])
def test_words_for_on(word):
    decoder = with_frame("{kind: json}", "  leak: {type: onoff, unit: '1'}").decoder()
    assert decoder.decode(json.dumps({"leak": word}).encode()).values == (1.0,)


def test_what_was_not_measured_is_a_sign_of_life_and_no_problem():
    decoder = with_frame("{kind: json}", "  distance: {at: SR04.Distance, missing: [nan], unit: m}").decoder()
    for payload in (b'{"SR04": {"Distance": null}}', b'{"SR04": {"Distance": "nan"}}'):
        assert decoder.decode(payload).problems == ()


HISTORY = "{kind: json, seq: n, records: {at: log, ts: {at: t, unit: s}, points: {level: v}}}"


def test_records_come_oldest_first_and_the_newest_is_the_message():
    decoder = with_frame(
        HISTORY,
        "  level: {unit: m}\n  battery: {unit: '%'}\n"
        "  depth: {formula: 2 * level, unit: m, label: {zh: 深, en: Depth}}",
    ).decoder()
    message = decoder.decode(
        b'{"n": 4, "battery": 90, "log": [{"t": 1795329103, "v": 3}, {"t": 1795329101, "v": 1},'
        b' {"t": 1795329102, "v": "?"}]}'
    )
    assert (message.ts, message.seq, message.values) == (1_795_329_103_000, 4, (3.0, 90.0, 6.0))
    assert [(one.ts, one.values, [code for _, code, _ in one.problems]) for one in message.earlier] == [
        (1_795_329_101_000, (1.0, None, 2.0), []),
        (1_795_329_102_000, (None, None, None), ["not_a_number"]),
    ]
    own = decoder.decode(b'{"level": 9, "log": [{"t": 1795329101, "v": 1}]}')
    assert (own.ts, own.values[0], [one.ts for one in own.earlier]) == (None, 9.0, [1_795_329_101_000])
    assert decoder.decode(b'{"log": []}').problems == ()
    unset = decoder.decode(b'{"level": 9, "log": [{"t": 1.5, "v": 1}, {"v": 2}]}')
    assert [(one.ts, one.ts_problem) for one in unset.earlier] == [(None, "a record without a time")] * 2


def test_records_without_a_time_are_a_step_apart():
    decoder = with_frame(
        "{kind: json, records: {at: [], every_s: 60, newest_first: true, points: {level: []}}}", "  level: {unit: m}"
    ).decoder()
    message = decoder.decode(b"[3, 2, 1]")
    assert (message.values, message.age_s) == ((3.0,), None)
    assert [(one.values, one.age_s) for one in message.earlier] == [((1.0,), 120.0), ((2.0,), 60.0)]
    assert code_of(decoder, json.dumps([1] * (MAX_EARLIER + 1)).encode()) == "malformed"


def test_examples_show_the_records_that_a_message_carries():
    text = (
        HEAD + f"frame: {HISTORY}\npoints:\n  level: {{unit: m}}\nexamples:\n  - name: a\n"
        "    json: {log: [{t: 1795329101, v: 1}, {t: 1795329102, v: 2}]}\n    values: {level: 2}\n"
        "    earlier:\n      - {ts: '2026-11-22T06:31:41Z', values: {level: 1}}\n"
    )
    found = profile(text)
    assert mismatches(found.examples[0], found.decoder()) == []
    wrong = profile(text.replace("{level: 1}", "{level: 5}"))
    assert mismatches(wrong.examples[0], wrong.decoder()) == ["earlier record 1: level is 1.0; expected 5.0"]
    none = profile(text[: text.index("    earlier")])
    assert mismatches(none.examples[0], none.decoder()) == ["1 earlier records came; expected 0"]


@pytest.mark.parametrize("time_of", ["2026-11-22T14:32:51", "2026-11-22 14:32:51", "2026-11-22T06:32:51Z"])
def test_a_time_without_an_offset_takes_that_of_the_profile(time_of):
    decoder = with_frame("{kind: json, ts: {at: Time, zone: '+08:00'}}", "  level: {unit: m}").decoder()
    assert decoder.decode(json.dumps({"Time": time_of, "level": 1}).encode()).ts == 1_795_329_171_000


def test_text_in_a_chinese_encoding_costs_no_value():
    decoder = with_frame("{kind: json}", "  level: {unit: m}\nstates:\n  place: {}").decoder()
    for key in ("place", "地点"):
        message = decoder.decode(f'{{"{key}": "地下车库", "level": 1}}'.encode("gb18030"))
        assert message.values == (1.0,)
    assert decoder.decode('{"place": "地下车库"}'.encode("gb18030")).texts == {"place": "地下车库"}


def test_half_a_character_stays_out_of_what_is_stored():
    decoder = with_frame("{kind: json}", "  level: {unit: m}\nstates:\n  place: {}").decoder()
    message = decoder.decode(b'{"place": "\\ud83d", "level": NaN}')
    assert message.texts == {"place": "?"}
    decoder.decode(b'{"\\ud83d": NaN}').problems[0][2].encode()


def test_a_clock_that_was_never_set_is_no_time():
    decoder = with_frame("{kind: json, ts: {at: ts, unit: s}}", "  level: {unit: m}").decoder()
    message = decoder.decode(b'{"ts": 1.33, "level": 1}')
    assert (message.ts, message.ts_problem, message.values) == (None, None, (1.0,))
    assert decoder.decode(b'{"ts": -1, "level": 1}').ts_problem


def test_a_codec_gives_a_map_and_whatever_goes_wrong_in_it_is_malformed(monkeypatch):
    decoder = with_frame(
        "{kind: codec, name: cayenne-lpp, ports: [1]}",
        "  temperature: {at: 3.temperature, unit: Cel}\n  leak: {at: 1.digital_input, unit: '1', event: alarm}",
    ).decoder()
    message = decoder.decode(bytes.fromhex("03670110 010001"), 1)
    assert (message.values, message.events) == ((27.2, 1.0), ("alarm",))
    assert code_of(decoder, bytes.fromhex("0367"), 1) == code_of(decoder, b"\x01\xaa", 1) == "malformed"
    assert code_of(decoder, bytes.fromhex("03670110"), 2) == "wrong_port"

    def broken(payload, fport):
        raise {1: KeyError, 2: RecursionError, 3: ZeroDivisionError}[fport]

    monkeypatch.setitem(codecs.BUILT_IN, "broken", broken)
    monkeypatch.setitem(codecs.BUILT_IN, "odd", lambda payload, fport: [object(), {1, 2}, None, 7][fport])
    codecs.codec.cache_clear()
    for name in ("broken", "odd"):
        decoder = with_frame(f"{{kind: codec, name: {name}}}", "  level: {unit: m}").decoder()
        for fport in (1, 2, 3):
            assert code_of(decoder, b"", fport) == "malformed"


def test_packages_bring_codecs_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "acme_codecs.py").write_text("def wl_20(payload, fport):\n    return {'level': payload[0] / 10}\n")
    (tmp_path / "acme_codecs-1.dist-info").mkdir()
    (tmp_path / "acme_codecs-1.dist-info" / "METADATA").write_text("Name: acme-codecs\nVersion: 1\n")
    (tmp_path / "acme_codecs-1.dist-info" / "entry_points.txt").write_text(
        "[shouwang.codecs]\nacme-wl-20 = acme_codecs:wl_20\nacme-gone = acme_codecs:gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    decoder = with_frame("{kind: codec, name: acme-wl-20}", "  level: {unit: m}").decoder()
    assert decoder.decode(b"\x05").values == (0.5,)
    with pytest.raises(ProfileError, match="cannot be loaded"):
        with_frame("{kind: codec, name: acme-gone}", "  level: {unit: m}")


@pytest.mark.parametrize(
    ("frame", "points", "said"),
    [
        ("{kind: codec, name: cayenne-lp}", "  level: {unit: m}", "did you mean 'cayenne-lpp'?"),
        ("{kind: json, records: {at: log}}", "  level: {unit: m}", "says nothing of the time"),
        ("{kind: json, records: {at: log, ts: t, points: {depth: d}}}", "  level: {unit: m}", "no such point"),
        ("{kind: json}", "  level: {key: 1, unit: m}", "belongs to keys and senml frames"),
        ("{kind: keys}", "  level: {at: 1, unit: m}", "key path"),
        ("{kind: cbor}", "  level: {type: u16, unit: m}", "belongs to binary frames"),
        ("{kind: senml}", "  level: {at: v, unit: m}", "`sum`"),
        ("{kind: keys, value: v}", "  level: {unit: m}", "without `key`"),
    ],
)
def test_what_does_not_hang_together_is_told(frame, points, said):
    with pytest.raises(ProfileError) as caught:
        with_frame(frame, points)
    assert said in str(caught.value)
    assert "probe.yaml:6" in str(caught.value) or "probe.yaml:8" in str(caught.value)


def test_devices_of_one_profile_share_what_was_compiled():
    found = with_frame("{kind: keys}", TUYA)
    assert found.decoder().plan is found.decoder().plan is found.plan


NESTED = """\
  level: {at: a.b.c, unit: m}
  battery: {at: a.b.d, type: bool, unit: '%'}
  co: {at: e, type: text_number, unit: '[ppm]'}
"""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4),
        max_leaves=8,
    )
)
def test_the_fast_look_and_the_patient_one_see_the_same_in_nested_objects(tree):
    found = with_frame("{kind: json, seq: a.s}", NESTED)
    payload = json.dumps({"a": {"b": tree, "s": 3}, "e": tree}).encode()

    fast, patient = found.decoder().decode(payload), found.plan.patiently(payload, IDLE)
    assert repr(fast) == repr(patient)


def _slowest(decoder, payload):
    """Seconds of this process, the best of some: what others do on the machine is not the decoder's doing."""
    best = math.inf
    for _ in range(20):
        start = time.process_time()
        with contextlib.suppress(DecodeError):
            decoder.decode(payload)
        best = min(best, time.process_time() - start)
    return best


MANY = "\n".join(f"  p{index}: {{unit: m, label: {{zh: 点, en: P}}}}" for index in range(20))
DEEP = "\n".join(f"  p{index}: {{at: a.0.b.{index}, unit: m, label: {{zh: 点, en: P}}}}" for index in range(20))


def _large():
    size = MAX_TEXT_BYTES
    yield "{kind: json}", MANY, b'{"p0":"' + b"\\u00e9" * (size // 6 - 4) + b'"}'
    yield "{kind: json}", MANY, b'{"x":[' + b"[]," * (size // 3 - 5) + b"0]}"
    yield "{kind: json}", MANY, b'{"x":[' + b"{}," * (size // 3 - 8) + b'NaN],"p0":"a"}'
    yield "{kind: json}", MANY, b'{"p0":' + b"9" * (size - 10) + b"}"
    yield "{kind: json}", MANY, b'{"p0":0.' + b"9" * (size - 10) + b"}"
    yield "{kind: json}", MANY, b'{"p0":' + b"[" * (size - 10)
    yield "{kind: json}", MANY, b"{" + b",".join(b'"%x":1' % key for key in range(size // 9)) + b"}"
    yield "{kind: json}", MANY, b'{"p0":"x","x":[1' + b",1e290" * (size // 6 - 4) + b"]}"
    near = MAX_PAYLOAD_BYTES
    yield "{kind: json}", MANY, b'{"x":[' + b"[]," * (near // 3 - 8) + b'0],"p0":1}'
    yield "{kind: json}", MANY, b"{" + b'"p0":1,' * (near // 7 - 2) + b'"p1":1}'
    yield "{kind: json}", MANY, b'{"p0":1,"p1":' + b"9" * (near - 100) + b"}"
    yield "{kind: json}", MANY, b'{"p0":1,"p1":0.' + b"9" * (near - 100) + b"}"
    yield "{kind: json, seq: s}", MANY, b'{"p0":1,"s":' + b"9" * (near - 100) + b"}"
    yield "{kind: json, boot: s}", MANY, b'{"p0":1,"s":"' + b"\\u00e9" * (near // 6 - 100) + b'"}'
    yield "{kind: json, ts: s}", MANY, b'{"p0":1,"s":"' + b"1" * (near - 100) + b'"}'
    yield (
        "{kind: json, records: {at: [], every_s: 1}}",
        DEEP,
        b"[" + b'{"a":[{"b":[1,2]}]},' * 152 + b"{}]",
    )
    yield "{kind: keys, key: k.0, value: v.0}", MANY, b"[" + b'{"k":["p1"],"v":[1]},' * 511 + b"{}]"
    yield "{kind: keys}", MANY, b"{" + b",".join(b'"%x":1' % key for key in range(size // 9)) + b"}"
    yield "{kind: cbor}", MANY, b"\x99\x3f\xf0" + b"\x80" * 0x3FF0
    yield "{kind: cbor}", MANY, b"\xb9\x3f\xf0" + b"\x60\x80" * 0x1FF0
    senml = [{"bn": "a:" * 40, "n": "temp:" * 8 + f"{index}:p1", "v": 1, "t": -(index % 250)} for index in range(512)]
    yield "{kind: senml}", MANY, json.dumps(senml).encode()
    yield "{kind: senml}", MANY, b"[" + b"{}," * (size // 3 - 5) + b"1]"


@pytest.mark.parametrize(
    ("frame", "points", "payload"),
    list(_large()),
    ids=lambda part: str(part)[:40] if isinstance(part, str) else len(part),
)
def test_no_payload_holds_the_decoder_up(frame, points, payload):
    decoder = with_frame(frame, points).decoder()
    assert _slowest(decoder, payload) < 0.030  # three times the limit: see test_worst_payloads


@pytest.mark.parametrize(
    "frame", ["{kind: json}", "{kind: keys}", "{kind: senml}", "{kind: json, records: {at: p0, ts: t}}"]
)
def test_no_depth_of_nesting_gets_a_decoder_out_of_step(frame):
    decoder = with_frame(frame, MANY + "\nstates:\n  p20: {}").decoder()
    for depth in (*range(10, 1100, 30), *range(960, 1040), 30_000):
        for left, right in (("[", "]"), ('{"p0":', "}")):
            nested = left * depth + "1" + right * depth
            for payload in (
                nested,
                f'{{"p0":{nested},"p20":{nested}}}',
                f'[{{"n":"p0","v":{nested}}}]',
                f'{{"x":NaN,"p1":{nested}}}',
            ):
                with contextlib.suppress(DecodeError):
                    decoder.decode(payload.encode())


@pytest.mark.parametrize("digits", [30, 4300, 5000])
@pytest.mark.parametrize("key", ["p0", "p1", "p20", "seq", "boot", "ts"])
def test_no_length_of_a_number_gets_a_decoder_out_of_step(digits, key):
    points = MANY.replace("p1: {", "p1: {map: {a: 1}, ") + "\nstates:\n  p20: {map: {a: b}}\n  p21: {at: p20}"
    for frame in ("{kind: json, ts: ts, seq: seq, boot: boot}", "{kind: keys, ts: ts, seq: seq, boot: boot}"):
        decoder = with_frame(frame, points).decoder()
        for sign in ("", "-"):
            with contextlib.suppress(DecodeError):
                decoder.decode(f'{{"{key}": {sign}{"9" * digits}, "p3": 1}}'.encode())


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_nothing_but_a_decode_error_comes_of_any_bytes(payload):
    for decoder in TEXT_DECODERS:
        with contextlib.suppress(DecodeError):
            decoder.decode(payload)


TEXT_DECODERS = [
    with_frame(frame, "  p0: {unit: m, label: {zh: 点, en: P}}\nstates:\n  p1: {}").decoder()
    for frame in (
        "{kind: json, ts: t, seq: s, boot: b}",
        "{kind: json, records: {at: [], ts: {at: t, zone: '+08:00'}}}",
        "{kind: cbor, ts: t, seq: s, boot: b}",
        "{kind: keys, key: k, ts: {at: t, unit: s}}",
        "{kind: senml, encoding: both}",
        "{kind: codec, name: cayenne-lpp}",
    )
]
