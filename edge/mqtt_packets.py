"""MQTT 3.1.1 on the wire, as far as an agent needs it: packets out as bytes, bytes in as packets. Pure.

References are to the OASIS standard MQTT 3.1.1. Topics that are not UTF-8 are passed on with the replacement
character: the standard would have us close the connection (1.5.3), and a retained one would close it again at every
connection; as it is, the message ends in the side table of what could not be read.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONNACK, PUBLISH, PUBACK, SUBACK, UNSUBACK, PINGRESP = 2, 3, 4, 9, 11, 13
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
LONGEST = 268_435_455
"""Remaining length at most (2.2.3)."""
TOPICS_KEPT = 200_000
_FEW = 8


class MqttError(ConnectionError):
    """The peer broke the protocol; the connection can't go on."""


class Publish(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    packet_id: int  # 0 for QoS 0


class Control(NamedTuple):
    """Any other packet."""

    kind: int
    body: bytes


def _length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _text(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    if len(encoded) > 65_535:
        raise ValueError("a text of MQTT has at most 65535 bytes")
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(head: int, body: bytes) -> bytes:
    return bytes((head,)) + _length(len(body)) + body


def connect(client_id: str, *, keepalive_s: int, username: str = "", password: str = "", clean: bool = False) -> bytes:
    """CONNECT to a persistent session, or (`clean`) to one that ends with its connection."""
    flags = (0x80 if username else 0) | (0x40 if username and password else 0) | (0x02 if clean else 0)
    body = _text("MQTT") + bytes((4, flags)) + keepalive_s.to_bytes(2, "big") + _text(client_id)
    if username:
        body += _text(username)
        if password:
            body += _text(password)
    return _packet(0x10, body)


def subscribe(packet_id: int, filters: Sequence[str], qos: int = 1) -> bytes:
    """SUBSCRIBE to several filters at one QoS."""
    return _packet(0x82, packet_id.to_bytes(2, "big") + b"".join(_text(each) + bytes((qos,)) for each in filters))


def unsubscribe(packet_id: int, filters: Sequence[str]) -> bytes:
    """UNSUBSCRIBE."""
    return _packet(0xA2, packet_id.to_bytes(2, "big") + b"".join(map(_text, filters)))


def publish(topic: str, payload: bytes, *, packet_id: int = 0, qos: int = 0, dup: bool = False) -> bytes:
    """PUBLISH, never retained."""
    body = _text(topic) + (packet_id.to_bytes(2, "big") if qos else b"") + payload
    return _packet(0x30 | qos << 1 | dup << 3, body)


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """One PUBACK for each id, in one piece."""
    if len(packet_ids) > _FEW:
        packets = np.empty((len(packet_ids), 2), dtype=">u2")
        packets[:, 0], packets[:, 1] = 0x4002, packet_ids
        return packets.tobytes()
    return b"".join([b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids])


class Parser:
    """Bytes of one connection, in whatever pieces they come, to packets.

    Args:
        most_bytes: a PUBLISH with a longer payload comes through with only `most_bytes + 1` of it: long enough to be
            refused as too large, and acknowledged, so that it is not sent again for ever. Its rest is never kept.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._rest = b""
        self._topics: dict[bytes, str] = {}
        self._skip = 0  # bytes of an overlong message still to come
        self._short: Publish | None = None  # that message

    def feed(self, data: bytes) -> list[Publish | Control]:
        """The packets that are complete now.

        Raises:
            MqttError: what came is not MQTT.
        """
        found: list[Publish | Control] = []
        if self._skip:
            data = self._pass_over(data, found)
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        topics, most, new = self._topics, self._most, tuple.__new__
        while end - at >= 2:
            head, length = buffer[at], buffer[at + 1]
            start = at + 2
            if length < 0x80:
                pass
            elif start < end and buffer[start] < 0x80:
                length, start = length & 0x7F | buffer[start] << 7, start + 1
            else:
                sized = _size(buffer, at + 1)
                if sized is None:
                    break
                length, start = sized
            stop = start + length
            if head & 0xF6 == 0x32 and length > 4 and stop <= end:  # at QoS 1: as most are; in one go
                after = start + 2 + (buffer[start] << 8 | buffer[start + 1])
                topic = topics.get(buffer[start + 2 : after])
                if topic is not None and 0 <= stop - after - 2 <= most:
                    payload, packet_id = buffer[after + 2 : stop], buffer[after] << 8 | buffer[after + 1]
                    found.append(new(Publish, (topic, payload, 1, head & 8 != 0, head & 1 != 0, packet_id)))
                    at = stop
                    continue
            if stop > end:
                if length > self._most + 65_539:
                    at = self._begin_to_skip(head, buffer, start, stop, at)
                break
            if head >> 4 == PUBLISH:
                found.append(self._publish(head, buffer, start, stop))
            else:
                found.append(Control(head >> 4, buffer[start:stop]))
            at = stop
        self._rest = buffer[at:] if at < end else b""
        return found

    def _publish(self, head: int, buffer: bytes, start: int, stop: int) -> Publish:
        if stop - start < 2:
            raise MqttError("a PUBLISH without a topic")
        after = start + 2 + (buffer[start] << 8 | buffer[start + 1])
        qos = head >> 1 & 3
        body = after + 2 if qos else after
        if body > stop or qos == 3:
            raise MqttError("a PUBLISH that is shorter than it says" if qos < 3 else "a PUBLISH of QoS 3")
        name = buffer[start + 2 : after]
        topic = self._topics.get(name)
        if topic is None:
            topic = name.decode(errors="replace")
            if len(self._topics) < TOPICS_KEPT:
                self._topics[name] = topic
        return Publish(
            topic,
            buffer[body : min(stop, body + self._most + 1)],
            qos,
            bool(head & 8),
            bool(head & 1),
            buffer[after] << 8 | buffer[after + 1] if qos else 0,
        )

    def _begin_to_skip(self, head: int, buffer: bytes, start: int, stop: int, at: int) -> int:
        """An overlong packet: as soon as enough of it is here, keep that and let the rest pass; where to go on."""
        if head >> 4 != PUBLISH:
            raise MqttError(f"a packet of kind {head >> 4} with {stop - start} bytes")
        if len(buffer) - start < self._most + 65_539:
            return at
        self._short = self._publish(head, buffer, start, len(buffer))
        self._skip = stop - len(buffer)
        return len(buffer)

    def _pass_over(self, data: bytes, found: list[Publish | Control]) -> bytes:
        passed = min(self._skip, len(data))
        self._skip -= passed
        if not self._skip and self._short is not None:
            found.append(self._short)
            self._short = None
        return data[passed:]


def _size(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Remaining length and where the body begins; None: not all of it is here."""
    length = 0
    for number in range(4):
        if at + number >= len(buffer):
            return None
        byte = buffer[at + number]
        length |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return length, at + number + 1
    raise MqttError("a length of more than four bytes")
