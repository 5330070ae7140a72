"""Numbers at fixed places in bytes, read by as few precomputed structs as they allow; checksums."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from device_profiles.frames.assembly import Assembly

Order = Literal["big", "little"]

SIZES = {
    "u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4, "u64": 8, "i64": 8,
    "f16": 2, "bf16": 2, "f32": 4, "f64": 8, "bcd8": 1, "bcd16": 2, "bcd32": 4,
}  # fmt: skip
REAL = ("f16", "bf16", "f32", "f64")
TEXTS = ("hex", "version", "ascii")
LETTERS = {
    "u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q",
    "f16": "e", "f32": "f", "f64": "d",
}  # fmt: skip
_UNPACK_FLOAT = {kind: struct.Struct(">" + LETTERS[kind]).unpack for kind in ("f32", "f64")}


def width(kind: str, size: int | None) -> int:
    """Bytes that a value takes."""
    return SIZES.get(kind) or size or 2


@dataclass(frozen=True, slots=True)
class Place:
    """A value at an offset."""

    at: int
    kind: str
    size: int
    order: Order | None = None  # None: the frame's

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.at + self.size


class Layout:
    """Places that are read together; writes the lines that read them.

    `size` bytes must be there, which is for the written code to make sure of.
    """

    def __init__(self, order: Order, *, low_first: bool, prefix: str) -> None:
        self._order: Order = order
        self._low_first = low_first
        self._prefix = prefix
        self._places: list[Place] = []
        self.size = 0

    def add(self, place: Place) -> str:
        """Adds a place (or finds the same one again); the answer is the variable that will hold the raw value."""
        if place not in self._places:
            self._places.append(place)
            self.size = max(self.size, place.end)
        return f"{self._prefix}{self._places.index(place)}"

    def write(self, assembly: Assembly, base: str = "") -> None:
        """Writes the reading lines; `base` is an expression of the offset from which the places count."""
        waiting = sorted(self._places, key=lambda place: (place.at, place.end))
        while waiting:
            end, together, left = 0, [], []
            order = waiting[0].order or self._order
            for place in waiting:
                if place.at >= end and (place.order or self._order) == order:
                    together.append(place)
                    end = place.end
                else:
                    left.append(place)
            self._write_together(assembly, base, together, order)
            waiting = left

    def _write_together(self, assembly: Assembly, base: str, places: list[Place], order: Order) -> None:
        first = places[0].at
        if len(places) == 1 and places[0].kind == "u8":
            where = f"{base} + {first}" if base and first else base or str(first)
            assembly.line(f"{self._name(places[0])} = payload[{where}]")
            return
        targets: list[str] = []
        after: list[str] = []
        text, end = "<" if order == "little" else ">", first
        for place in places:
            text += f"{place.at - end}x" if place.at > end else ""
            letters, names, line = self._parts(assembly, place, order)
            text += letters
            targets += names
            after += [line] if line else []
            end = place.end
        unpack = assembly.constant(struct.Struct(text).unpack_from)
        offset = " + ".join(part for part in (base, str(first) if first else "") if part)
        where = f", {offset}" if offset else ""
        assembly.line(f"{', '.join(targets)}{',' if len(targets) == 1 else ''} = {unpack}(payload{where})")
        for line in after:
            assembly.line(line)

    def _name(self, place: Place) -> str:
        return f"{self._prefix}{self._places.index(place)}"

    def _parts(self, assembly: Assembly, place: Place, order: Order) -> tuple[str, list[str], str]:
        """Struct letters of a place, the variables they fill, and the line that makes one value of them."""
        name, kind = self._name(place), place.kind
        little = order == "little"
        if kind in ("u24", "i24"):
            top = "B" if kind == "u24" else "b"
            if little:
                return "H" + top, [name, f"{name}h"], f"{name} |= {name}h << 16"
            return top + "H", [f"{name}h", name], f"{name} |= {name}h << 16"
        if self._low_first and kind in ("u32", "i32"):
            return "H" + ("H" if kind == "u32" else "h"), [name, f"{name}h"], f"{name} |= {name}h << 16"
        if self._low_first and kind in ("u64", "i64"):
            top = "H" if kind == "u64" else "h"
            names = [name, f"{name}a", f"{name}b", f"{name}c"]
            return "HHH" + top, names, f"{name} |= {name}a << 16 | {name}b << 32 | {name}c << 48"
        if self._low_first and kind in ("f32", "f64"):
            call = assembly.constant(_float_of_words(kind, order))
            return f"{place.size}s", [name], f"{name} = {call}({name})"
        if kind in LETTERS:
            return LETTERS[kind], [name], ""
        if kind == "bf16":
            return "H", [name], f"{name} = {assembly.constant(_bfloat)}({name})"
        if kind.startswith("bcd"):
            call = assembly.constant(_digits(order))
        else:
            words = {"hex": _hex(order), "version": _version, "version4": _version_nibble, "ascii": _ascii}
            call = assembly.constant(words[kind])
        return f"{place.size}s", [name], f"{name} = {call}({name})"


def _float_of_words(kind: str, order: Order) -> Callable[[bytes], float]:
    """Reads a floating-point number whose low word comes first."""
    unpack = _UNPACK_FLOAT[kind]

    def read(data: bytes) -> float:
        words = [data[at : at + 2] for at in range(len(data) - 2, -1, -2)]
        joined = b"".join(word[::-1] for word in words) if order == "little" else b"".join(words)
        return float(unpack(joined)[0])

    return read


def _digits(order: Order) -> Callable[[bytes], int | None]:
    """Reads binary-coded decimals; None where a half-byte is no digit."""

    def read(data: bytes) -> int | None:
        text = (data if order == "big" else data[::-1]).hex()
        return int(text) if text.isdecimal() else None

    return read


def _hex(order: Order) -> Callable[[bytes], str]:
    """Reads bytes as hexadecimal digits; little: from the last byte to the first."""
    return lambda data: (data if order == "big" else data[::-1]).hex()


def _version(data: bytes) -> str:
    """Reads a version: 01 20 is v1.20."""
    return f"v{data[0]:x}" + "".join(f".{byte:x}" for byte in data[1:])


def _version_nibble(data: bytes) -> str:
    """Reads a version whose last half-byte says nothing: 01 10 is v1.1."""
    return _version(data[:-1] + bytes([data[-1] >> 4]))


def _bfloat(upper: int) -> float:
    """A number of which only the upper half of an IEEE single is sent."""
    return float(_UNPACK_FLOAT["f32"]((upper << 16).to_bytes(4, "big"))[0])


def _ascii(data: bytes) -> str | None:
    """Reads a text up to the first zero byte; None where there is none."""
    text = data.split(b"\0", 1)[0].decode("ascii", "replace").strip()
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text) or None


def sum8(data: bytes) -> int:
    """Sum of all bytes, modulo 256."""
    return sum(data) & 0xFF


def sum8_zero(data: bytes) -> int:
    """What makes the sum of all bytes, itself included, zero modulo 256."""
    return -sum(data) & 0xFF


def xor8(data: bytes) -> int:
    """Exclusive or of all bytes."""
    result = 0
    for byte in data:
        result ^= byte
    return result


def _table(step: Callable[[int], int], start: Callable[[int], int]) -> tuple[int, ...]:
    """The 256 values of a CRC for one byte each."""
    result = []
    for byte in range(256):
        crc = start(byte)
        for _ in range(8):
            crc = step(crc)
        result.append(crc)
    return tuple(result)


_MODBUS = _table(lambda crc: (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1, lambda byte: byte)
_CCITT = _table(lambda crc: ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF, lambda byte: byte << 8)


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, initial 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _MODBUS[(crc ^ byte) & 0xFF]
    return crc


def crc16_ccitt(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = ((crc << 8) & 0xFFFF) ^ _CCITT[(crc >> 8) ^ byte]
    return crc


CHECKSUMS: dict[str, tuple[Callable[[bytes], int], int]] = {
    "sum8": (sum8, 1),
    "sum8_zero": (sum8_zero, 1),
    "xor8": (xor8, 1),
    "crc16_modbus": (crc16_modbus, 2),
    "crc16_ccitt": (crc16_ccitt, 2),
}
"""Name to function and number of bytes."""
