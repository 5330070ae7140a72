"""Decoding many messages at once says exactly what decoding each by itself says."""

import math
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from profile_yaml import with_frame

from device_profiles.decoder import DecodeError, Message
from device_profiles.frames.columns import NONE
from device_profiles.frames.struct_batch import suits
from device_profiles.frames.struct_frame import StructPlan
from device_profiles.library import Library
from device_profiles.many import FEWEST, decode_columns, decode_many

LIBRARY = Library.load()
BATCHED = [profile for profile in LIBRARY if isinstance(profile.plan, StructPlan) and suits(profile.plan)]


def alone(decoder, payload, fport):
    try:
        return decoder.decode(payload, fport)
    except DecodeError as error:
        return error


def same(one, other):
    """Equal, NaN being equal to NaN."""
    if isinstance(one, DecodeError):
        return isinstance(other, DecodeError) and (one.code, one.message) == (other.code, other.message)
    if not isinstance(other, Message):
        return False
    values = all(
        left == right or (left is not None and right is not None and math.isnan(left) and math.isnan(right))
        for left, right in zip(one.values, other.values, strict=True)
    )
    return values and replace(one, values=()) == replace(other, values=())


def agree(decoders, payloads, fports):
    found = decode_many(decoders, payloads, fports)
    assert len(found) == len(payloads)
    for decoder, payload, fport, answer in zip(decoders, payloads, fports, found, strict=True):
        expected = alone(decoder, payload, fport)
        assert same(expected, answer), (payload.hex(), fport, expected, answer)


def columns_agree(profile, decoders, payloads, fports):
    columns = decode_columns(profile, decoders, payloads, fports)
    for row, (decoder, payload, fport) in enumerate(zip(decoders, payloads, fports, strict=True)):
        expected = alone(decoder, payload, fport)
        if isinstance(expected, DecodeError):
            assert not columns.decoded[row]
            assert same(expected, columns.singly[row])
            continue
        assert columns.decoded[row]
        values = [
            value if there else None
            for value, there in zip(columns.values[row].tolist(), columns.present[row].tolist(), strict=True)
        ]
        said = Message(
            None if columns.ts[row] == NONE else int(columns.ts[row]),
            None,
            None if columns.seq[row] == NONE else int(columns.seq[row]),
            None,
            tuple(values),
            {name: words[row] for name, words in columns.texts.items() if words[row] is not None},
            tuple(event for event in expected.events if columns.events[event][row]),
            (),
        )
        assert sum(flags[row] for flags in columns.events.values()) == len(expected.events)
        if row in columns.singly:
            assert same(expected, columns.singly[row])
            expected = replace(expected, ts_problem=None, boot=None, problems=(), earlier=(), age_s=None)
        assert same(expected, said), (payload.hex(), fport, expected, said)
    return columns


@st.composite
def mangled(draw, samples):
    """A message of a model: as it was, cut off, with a few other bytes, or noise of its length."""
    sample = draw(st.sampled_from(samples))
    match draw(st.integers(0, 4)):
        case 0:
            return sample
        case 1:
            return sample[: draw(st.integers(0, len(sample)))]
        case 2:
            return draw(st.binary(min_size=len(sample), max_size=len(sample)))
        case 3:
            return draw(st.binary(max_size=40))
    changed = bytearray(sample)
    for _ in range(draw(st.integers(1, 3)) if sample else 0):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


@pytest.mark.parametrize("profile", LIBRARY, ids=lambda profile: profile.name)
@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_a_batch_says_what_each_by_itself_says(profile, data):
    samples = [example.payload for example in profile.examples]
    kinds = data.draw(st.lists(mangled(samples), min_size=1, max_size=20))
    ports = [example.fport for example in profile.examples] + [None, 0, 300]
    fports = data.draw(st.lists(st.sampled_from(ports), min_size=1, max_size=6))
    heights = data.draw(st.lists(st.floats(-1e6, 1e6) | st.just(0.0), min_size=1, max_size=3))
    devices = [profile.decoder({parameter.name: height for parameter in profile.parameters}) for height in heights]
    devices.append(profile.decoder())
    count = FEWEST + 20 if profile in BATCHED else len(kinds)
    batch = (
        [devices[index % len(devices)] for index in range(count)],
        [kinds[index % len(kinds)] for index in range(count)],
        [fports[index % len(fports)] for index in range(count)],
    )
    agree(*batch)
    columns_agree(profile, *batch)


