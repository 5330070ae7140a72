"""MQTT 3.1.1 in bytes: whatever the pieces, the same packets; whatever the bytes, no other error than one."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import mqtt_packets as packets
from edge.mqtt_packets import Control, MqttError, Parser, Publish

MOST = 1000


def message(topic=b"sensors/s/d/telemetry", payload=b"{}", qos=1, packet_id=7, *, dup=False, retain=False) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if qos else b"") + payload
    return bytes((0x30 | qos << 1 | dup << 3 | retain,)) + packets._length(len(body)) + body


def whole(data: bytes, cuts=()) -> list:
    parser, found, at = Parser(MOST), [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += parser.feed(data[at:cut])
        at = max(at, cut)
    return found


def test_what_the_standard_shows():
    # 3.1.2 figure 3.6 (protocol name and level), 2.2.3 table 2.4 (lengths)
    said = packets.connect("e", keepalive_s=10, username="u", password="p")
    assert said == b"\x10\x13\x00\x04MQTT\x04\xc0\x00\x0a\x00\x01e\x00\x01u\x00\x01p"
    assert [packets._length(each) for each in (0, 127, 128, 16_383, 16_384, packets.LONGEST)] == [
        b"\x00", b"\x7f", b"\x80\x01", b"\xff\x7f", b"\x80\x80\x01", b"\xff\xff\xff\x7f",
    ]  # fmt: skip
    assert packets.subscribe(10, ["a/b", "c/d"]) == b"\x82\x0e\x00\x0a\x00\x03a/b\x01\x00\x03c/d\x01"
    assert packets.pubacks([1, 258]) == b"\x40\x02\x00\x01\x40\x02\x01\x02"


@given(st.data())
def test_pieces_do_not_matter(data):
    sent = data.draw(
        st.lists(
            st.builds(
                message,
                topic=st.sampled_from([b"a/b", b"sensors/s/d/telemetry", b"", b"\xff\x00x"]),
                payload=st.one_of(st.binary(max_size=300), st.sampled_from([b"x" * MOST, b"y" * (MOST + 1)])),
                qos=st.integers(0, 2),
                packet_id=st.integers(1, 65_535),
                dup=st.booleans(),
                retain=st.booleans(),
            )
            | st.sampled_from([b"\xd0\x00", b"\x90\x03\x00\x01\x01", b"\x40\x02\x00\x05"]),
            max_size=8,
        )
    )
    stream = b"".join(sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    found = whole(stream, cuts)
    assert found == whole(stream)
    assert len(found) == len(sent)


def test_every_field_comes_through():
    (found,) = whole(message(payload=b"\x00{", qos=2, packet_id=0x1234, dup=True, retain=True))
    assert found == Publish("sensors/s/d/telemetry", b"\x00{", 2, True, True, 0x1234)
    assert whole(message(qos=0))[0].packet_id == 0
    assert whole(b"\xd0\x00") == [Control(packets.PINGRESP, b"")]


@pytest.mark.parametrize("piece", [1 << 20, 4096, 700])
def test_what_is_too_large_comes_short_and_costs_no_memory(piece):
    large = message(payload=b"z" * 5_000_000, packet_id=9)
    stream = large + message(payload=b"after")
    parser, found, most = Parser(MOST), [], 0
    for at in range(0, len(stream), piece):
        found += parser.feed(stream[at : at + piece])
        most = max(most, len(parser._rest))
    assert [len(found[0].payload), found[0].packet_id, found[1].payload] == [MOST + 1, 9, b"after"]
    assert most < 80_000 + piece


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
@settings(max_examples=300)
def test_any_bytes_end_in_packets_or_one_error(data, cuts):
    with contextlib.suppress(MqttError):
        whole(data, [min(cut, len(data)) for cut in cuts])


@pytest.mark.parametrize(
    "bad", [b"\x32\xff\xff\xff\xff\x01", b"\x36\x05\x00\x01a\x00\x01", b"\x32\x01\x00", b"\x32\x03\x00\x09a"]
)
def test_what_is_not_mqtt_is_an_error(bad):
    with pytest.raises(MqttError):
        whole(bad)
