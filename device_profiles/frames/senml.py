"""SenML (RFC 8428): packs of records to resolved records.

Pure. A pack is a list of maps with the labels of JSON (`n`, `v` …) or those of CBOR (0, 2 …). Resolution follows
section 4.6: base name, time, unit, value and sum go into every record. Times below 2**28 are relative to the moment
of arrival; they become absolute where that is given, and stay relative otherwise. The order of the pack is kept.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 10
RELATIVE_BELOW_S = 1 << 28
"""A time below this is relative to the moment of arrival (section 4.5.3)."""
MAX_RECORDS = 512

_CBOR_LABELS = {
    -6: "bs", -5: "bv", -4: "bu", -3: "bt", -2: "bn", -1: "bver",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")
_VALUES = ("v", "vs", "vb", "vd")


class SenmlError(ValueError):
    """The pack is not SenML; says which record and why."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One record with everything that the pack says of it. At most one of the four kinds of value is there."""

    name: str
    unit: str | None = None
    time: float = 0.0  # s: since 1970 (UTC), or below 2**28 since the arrival
    value: float | None = None
    text: str | None = None
    flag: bool | None = None
    data: bytes | None = None
    sum: float | None = None
    update_time: float | None = None
    version: int = VERSION
    leaf: str = field(default="", compare=False)  # the name as the record itself wrote it, without the base name

    @property
    def relative(self) -> bool:
        """Whether the time counts from the arrival."""
        return self.time < RELATIVE_BELOW_S

    def record(self) -> dict[str, Any]:
        """As a record of JSON labels."""
        data = None if self.data is None else base64.urlsafe_b64encode(self.data).decode().rstrip("=")
        found: dict[str, Any] = {
            "bver": None if self.version == VERSION else self.version,
            "n": self.name,
            "u": self.unit,
            "t": self.time or None,
            "v": self.value,
            "vs": self.text,
            "vb": self.flag,
            "vd": data,
            "s": self.sum,
            "ut": self.update_time,
        }
        return {label: value for label, value in found.items() if value is not None}


def resolve(records: Iterable[Mapping[Any, Any] | Resolved], now: float | None = None) -> list[Resolved]:
    """Resolves a pack.

    Args:
        records: its records; resolved ones stay what they are.
        now: the moment of arrival, seconds since 1970; relative times then become absolute.

    Raises:
        SenmlError: the pack must not be used.
    """
    base = _Base()
    resolved = []
    count = 0
    for count, record in enumerate(records, start=1):
        if count > MAX_RECORDS:
            raise SenmlError(f"more than {MAX_RECORDS} records")
        try:
            one = base.resolve(_fields(record.record() if isinstance(record, Resolved) else record), first=count == 1)
        except SenmlError as error:
            raise SenmlError(f"record {count}: {error}") from None
        if one is not None:
            resolved.append(one if now is None or not one.relative else _absolute(one, now))
    if not count:
        raise SenmlError("the pack is empty")
    return resolved


def _absolute(one: Resolved, now: float) -> Resolved:
    values = (one.unit, now + one.time, one.value, one.text, one.flag, one.data, one.sum, one.update_time, one.version)
    return Resolved(one.name, *values, one.leaf)


def _fields(record: Any) -> dict[str, Any]:
    """The fields of a record by their labels, each of its type."""
    if not isinstance(record, Mapping):
        raise SenmlError("is no map of labels and values")
    fields: dict[str, Any] = {}
    for written, value in record.items():
        label: Any = _CBOR_LABELS.get(written) if isinstance(written, int) else written
        if label in _READ:
            fields[label] = _READ[label](label, value)
        elif isinstance(label, str) and label.endswith("_"):
            raise SenmlError(f"'{label[:40]}' must be understood, and is not known here")
    return fields


def _text(label: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SenmlError(f"{label} is no text")
    return value


def _flag(label: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SenmlError(f"{label} is neither true nor false")
    return value


def _version(label: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SenmlError(f"{label} is no whole number from 1 on")
    if value > VERSION:
        raise SenmlError(f"version {value} is newer than {VERSION}, which is the newest known here")
    return value


def _number(label: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SenmlError(f"{label} is no number")
    try:
        number = float(value)
    except OverflowError:
        raise SenmlError(f"{label} is too large") from None
    if not math.isfinite(number) and label not in ("v", "s"):
        raise SenmlError(f"{label} is not finite")
    return number


def _data(label: str, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value.isascii() or len(value) % 4 == 1:
        raise SenmlError(f"{label} is no base64url text")
    try:
        padded = value.rstrip("=") + "=" * (-len(value.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SenmlError(f"{label} is no base64url text") from None


_READ: dict[Any, Callable[[str, Any], Any]] = (
    dict.fromkeys(("bn", "bu", "n", "u", "vs"), _text)
    | dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), _number)
    | {"vb": _flag, "vd": _data, "bver": _version}
)


class _Base:
    """The base values that hold for the records to come."""

    def __init__(self) -> None:
        self.version = VERSION
        self.values: dict[str, Any] = {}

    def resolve(self, fields: dict[str, Any], *, first: bool) -> Resolved | None:
        """One record; None where it only sets base values."""
        version = fields.pop("bver", None)
        if version is not None and not first and version != self.version:
            raise SenmlError(f"version {version} in a pack of version {self.version}")
        self.version = self.version if version is None else version
        base = self.values
        for label in ("bn", "bt", "bu", "bv", "bs"):
            if label in fields:
                base[label] = fields.pop(label)
        if not fields:
            return None
        leaf = fields.get("n", "")
        name = base.get("bn", "") + leaf
        if not _NAME.fullmatch(name):
            what = "begins with a letter or digit and holds only letters, digits and - : . / _"
            raise SenmlError(f"a name {what}, unlike '{name[:60]}'" if name else "has no name")
        present = [label for label in _VALUES if label in fields]
        if len(present) > 1:
            raise SenmlError(f"holds {' and '.join(present)}: one value a record")
        total = base.get("bs", 0.0) + fields.get("s", 0.0) if "bs" in base or "s" in fields else None
        value = fields.get("v")
        if "bv" in base and (value is not None or not present):
            value = base["bv"] + (value or 0.0)
        if value is None and not present and total is None:
            raise SenmlError("holds neither a value nor a sum")
        time = base.get("bt", 0.0) + fields.get("t", 0.0)
        if not math.isfinite(time):
            raise SenmlError("the time is too large")
        return Resolved(
            name=name,
            unit=fields.get("u", base.get("bu")),
            time=time,
            value=value,
            text=fields.get("vs"),
            flag=fields.get("vb"),
            data=fields.get("vd"),
            sum=total,
            update_time=fields.get("ut"),
            version=self.version,
            leaf=leaf,
        )
