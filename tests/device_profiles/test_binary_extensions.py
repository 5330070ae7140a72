"""Records of the past, registers, values at several places, by port, signed in few bits, in texts."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_yaml import with_frame

from device_profiles.decoder import MAX_EARLIER, Code, DecodeError
from device_profiles.error import ProfileError

T0 = 0x386D4400 * 1000  # the first instant of 2000 that ends in two zero bytes
LEVEL = "  level: {{{}, unit: m}}"


def other(name, body):
    return f"  {name}: {{{body}, unit: '1', label: {{zh: 值, en: Value}}}}"


def named(decoder, message):
    found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    return {name: value for name, value in found.items() if value is not None}


def decode(decoder, payload, fport=None):
    return decoder.decode(bytes.fromhex(payload), fport)


def values(decoder, payload, fport=None):
    return named(decoder, decode(decoder, payload, fport))


def code_of(decoder, payload, fport=None):
    with pytest.raises(DecodeError) as caught:
        decode(decoder, payload, fport)
    return caught.value.code


def refused(frame, points):
    with pytest.raises(ProfileError) as caught:
        with_frame(frame, points)
    return str(caught.value)


# records of the past

TLV_RECORDS = """{kind: tlv, tag_bytes: 2, order: little, records: {tag: "20ce", ts: {at: 0, type: u32, unit: s},
  points: {distance: 4, alarm: {at: 6, type: u8}}}}"""
TLV_POINTS = """\
  distance: {tag: "0382", type: u16, scale: 0.001, unit: m}
  alarm: {tag: "0500", type: u8, unit: "1", event: alarm}
  level: {formula: height - distance, unit: m}
