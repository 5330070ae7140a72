"""Numbers at fixed places in bytes: one precomputed struct for all of them where they allow it."""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal

Order = Literal["big", "little"]
Read = Callable[[bytes, int], Sequence[Any]]

SIZES = {
    "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4, "u64": 8, "i64": 8,
    "f32": 4, "f64": 8, "bcd8": 1, "bcd16": 2,
}  # fmt: skip
_LETTERS = {
    "u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q",
    "f32": "f", "f64": "d",
}  # fmt: skip


class Layout:
    """Places to read; `read(payload, base)` gives the raw numbers in the order in which places were added.

    The caller makes sure that `size` bytes are there.
    """

    def __init__(self, order: Order) -> None:
        self._order: Order = order
        self._places: list[tuple[int, str]] = []
        self.size = 0

    def add(self, offset: int, kind: str) -> int:
        """Adds a place (or finds the same one again); the answer is its slot."""
        place = (offset, kind)
        if place in self._places:
            return self._places.index(place)
        self._places.append(place)
        self.size = max(self.size, offset + SIZES[kind])
        return len(self._places) - 1

    def compile(self) -> Read:
        """The reading function."""
        mark = "<" if self._order == "little" else ">"
        ordered = sorted(self._places)
        if ordered == self._places and self._simple():
            end, text = 0, mark
            for offset, kind in ordered:
                text += "x" * (offset - end) + _LETTERS[kind]
                end = offset + SIZES[kind]
            return struct.Struct(text).unpack_from
        readers = [(offset, _reader(kind, self._order)) for offset, kind in self._places]
        return lambda payload, base: [read(payload, base + offset) for offset, read in readers]

    def _simple(self) -> bool:
        end = 0
        for offset, kind in self._places:
            if kind not in _LETTERS or offset < end:
                return False
            end = offset + SIZES[kind]
        return True


def _reader(kind: str, order: Order) -> Callable[[bytes, int], Any]:
    size = SIZES[kind]
    if kind in _LETTERS:
        unpack = struct.Struct(("<" if order == "little" else ">") + _LETTERS[kind]).unpack_from
        return lambda payload, at: unpack(payload, at)[0]
    if kind.startswith("bcd"):
        return lambda payload, at: _bcd(payload[at : at + size], order)
    signed = kind.startswith("i")
    return lambda payload, at: int.from_bytes(payload[at : at + size], order, signed=signed)


def _bcd(data: bytes, order: Order) -> int | None:
    """Binary-coded decimal; None where a half-byte is no digit."""
    text = (data if order == "big" else data[::-1]).hex()
    return int(text) if text.isdecimal() else None


def sum8(data: bytes) -> int:
    """Sum of all bytes, modulo 256."""
    return sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """Exclusive or of all bytes."""
    result = 0
    for byte in data:
        result ^= byte
    return result


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def crc16_ccitt(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


CHECKSUMS: dict[str, tuple[Callable[[bytes], int], int]] = {
    "sum8": (sum8, 1),
    "xor8": (xor8, 1),
    "crc16_modbus": (crc16_modbus, 2),
    "crc16_ccitt": (crc16_ccitt, 2),
}
"""Name to function and number of bytes."""
