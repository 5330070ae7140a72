"""SenML: packs resolve as RFC 8428 says, in JSON and in CBOR, and become messages."""

import contextlib
import json
import math

import cbor2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from profile_yaml import with_frame

from device_profiles.decoder import MAX_EARLIER, DecodeError
from device_profiles.frames.senml import MAX_RECORDS, Resolved, SenmlError, resolve

LABELS = {
    "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "bver": -1,
    "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8,
}  # fmt: skip
POINTS = """\
  temperature: {key: temp, unit: Cel, valid: [-40, 85]}
  humidity: {key: [hum, humidity], unit: "%"}
  alarm: {key: smoke, unit: "1", event: alarm}
  level: {key: total, at: sum, unit: m}
"""


def decoder(encoding="both", points=POINTS):
    return with_frame(f"{{kind: senml, encoding: {encoding}}}", points).decoder()


def named(decoder, message):
    found = zip(decoder.points, message.values, strict=True)
    return {point.name: value for point, value in found if value is not None}


def as_cbor(pack):
    return cbor2.dumps([{LABELS.get(label, label): value for label, value in record.items()} for record in pack])


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["ex1", "ex2", "ex3", "ex4"])
@pytest.mark.parametrize("form", [list, lambda pack: cbor2.loads(as_cbor(pack))], ids=["json", "cbor"])
def test_the_packs_of_the_specification_resolve_as_published(data_dir, name, form):
    pack = json.loads((data_dir / "senml" / f"{name}.json").read_text(encoding="utf-8"))
    published = json.loads((data_dir / "senml" / f"{name}.gen.resolved.json").read_text(encoding="utf-8"))
    resolved = resolve(form(pack), now=1.498780179e09)
    assert [one.name for one in resolved] == [record["n"] for record in published]
    assert [one.unit for one in resolved] == [record["u"] for record in published]
    assert [one.value for one in resolved] == [record["v"] for record in published]
    assert [one.time for one in resolved] == pytest.approx([record["t"] for record in published], abs=1e-6)


def one(*records, now=None):
    return resolve(records, now)[-1]


def test_base_values_hold_until_they_are_set_anew():
    found = resolve(
        [
            {"bn": "a:", "bt": 1.7e9, "bu": "Cel", "bv": 20, "bs": 100, "n": "x", "v": 1},
            {"n": "y", "u": "V", "v": 2, "s": 5, "t": 10},
            {"bn": "b:", "bt": 1.8e9, "n": "x", "vb": True},
        ]
    )
    assert found == [
        Resolved("a:x", "Cel", 1.7e9, value=21, sum=100),
        Resolved("a:y", "V", 1.7e9 + 10, value=22, sum=105),
        Resolved("b:x", "Cel", 1.8e9, flag=True, sum=100),
    ]


def test_a_base_value_is_no_text_and_stands_alone_where_no_value_is():
    assert one({"bv": 5, "n": "x", "vs": "on"}).value is None
    assert one({"bv": 5, "n": "x"}).value == 5
    assert one({"bn": "x", "bv": 5}, {"n": "y", "v": 1}).value == 6


def test_a_record_that_only_sets_base_values_is_no_measurement():
    assert [found.name for found in resolve([{"bn": "dev:"}, {"n": "x", "v": 1}])] == ["dev:x"]
    assert resolve([{"bn": "dev:"}]) == []


@pytest.mark.parametrize(
    ("time", "now", "expected"),
    [
        (0, None, 0),
        (-5, None, -5),
        (-5, 1.7e9, 1.7e9 - 5),
        (2**28 - 1, 1.7e9, 1.7e9 + 2**28 - 1),
        (2**28, 1.7e9, 2**28),
    ],
)
def test_times_below_two_to_the_28_count_from_now(time, now, expected):
    assert one({"n": "x", "v": 1, "t": time}, now=now).time == expected
    assert one({"n": "x", "v": 1, "bt": time - 3, "t": 3}, now=now).time == expected