parameters:
  height: {unit: m, default: 5, label: {zh: 高, en: Height}}"""


def test_records_in_tags_come_oldest_first_each_with_its_time_and_derived_values():
    decoder = with_frame(TLV_RECORDS, TLV_POINTS).decoder()
    message = decode(decoder, "0382 E803  20CE 64446D38 D007 01  20CE 32446D38 B80B 00")
    assert message.ts is None
    assert named(decoder, message) == {"distance": 1.0, "level": 4.0}
    assert [record.ts for record in message.earlier] == [T0 + 50_000, T0 + 100_000]
    assert [named(decoder, record) for record in message.earlier] == [
        {"distance": 3.0, "alarm": 0.0, "level": 2.0},
        {"distance": 2.0, "alarm": 1.0, "level": 3.0},
    ]
    assert [record.events for record in message.earlier] == [(), ("alarm",)]


def test_a_message_of_records_alone_is_its_newest_record():
    decoder = with_frame(TLV_RECORDS, TLV_POINTS).decoder({"height": 4})
    message = decode(decoder, "20CE 64446D38 D007 01  20CE 32446D38 B80B 00")
    assert (message.ts, named(decoder, message)) == (T0 + 100_000, {"distance": 2.0, "alarm": 1.0, "level": 2.0})
    assert [record.ts for record in message.earlier] == [T0 + 50_000]


def test_a_record_that_is_cut_off_is_a_wrong_length():
    decoder = with_frame(TLV_RECORDS, TLV_POINTS).decoder()
    for payload in ("20CE 64446D38 D007", "20CE 64446D38", "20CE", "20", "0382 E803 20CE 64"):
        assert code_of(decoder, payload) is Code.WRONG_LENGTH


def test_records_that_follow_one_another_in_one_tag():
    records = '{tag: "07", repeat: true, ts: {at: 0, type: u32, unit: s}, points: {level: 4}}'
    frame = f"{{kind: tlv, length: u8, records: {records}}}"
    decoder = with_frame(frame, LEVEL.format('tag: "01", type: u8')).decoder()
    message = decode(decoder, "01 01 09  07 0A 386D4405 01 386D4407 02  FF 00")
    assert [(record.ts, record.values) for record in message.earlier] == [(T0 + 5000, (1.0,)), (T0 + 7000, (2.0,))]
    assert code_of(decoder, "07 09 386D4405 01 386D4407") is Code.WRONG_LENGTH
    bare = frame.replace("length: u8, ", "")
    decoder = with_frame(bare, LEVEL.format('tag: "01", type: u8')).decoder()
    assert [record.ts for record in decode(decoder, "01 09  07 386D4405 01 386D4407 02").earlier] == [
        T0 + 5000,
        T0 + 7000,
    ]
    assert code_of(decoder, "01 09  07 386D4405 01 386D4407") is Code.WRONG_LENGTH


def test_records_of_a_struct_with_times_of_their_own_on_a_port_of_their_own():
    frame = (
        "{kind: struct, ports: [2, 3], records: {start: 0, size: 5, ts: {at: 0, type: u32, unit: s}, "
        "points: {level: {at: 4}}, ports: [3]}}"
    )
    decoder = with_frame(frame, LEVEL.format("at: 0, type: u8, ports: [2]")).decoder()
    assert decode(decoder, "07", 2).values == (7.0,)
    assert decode(decoder, "07").values == (7.0,), "an unknown port counts as the first"
    message = decode(decoder, "386D4464 01  386D4432 02", 3)
    assert (message.ts, message.values) == (T0 + 100_000, (1.0,))
    assert [(record.ts, record.values) for record in message.earlier] == [(T0 + 50_000, (2.0,))]
    assert code_of(decoder, "386D4464 01 000000", 3) is Code.WRONG_LENGTH


def test_a_clock_that_was_never_set_tells_no_time():
    frame = "{kind: struct, ts: {at: 0, type: u32, unit: s}}"
    decoder = with_frame(frame, LEVEL.format("at: 4, type: u8")).decoder()
    message = decode(decoder, "00000064 07")
    assert (message.ts, message.ts_problem, message.values) == (None, None, (7.0,))


def test_records_at_a_fixed_distance_count_back_from_the_message():
    frame = (
        "{{kind: struct, {}records: {{start: 5, size: 1, every_s: 60, newest_first: {}, count: {{at: 4, type: u8}}, "
        "points: {{level: 0}}}}}}"
    )
    timed = "ts: {at: 0, type: u32, unit: s}, "
    point = LEVEL.format("at: 3, type: u8")
    newest_first = with_frame(frame.format(timed, "true"), point).decoder()
    message = decode(newest_first, "386D4464 02 0A 0B")
    assert [(record.ts, record.values) for record in message.earlier] == [
        (T0 - 20_000, (11.0,)),
        (T0 + 40_000, (10.0,)),
    ]
    oldest_first = with_frame(frame.format("", "false"), point).decoder()
    message = decode(oldest_first, "386D4464 02 0A 0B")
    assert [(record.ts, record.age_s, record.values) for record in message.earlier] == [
        (None, 120, (10.0,)),
        (None, 60, (11.0,)),
    ]
    assert code_of(oldest_first, "386D4464 03 0A 0B") is Code.WRONG_LENGTH
    assert decode(oldest_first, "386D4464 00").earlier == ()


def test_more_records_than_are_read_are_an_error():
    frame = "{kind: struct, records: {start: 0, size: 1, points: {level: 0}}}"
    decoder = with_frame(frame, LEVEL.format("at: 0, type: u8, optional: true")).decoder()
    assert len(decode(decoder, "07" * MAX_EARLIER).earlier) == MAX_EARLIER
    assert code_of(decoder, "07" * (MAX_EARLIER + 1)) is Code.MALFORMED
    tlv = '{kind: tlv, records: {tag: "07", points: {level: 0}}}'
    decoder = with_frame(tlv, LEVEL.format('tag: "01", type: u8')).decoder()
    assert code_of(decoder, "0707" * (MAX_EARLIER + 1)) is Code.MALFORMED


# registers


@pytest.mark.parametrize(("words", "raw"), [("high_first", "0001 86A0"), ("low_first", "86A0 0001")])
def test_registers_are_found_by_their_number(words, raw):
    frame = f"{{kind: registers, first: 40, start: 3, words: {words}, checksum: {{kind: crc16_modbus, order: little}}}}"
    points = "\n".join(
        [
            other("total", "at: 41, type: u32"),
            other("below", "at: 40, type: i16, scale: 0.1"),
            other("bit", "at: 43, type: u16, mask: 0x0100, shift: 8, when: {at: 43, type: u16, mask: 0xFF, equals: 2}"),
        ]
    )
    decoder = with_frame(frame, points).decoder()
    body = bytes.fromhex(f"01 03 08 FF9C {raw} 0102")
    from device_profiles.frames.layout import crc16_modbus

    sent = body + crc16_modbus(body).to_bytes(2, "little")
    assert named(decoder, decoder.decode(sent)) == {"total": 100_000.0, "below": -10.0, "bit": 1.0}
    assert code_of(decoder, (body + b"\0\0").hex()) is Code.BAD_CHECKSUM


@given(
    st.sampled_from(["big", "little"]),
    st.sampled_from(["f32", "i32", "u32", "f64", "i64", "u64"]),
    st.binary(min_size=8, max_size=8),
)
def test_numbers_whose_low_word_comes_first(order, kind, data):
    size = int(kind[1:]) // 8
    letter = {"f32": "f", "i32": "i", "u32": "I", "f64": "d", "i64": "q", "u64": "Q"}[kind]
    [number] = struct.unpack((">" if order == "big" else "<") + letter, data[:size])
    words = [data[at : at + 2] for at in range(0, size, 2)]
    # low word first: the other way round in big-endian words; little-endian words come low first already
    sent = b"".join(reversed(words)) if order == "big" else b"".join(words)
    decoder = with_frame(
        f"{{kind: struct, order: {order}, words: low_first}}", other("x", f"at: 0, type: {kind}")
    ).decoder()
    [value] = decoder.decode(sent).values
    assert value == float(number) or value != value


def test_a_register_outside_of_the_block_is_told_at_loading():
    said = refused("{kind: registers, first: 40}", other("x", "at: 39, type: u16"))
    assert "register 39 is not in the block, which begins at 40" in said
    assert "no whole register" in refused("{kind: registers}", other("x", "at: 0, type: u8"))


# one value at several places, by port, by condition


def test_a_value_may_stand_at_several_places_with_its_own_scale():
    points = """\
  distance: {tag: "0382", type: u16, scale: 0.001, unit: m, also: [{tag: "83e9", at: 0, scale: 0.0001}]}