def test_some_models_of_the_library_are_decoded_by_columns():
    assert BATCHED


def test_devices_of_many_models_in_one_call_keep_their_order():
    every = [(profile.decoder(), example) for profile in LIBRARY for example in profile.examples]
    mixed = every[::2] + every[1::2]
    agree(*zip(*((decoder, example.payload, example.fport) for decoder, example in mixed), strict=True))


def test_nothing_to_decode():
    assert decode_many([], [], []) == []


FRAME = """{kind: struct, length: 16, order: little, ports: [2, 3], other_ports: [9], match: [{at: 0, bytes: "A5"}],
  ts: {at: 1, type: u32, unit: s}, seq: {at: 5, type: u8, mask: 0x7F}}"""
POINTS = """\
  distance: {at: 6, type: u16, scale: 0.001, missing: [0xFFFF, 0xFFFE], unit: m}
  temperature: {at: 8, type: i16, scale: 0.1, unit: Cel, when: {at: 5, mask: 0x80, equals: 128}}
  alarm: {at: 10, type: u8, mask: 0x03, map: {0: 0, 1: 1, 2: 2}, unit: "1", event: {1: alarm, 2: fault}}
  low_battery: {at: 10, type: u8, mask: 0x80, unit: "1", event: low_battery, label: {zh: 电, en: Low}}
  tilt: {at: 10, type: u16, mask: 0x0FF0, shift: 4, sign: twos_complement, scale: -0.5, unit: deg}
  pressure: {at: 12, type: f32, unit: kPa, event: test}
  level: {formula: height - distance, unit: m}
  share: {formula: (height + tilt) / temperature, unit: "1", label: {zh: 比, en: Share}}
states:
  mode: {at: 5, type: u8, mask: 0x03, map: {0: idle, 1: busy, 2: broken}, event: {broken: fault}}
  raw: {at: 11, type: u8, missing: [7]}
parameters:
  height: {unit: m, label: {zh: 高, en: Height}}"""


@settings(max_examples=60)
@given(data=st.data())
def test_everything_that_a_struct_may_hold_comes_out_of_columns_too(data):
    profile = with_frame(FRAME, POINTS)
    assert isinstance(profile.plan, StructPlan)
    assert suits(profile.plan)
    edges = st.sampled_from([0, 1, 2, 3, 7, 127, 128, 129, 254, 255])
    body = st.lists(edges | st.integers(0, 255), min_size=15, max_size=15).map(lambda some: b"\xa5" + bytes(some))
    reals = st.tuples(body, st.floats(width=32)).map(lambda pair: pair[0][:12] + struct.pack("<f", pair[1]))
    some = data.draw(st.lists(body | reals | st.binary(max_size=17), min_size=1, max_size=30))
    devices = [profile.decoder({"height": 3.0}), profile.decoder({"height": -2.5}), profile.decoder()]
    count = max(FEWEST + 20, len(some))
    columns_agree(
        profile,
        [devices[index % 3] for index in range(count)],
        [some[index % len(some)] for index in range(count)],
        [(None, 2, 9, 4, 3)[index % 5] for index in range(count)],
    )


def test_plain_messages_of_one_model_are_not_decoded_singly():
    profile = with_frame(FRAME, POINTS)
    high, low = profile.decoder({"height": 3.0}), profile.decoder({"height": -2.5})
    payload = bytes.fromhex("A5 00000070 80 E803 0100 01 00 0000803F".replace(" ", ""))
    assert high.decode(payload, 2).events == ("test", "alarm")
    columns = columns_agree(profile, [high, low] * FEWEST, [payload] * 2 * FEWEST, [2] * 2 * FEWEST)
    assert columns.singly == {}
    assert columns.decoded.all()


def test_an_error_in_a_batch_holds_no_frames():
    decoder = with_frame("{kind: struct, length: 2}", '  battery: {at: 0, type: u8, unit: "%"}').decoder()
    found = decode_many([decoder] * 3, [b"\x01"] * 3, [None] * 3)
    assert all(isinstance(answer, DecodeError) and answer.__traceback__ is None for answer in found)