def test_unknown_labels_are_ignored_unless_they_must_be_understood():
    assert one({"n": "x", "v": 1, "foo": {}, 99: 1}).value == 1
    with pytest.raises(SenmlError, match="foo_"):
        one({"n": "x", "v": 1, "foo_": 0})


@pytest.mark.parametrize(
    ("pack", "why"),
    [
        ([{"n": "x", "v": 1, "bver": 11}], "version 11"),
        ([{"n": "x", "v": 1, "bver": 0}], "bver"),
        ([{"n": "x", "v": 1, "bver": 1.5}], "bver"),
        ([{"n": "x", "v": 1, "bver": 5}, {"n": "x", "v": 1, "bver": 6}], "record 2: version 6"),
        ([{"n": "x", "v": 1}, {"n": "x", "v": 1, "bver": 5}], "record 2: version 5"),
        ([{"v": 1}], "no name"),
        ([{"n": ":x", "v": 1}], "a name"),
        ([{"bn": "ok", "n": "a b", "v": 1}], "a name"),
        ([{"n": "x", "v": 1, "vs": "on"}], "one value"),
        ([{"n": "x"}], "neither"),
        ([{"n": "x", "v": "1"}], "v is no number"),
        ([{"n": "x", "v": True}], "v is no number"),
        ([{"n": "x", "vb": 1}], "vb"),
        ([{"n": 5, "v": 1}], "n is no text"),
        ([{"n": "x", "vd": "a"}], "vd"),
        ([{"n": "x", "v": 1, "t": math.inf}], "not finite"),
        ([{"n": "x", "v": 10**400}], "too large"),
        ([{"n": "x", "v": 1, "bt": 1e308, "t": 1e308}], "too large"),
        (["x"], "no map"),
        ([], "empty"),
        ([{"n": "x", "v": 1}] * (MAX_RECORDS + 1), "more than"),
    ],
)
def test_what_must_not_be_used_says_why(pack, why):
    with pytest.raises(SenmlError, match=why):
        resolve(pack)


def test_data_is_base64url_without_padding():
    assert one({"n": "x", "vd": "-_8"}).data == b"\xfb\xff"
    assert one({0: "x", 8: b"\xfb\xff"}).data == b"\xfb\xff"


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e12)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:./_-]{0,8}", fullmatch=True)
values = st.one_of(
    st.fixed_dictionaries({"v": numbers}),
    st.fixed_dictionaries({"vs": st.text(max_size=5)}),
    st.fixed_dictionaries({"vb": st.booleans()}),
    st.fixed_dictionaries({"s": numbers}),
)
extras = st.fixed_dictionaries(
    {},
    optional={"bn": names, "bt": numbers, "bu": st.just("Cel"), "bv": numbers, "bs": numbers}
    | {"u": st.just("V"), "t": numbers, "ut": numbers, "bver": st.just(10), "more": st.booleans()},
)
packs = st.lists(
    st.builds(lambda name, value, extra: {"n": name} | value | extra, names, values, extras), min_size=1, max_size=6
)


@given(packs)
def test_what_is_resolved_stays_as_it_is(pack):
    resolved = resolve(pack)
    assert resolve(resolved) == resolved
    assert resolve([found.record() for found in resolved]) == resolved


@given(packs)
def test_resolving_for_a_moment_is_the_same_before_and_after(pack):
    late = resolve(resolve(pack), now=1.79e9)
    assert late == resolve(pack, now=1.79e9)
    assume(all(found.time >= 2**28 for found in late))
    assert resolve(late, now=5e9) == late


@given(packs)
def test_json_and_cbor_say_the_same(pack):
    assert resolve(cbor2.loads(as_cbor(pack))) == resolve(pack)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*LABELS, *LABELS.values(), "x_", "y"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_nothing_but_a_decode_error_comes_of_any_item(item):
    payloads = [cbor2.dumps(item)]
    with contextlib.suppress(TypeError):
        payloads.append(json.dumps(item).encode())
    for payload in payloads:
        for encoding in ("json", "cbor", "both"):
            with contextlib.suppress(DecodeError):
                DECODERS[encoding].decode(payload)