states:
  jump: {tag: "83e9", at: 4, type: u8, map: {0: over, 1: threshold, 2: jump}, event: {jump: alarm}}"""
    decoder = with_frame("{kind: tlv, tag_bytes: 2, order: little}", points).decoder()
    assert values(decoder, "0382 E803") == {"distance": 1.0}
    message = decode(decoder, "83E9 E803 0000 02")
    assert (named(decoder, message), message.texts, message.events) == ({"distance": 0.1}, {"jump": "jump"}, ("alarm",))


def test_report_types_have_their_values_at_different_places_and_lengths():
    point = LEVEL.format(
        "at: 1, type: u8, when: {at: 0, equals: 1}, "
        "also: [{at: 3, type: u16, scale: 0.5, when: [{at: 0, equals: 2}, {at: 1, equals: [7, 8]}]}]"
    )
    decoder = with_frame("{kind: struct}", point).decoder()
    assert values(decoder, "01 05") == {"level": 5.0}
    assert values(decoder, "02 07 00 0003") == {"level": 1.5}
    assert values(decoder, "02 09 00 0003") == {}
    assert values(decoder, "03 00") == {}
    assert code_of(decoder, "01") is Code.WRONG_LENGTH
    assert code_of(decoder, "02 07 00 00") is Code.WRONG_LENGTH, "what the message says it holds must be there"


def test_values_by_port_count_for_the_length_of_their_port_alone():
    frame = "{kind: struct, ports: [2, 5], length: [4, 3], ts: {at: 0, type: u32, unit: s, ports: [2]}}"
    points = other("x", "at: 0, type: u16, ports: [2]") + "\n" + other("y", "at: 2, type: u8, ports: [5]")
    decoder = with_frame(frame, points).decoder()
    assert (values(decoder, "386D4405", 2), decode(decoder, "386D4405", 2).ts) == ({"x": 0x386D}, T0 + 5000)
    assert (values(decoder, "010203", 5), decode(decoder, "010203", 5).ts) == ({"y": 3.0}, None)
    assert values(decoder, "386D4405") == {"x": 0x386D}
    assert code_of(decoder, "010203", 2) is Code.WRONG_LENGTH
    said = refused("{kind: struct}", other("x", "at: 0, type: u16, ports: [2]"))
    assert "needs the ports of the frame" in said


def test_answers_to_settings_hold_no_values():
    decoder = with_frame(
        '{kind: struct, length: 2, answers: ["00", "01 02"]}', other("x", "at: 0, type: u16")
    ).decoder()
    assert values(decoder, "00") == values(decoder, "0102") == {}
    assert values(decoder, "0103") == {"x": 259.0}
    assert code_of(decoder, "01") is Code.WRONG_LENGTH


# presence bits


def test_presence_bits_in_any_order_and_bits_that_add_nothing():
    frame = "{kind: struct, groups: {flags: {at: 0, type: u8}, start: 1, sizes: [2, 0, 1], bits: [7, 6, 0]}}"
    points = other("a", "group: 0, type: u16") + "\n" + other("c", "group: 2, type: u8")
    decoder = with_frame(frame, points).decoder()
    assert values(decoder, "C1 0102 09") == {"a": 258.0, "c": 9.0}
    assert values(decoder, "40") == {}
    assert values(decoder, "01 09") == {"c": 9.0}
    assert code_of(decoder, "80 01") is Code.WRONG_LENGTH


def test_what_authors_of_presence_bit_profiles_get_wrong_is_explained():
    frame = "{kind: struct, groups: {flags: {at: 0, type: u8}, start: 1, sizes: [2, 1]}}"
    assert "groups 0 to 1" in refused(frame, other("a", "group: 2, type: u8"))
    assert "reaches beyond the group's 1 bytes" in refused(frame, other("a", "group: 1, type: u16"))
    assert "no point belongs to a group" in refused(frame, other("a", "at: 0, type: u8"))
    assert "the frame has no groups" in refused("{kind: struct}", other("a", "group: 0, type: u8"))
    inside = "group: 1, type: u8, when: {at: 1, equals: 1}"
    assert "counts from its beginning too" in refused(frame, other("a", inside))
    more = frame.replace("[2, 1]", "[1, 1, 1, 1, 1, 1, 1, 1, 1]")
    assert "are more than u8 has bits" in refused(more, other("a", "group: 0, type: u8"))


# numbers and texts


@settings(max_examples=50)
@given(st.integers(-2048, 2047))
def test_twelve_bits_with_a_sign(number):
    body = "at: 0, type: u16, mask: 0xFFF0, shift: 4, sign: {}"
    raw = (number & 0xFFF) << 4
    decoder = with_frame("{kind: struct}", other("x", body.format("twos_complement"))).decoder()
    assert decoder.decode(raw.to_bytes(2, "big")).values == (float(number),)
    raw = (abs(number) & 0x7FF | (0x800 if number < 0 else 0)) << 4
    decoder = with_frame("{kind: struct}", other("x", body.format("magnitude"))).decoder()
    assert decoder.decode(raw.to_bytes(2, "big")).values == (float(-(-number & 0x7FF) if number < 0 else number),)


def test_small_floating_point_numbers_and_byte_orders_of_single_values():
    points = "\n".join(
        [
            other("half", "at: 0, type: f16"),
            other("brain", "at: 2, type: bf16, order: little"),
            other("digits", "at: 4, type: bcd32"),
        ]
    )
    decoder = with_frame("{kind: struct}", points).decoder()
    assert values(decoder, "3E00 C03F 12345678") == {"half": 1.5, "brain": 1.5, "digits": 12345678.0}


def test_states_of_bytes():
    points = """\
  level: {tag: "01", type: ascii, size: 5, unit: m}
