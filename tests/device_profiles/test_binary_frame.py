"""Binary payloads: numbers at fixed places and after tags, and everything that can be wrong with them."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_yaml import with_frame

from device_profiles.decoder import Code, DecodeError
from device_profiles.frames.layout import CHECKSUMS, crc16_ccitt, crc16_modbus
from device_profiles.library import Library

LIBRARY = Library.load()
BINARY = [profile.name for profile in LIBRARY if profile.frame in ("struct", "tlv", "registers")]


def decode(decoder, payload, fport=None):
    message = decoder.decode(bytes.fromhex(payload) if isinstance(payload, str) else payload, fport)
    found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    return {name: value for name, value in found.items() if value is not None}, message


def code_of(decoder, payload, fport=None):
    with pytest.raises(DecodeError) as caught:
        decode(decoder, payload, fport)
    return caught.value.code


def other(name, body):
    return f"  {name}: {{{body}, unit: '1', label: {{zh: 值, en: Value}}}}"


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("kind", ["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64"])
@settings(max_examples=25)
@given(data=st.data())
def test_integers_of_every_size_sign_and_order(order, kind, data):
    size = int(kind[1:]) // 8
    low, high = (0, 2 ** (8 * size)) if kind[0] == "u" else (-(2 ** (8 * size - 1)), 2 ** (8 * size - 1))
    number = data.draw(st.integers(low, high - 1))
    decoder = with_frame(f"{{kind: struct, order: {order}}}", other("x", f"at: 1, type: {kind}")).decoder()
    payload = b"\x7e" + number.to_bytes(size, order, signed=kind[0] == "i")
    assert decode(decoder, payload)[0] == {"x": float(number)}


@given(st.floats(width=32, allow_nan=False))
def test_floating_point(number):
    decoder = with_frame("{kind: struct, order: little}", other("x", "at: 0, type: f32")).decoder()
    assert decode(decoder, struct.pack("<f", number))[0] == {"x": number}


def test_places_may_overlap_and_stand_in_any_order():
    points = "\n".join(
        [
            other("high", "at: 0, type: u8, mask: 0xF0, shift: 4"),
            other("both", "at: 0, type: u16"),
            other("low", "at: 0, type: u8, mask: 0x0F"),
            other("middle", "at: 1, type: u24"),
        ]
    )
    decoder = with_frame("{kind: struct}", points).decoder()
    assert decode(decoder, "A5010203")[0] == {"high": 10.0, "both": 0xA501, "low": 5.0, "middle": 0x010203}


def test_binary_coded_decimals_and_digits_that_are_none():
    decoder = with_frame("{kind: struct}", other("x", "at: 0, type: bcd16")).decoder()
    assert decode(decoder, "1234")[0] == {"x": 1234.0}
    assert decode(decoder, "12A4")[0] == {}


def test_tenths_come_out_as_tenths():
    decoder = with_frame("{kind: struct}", "  temperature: {at: 0, type: i16, scale: 0.1, unit: Cel}").decoder()
    assert [decode(decoder, payload)[0]["temperature"] for payload in ("0101", "FFCE", "0003")] == [25.7, -5.0, 0.3]


def test_the_lengths_that_a_model_sends():
    exact = with_frame("{kind: struct, length: [3, 5]}", other("x", "at: 0, type: u8")).decoder()
    assert [code_of(exact, "00" * size) for size in (0, 1, 2, 4, 6)] == [Code.WRONG_LENGTH] * 5
    assert decode(exact, "010000")[0] == {"x": 1.0}
    span = with_frame("{kind: struct, min_length: 2, max_length: 3}", other("x", "at: 0, type: u8")).decoder()
    assert [code_of(span, "00" * size) for size in (1, 4)] == [Code.WRONG_LENGTH] * 2
    natural = with_frame("{kind: struct}", other("x", "at: 2, type: u16")).decoder()
    assert code_of(natural, "000000") is Code.WRONG_LENGTH


def test_a_value_that_shorter_messages_leave_out():
    points = other("x", "at: 0, type: u8") + "\n" + other("y", "at: 1, type: u16, optional: true")
    decoder = with_frame("{kind: struct}", points).decoder()
    assert decode(decoder, "07")[0] == {"x": 7.0}
    assert decode(decoder, "0701")[0] == {"x": 7.0}
    assert decode(decoder, "070102")[0] == {"x": 7.0, "y": 258.0}


def test_ports():
    decoder = with_frame("{kind: struct, ports: [2, 3], other_ports: [9]}", other("x", "at: 0, type: u8")).decoder()
    assert decode(decoder, "07", 3)[0] == {"x": 7.0}
    assert decode(decoder, "07", None)[0] == {"x": 7.0}, "not known is not wrong"
    assert decode(decoder, "07", 9)[0] == {}
    assert code_of(decoder, "07", 4) is Code.WRONG_PORT


def test_when_the_value_is_there_only_in_some_messages():
    body = "at: 1, type: u8, when: {at: 0, mask: 0x03, equals: [1, 2]}"
    decoder = with_frame("{kind: struct}", other("x", body)).decoder()
    assert [decode(decoder, payload)[0] for payload in ("0107", "FE07", "0007", "0307")] == [
        {"x": 7.0},
        {"x": 7.0},
        {},
        {},
    ]


GROUPS = "{kind: struct, groups: {flags: {at: 0, type: u8}, start: 1, sizes: [2, 3, 1]}}"


def test_presence_bits_say_which_groups_are_there():
    points = "\n".join(
        [
            other("a", "group: 0, at: 0, type: u16"),
            other("b", "group: 1, at: 1, type: u16, bias: -32768, scale: 0.1"),
            other("c", "group: 2, at: 0, type: u8"),
        ]
    )
    decoder = with_frame(GROUPS, points).decoder()
    assert decode(decoder, "07 0102 EE8081 09")[0] == {"a": 258.0, "b": 12.9, "c": 9.0}
    assert decode(decoder, "04 09")[0] == {"c": 9.0}
    assert decode(decoder, "00")[0] == {}
    for wrong in ("", "07", "07 0102 EE8081", "04 09 00", "00 01"):
        assert code_of(decoder, wrong) is Code.WRONG_LENGTH


def test_markers():
    decoder = with_frame('{kind: struct, match: [{at: 0, bytes: "A5 5A"}]}', other("x", "at: 2, type: u8")).decoder()
    assert decode(decoder, "A55A07")[0] == {"x": 7.0}
    assert code_of(decoder, "A55B07") is Code.WRONG_MARKER


def test_published_check_values_of_the_checksums():
    assert crc16_modbus(b"123456789") == 0x4B37
    assert crc16_ccitt(b"123456789") == 0x29B1


@pytest.mark.parametrize("kind", sorted(CHECKSUMS))
@pytest.mark.parametrize("frame", ["struct", "tlv"])
@settings(max_examples=25)
@given(value=st.integers(0, 255), flip=st.integers(0, 7))
def test_one_wrong_bit_is_a_bad_checksum(frame, kind, value, flip):
    place = "at: 1, type: u8" if frame == "struct" else 'tag: "01", type: u8'
    decoder = with_frame(f"{{kind: {frame}, checksum: {{kind: {kind}}}}}", other("x", place)).decoder()
    function, size = CHECKSUMS[kind]
    body = bytes([1, value])
    sent = body + function(body).to_bytes(size, "big")
    assert decode(decoder, sent)[0] == {"x": float(value)}
    broken = bytes([1, value ^ (1 << flip)]) + sent[2:]
    assert code_of(decoder, broken) is Code.BAD_CHECKSUM
    assert code_of(decoder, sent[-size:][:1] if size == 2 else b"") is Code.WRONG_LENGTH


def test_time_and_counter_of_a_struct():
    frame = "{kind: struct, ts: {at: 0, type: u32, unit: s}, seq: {at: 4, type: u8, mask: 0x7F}}"
    decoder = with_frame(frame, other("x", "at: 5, type: u8")).decoder()
    _, message = decode(decoder, "6A21 0000 85 07".replace(" ", ""))
    assert message.ts == 0x6A210000 * 1000
    assert message.seq == 5


def test_tags_with_a_length_let_unknown_ones_be_passed_over():
    decoder = with_frame("{kind: tlv, length: u8}", '  level: {tag: "01", type: u16, scale: 0.01, unit: m}').decoder()
    assert decode(decoder, "FF 03 AABBCC 01 02 00C8")[0] == {"level": 2.0}
    assert decode(decoder, "01 04 00C8 FFFF")[0] == {"level": 2.0}, "a longer value than needed"
    assert code_of(decoder, "01 01 C8") is Code.WRONG_LENGTH
    assert code_of(decoder, "01 05 00C8") is Code.WRONG_LENGTH
    assert code_of(decoder, "01") is Code.WRONG_LENGTH


def test_an_unknown_tag_without_a_length_ends_the_reading_and_is_told():
    decoder = with_frame("{kind: tlv}", '  level: {tag: "01", type: u8, unit: m}').decoder()
    values, message = decode(decoder, "0102 77 0103")
    assert values == {"level": 2.0}
    assert message.problems == (("", "unknown_tag", "tag 77 at byte 2; the rest was not read"),)


def test_the_last_of_two_values_of_one_tag_counts():
    decoder = with_frame("{kind: tlv}", '  level: {tag: "01", type: u8, unit: m}').decoder()
    assert decode(decoder, "01020103")[0] == {"level": 3.0}


@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=20)
@given(payload=st.binary(max_size=64), fport=st.none() | st.integers(-1, 300))
def test_no_payload_makes_a_decoder_raise_anything_but_its_error(name, payload, fport):
    decoder = LIBRARY[name].decoder({"mounting_height_m": 3.0})
    with contextlib.suppress(DecodeError):
        message = decoder.decode(payload, fport)
        assert len(message.values) == len(decoder.points)
        assert all(value is None or isinstance(value, float) for value in message.values)


@pytest.mark.parametrize("profile", [LIBRARY[name] for name in BINARY], ids=lambda profile: profile.name)
@settings(max_examples=20)
@given(data=st.data())
def test_a_real_message_cut_or_mangled_never_raises_anything_else(profile, data):
    sample = data.draw(st.sampled_from([example.payload for example in profile.examples if example.payload]))
    mangled = bytearray(sample[: data.draw(st.integers(0, len(sample)))] + data.draw(st.binary(max_size=8)))
    if mangled:
        mangled[data.draw(st.integers(0, len(mangled) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DecodeError):
        profile.decoder().decode(bytes(mangled))


def test_a_model_is_compiled_once_for_all_its_devices():
    for name in BINARY:
        profile = LIBRARY[name]
        one, other_ = profile.decoder(), profile.decoder()
        assert one.plan is other_.plan is profile.plan
        assert one.decode.__code__ is other_.decode.__code__