DECODERS = {encoding: decoder(encoding) for encoding in ("json", "cbor", "both")}


def test_the_newest_time_is_the_message_and_the_others_come_before_it():
    pack = [
        {"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1_795_329_171.25, "n": "temp", "u": "Cel", "v": 21.5},
        {"n": "hum", "v": 40},
        {"n": "temp", "v": 21.0, "t": -10},
        {"n": "temp", "v": 20.5, "t": -20},
        {"n": "rssi", "v": -70, "t": 5},
    ]
    for payload in (json.dumps(pack).encode(), as_cbor(pack)):
        message = DECODERS["both"].decode(payload)
        assert (message.ts, named(DECODERS["both"], message)) == (
            1_795_329_171_250,
            {"temperature": 21.5, "humidity": 40.0},
        )
        assert [(record.ts, record.values[0]) for record in message.earlier] == [
            (1_795_329_151_250, 20.5),
            (1_795_329_161_250, 21.0),
        ]


def test_times_from_now_become_ages():
    pack = [{"n": "temp", "v": 3, "t": -2}, {"n": "temp", "v": 2, "t": -7}, {"n": "temp", "v": 1, "t": 1_795_329_171}]
    message = DECODERS["json"].decode(json.dumps(pack).encode())
    assert (message.ts, message.age_s, message.values[0]) == (None, 2, 3.0)
    assert [(record.ts, record.age_s) for record in message.earlier] == [(1_795_329_171_000, None), (None, 5)]
    now = DECODERS["json"].decode(b'[{"n": "temp", "v": 3}]')
    assert (now.ts, now.age_s, now.earlier) == (None, None, ())


def test_names_end_at_a_separator_or_stand_in_the_record_itself():
    found = decoder()
    assert named(found, found.decode(b'[{"n": "room/temp", "v": 1}]')) == {"temperature": 1.0}
    assert named(found, found.decode(b'[{"bn": "room", "n": "temp", "v": 1}]')) == {"temperature": 1.0}
    message = found.decode(b'[{"n": "roomtemp", "v": 1}]')
    assert message.problems == (("", "nothing_known", "keys roomtemp"),)
    any_name = decoder(points="  temperature: {key: '*', unit: Cel}")
    assert any_name.decode(b'[{"n": "urn:dev:ow:10e2073a01080063", "v": 23.1}]').values == (23.1,)


def test_records_of_one_name_may_differ_by_their_unit():
    points = "  humidity: {key: '*', sent_unit: '%RH', unit: '%'}\n  battery: {key: '*', sent_unit: '%EL', unit: '%'}"
    found = decoder(points=points)
    pack = b'[{"bn": "urn:dev:ow:10e2073a01080063", "bt": 1320067464, "bu": "%RH"}, {"v": 20}, {"v": 98, "u": "%EL"}]'
    message = found.decode(pack)
    assert (message.ts, message.values) == (1_320_067_464_000, (20.0, 98.0))


def test_flags_sums_and_events():
    found = decoder()
    message = found.decode(b'[{"n": "smoke", "vb": true}, {"n": "total", "s": 4.5}]')
    assert named(found, message) == {"alarm": 1.0, "level": 4.5}
    assert message.events == ("alarm",)


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[]", b"[1]", b'[{"n":"temp","v":1,"bver":12}]', b"\xff", b"\x80", b"["]
)
def test_a_bad_pack_is_malformed(payload):
    for found in DECODERS.values():
        with pytest.raises(DecodeError) as caught:
            found.decode(payload)
        assert caught.value.code == "malformed"


def test_too_many_times_are_refused():
    pack = [{"n": "temp", "v": 1, "t": -index} for index in range(MAX_EARLIER + 1)]
    with pytest.raises(DecodeError, match="times"):
        DECODERS["json"].decode(json.dumps(pack).encode())