states:
  serial: {tag: "02", type: hex, size: 3, order: big}
  firmware: {tag: "03", type: version}
  hardware: {tag: "03", type: version, shift: 4}
  name: {tag: "04", type: ascii, size: 4}"""
    decoder = with_frame("{kind: tlv, order: little}", points).decoder()
    message = decode(decoder, "01 31322E3500 02 A1B2C3 03 0114 04 41420000")
    assert named(decoder, message) == {"level": 12.5}
    assert message.texts == {"serial": "a1b2c3", "firmware": "v1.14", "hardware": "v1.1", "name": "AB"}
    message = decode(decoder, "01 4131000000 04 00000000")
    assert (named(decoder, message), message.texts) == ({}, {})
    assert [code for _, code, _ in message.problems] == ["not_a_number"]


def test_a_sum_that_must_be_zero():
    decoder = with_frame("{kind: struct, checksum: {kind: sum8_zero}}", other("x", "at: 0, type: u8")).decoder()
    assert values(decoder, "05 FB") == {"x": 5.0}
    assert code_of(decoder, "05 FC") is Code.BAD_CHECKSUM


def test_no_text_of_a_profile_gets_into_the_compiled_code():
    points = """\
  level: {at: 0, type: u8, map: {1: 2}, unit: m, event: {2: alarm}, missing: ["__import__"]}
states:
  import_os: {at: 0, type: u8, map: {1: "__import__('os')"}, event: {"__import__('os')": fault}}"""
    profile = with_frame("{kind: struct}", points)
    text = profile.plan.assemble(())[1].text
    assert "import" not in text
    assert "os" not in text
    assert decode(profile.decoder(), "01").texts == {"import_os": "__import__('os')"}


def test_a_bit_of_a_mask_is_a_condition_by_itself():
    decoder = with_frame("{kind: struct}", other("x", "at: 1, type: u8, when: {at: 0, mask: 0x0C}")).decoder()
    assert [values(decoder, payload) for payload in ("0407", "0807", "0307")] == [{"x": 7.0}, {"x": 7.0}, {}]
