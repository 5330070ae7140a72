"""Envelopes: what one message of a source says of a device, found by the places of its description. Pure."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec

from device_profiles.sources.source_document import EventDocument, Kind, LinkDocument, PayloadDocument, SourceDocument
from device_profiles.sources.topic_pattern import fill, names_of
from wire.report import Link
from wire.time import LAST_MS, parse_instant

LONGEST_ADDRESS = 256
CLOCKS_SINCE_MS = 946_684_800_000
"""2000-01-01: no clock that was ever set shows less."""
MOST_DEVICES = 2_000
"""Devices that one announcement may hold, and names that a source learns."""

Status = Literal["online", "offline"]


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says of one device."""

    address: str  # normalised, without the source's name
    kind: Kind
    payload: bytes = b""  # for the profile's decoder; only of kind up
    fport: int | None = None
    ts: int | None = None  # epoch ms, said by the envelope; a time in the payload goes before it
    seq: int | None = None
    link: Link | None = None
    battery_percent: float | None = None
    status: Status | None = None
    name: str | None = None  # what it says of itself, or its bridge of it
    vendor: str | None = None
    model: str | None = None
    aliases: tuple[str, ...] = ()  # other names under which it may be registered or speak
    partial: bool = False  # tells only what changed: a message without known values is nothing wrong
    more: tuple["Envelope", ...] = ()  # further devices in the same message


class Refusal(Exception):  # noqa: N818  flow inside this module
    """A message that can't be used; never leaves `Source.open`."""


_EUI = re.compile(r"(?:0x)?([0-9a-f]{16})")
_IEEE = re.compile(r"(?:0x)?([0-9a-f]{16})")


@lru_cache(maxsize=50_000)
def normalised(form: str, text: str) -> str:
    """An address as it is compared: EUIs in 16 small digits, IEEE addresses as 0x…, other texts as they are."""
    text = text.strip()
    plain = re.sub(r"[-: ]", "", text.lower())
    if form == "eui" and (found := _EUI.fullmatch(plain)):
        return found[1]
    if form == "ieee" and (found := _IEEE.fullmatch(plain)):
        return "0x" + found[1]
    return text


def _look(place: str) -> Callable[[Any, Mapping[str, str]], Any]:
    """A place as a function of envelope and captures; None where there is nothing."""
    if "{" in place:
        names = names_of(place)
        if place == f"{{{names[0]}}}":
            return lambda _, captures: captures.get(names[0])

        def filled(_: Any, captures: Mapping[str, str]) -> str | None:
            return fill(place, captures) if all(name in captures for name in names) else None

        return filled
    if place == ".":
        return lambda data, _: data
    steps = tuple(place.split("."))
    if len(steps) == 1 and not place.isdecimal():
        return lambda data, _: data.get(place) if data.__class__ is dict else None

    def walk(data: Any, _: Mapping[str, str]) -> Any:
        for step in steps:
            if data.__class__ is dict:
                data = data.get(step)
            elif data.__class__ is list and step.isdecimal() and int(step) < len(data):
                data = data[int(step)]
            else:
                return None
        return data

    return walk


def looks(places: str | list[str] | None) -> Callable[[Any, Mapping[str, str]], Any]:
    """The first of several places that holds something."""
    if places is None:
        return _nothing
    looks = [_look(place) for place in ([places] if isinstance(places, str) else places)]
    if len(looks) == 1:
        return looks[0]

    def first(data: Any, captures: Mapping[str, str]) -> Any:
        for look in looks:
            found = look(data, captures)
            if found is not None and found != "":
                return found
        return None

    return first


def _nothing(_data: Any, _captures: Mapping[str, str]) -> None:
    return None


def _number(value: Any) -> float | None:
    if value.__class__ in (int, float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if value.__class__ is str and len(value) <= 40 and "_" not in value:
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None


def _integer(value: Any, highest: int) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) and 0 <= number <= highest else None


def _text(value: Any) -> str | None:
    return value.strip()[:128] or None if isinstance(value, str) else None


def _instant(value: Any, unit: str) -> int | None:
    """Epoch ms, or None: a time that is none is no reason to refuse a reading; its arrival then counts.

    So is one of a clock that was never set: before 2000, as seconds since the device woke up.
    """
    found = _epoch_ms(value, unit)
    return found if found is not None and found >= CLOCKS_SINCE_MS else None


def _epoch_ms(value: Any, unit: str) -> int | None:
    if unit == "s" or (unit == "any" and value.__class__ in (int, float) and 0 <= value < 10_000_000_000):
        number = _number(value)
        return round(number * 1000) if number is not None and 0 <= number * 1000 <= LAST_MS else None
    try:
        return parse_instant(value)
    except (ValueError, OverflowError):
        return None


def _link_of(document: LinkDocument | None) -> Callable[[Any, Mapping[str, str]], Link | None] | None:
    if document is None:
        return None
    best = _look(document.best_of) if document.best_of else None
    rssi = looks(document.rssi_dbm)
    names = ("rssi_dbm", "snr_db", "lqi", "margin_db")
    said = [(name, looks(places)) for name in names if (places := getattr(document, name)) is not None]

    def link(data: Any, captures: Mapping[str, str]) -> Link | None:
        if best is not None:
            heard = best(data, captures)
            if heard.__class__ is not list or not heard:
                return None
            data = max(heard[:64], key=lambda each: _or(_number(rssi(each, captures)), -1e9))
        numbers = {name: number for name, part in said if (number := _number(part(data, captures))) is not None}
        return Link(**numbers) if numbers else None

    return link


def _or(number: float | None, otherwise: float) -> float:
    return otherwise if number is None else number


def _payload_of(document: PayloadDocument) -> Callable[[bytes, Any, Mapping[str, str]], bytes | None]:
    """What the profile's decoder gets; None where there is none."""
    look = None if document.at is None else looks(document.at)
    if document.key is not None:
        keys = document.key.split("/")

        def keyed(_: bytes, data: Any, captures: Mapping[str, str]) -> bytes:
            value = word(data if look is None else look(data, captures))
            for key in reversed(keys):
                value = {fill(key, captures): value}
            return msgspec.json.encode(value)

        return keyed
    if look is None:
        return lambda raw, _data, _captures: raw
    encoding = document.encoding

    def inner(_: bytes, data: Any, captures: Mapping[str, str]) -> bytes | None:
        found = look(data, captures)
        if found is None or found == "":
            return None
        if encoding in ("json", "as_is"):
            return msgspec.json.encode(found)
        if not isinstance(found, str):
            raise Refusal(f"{document.at} is not {encoding} text")
        try:
            return base64.b64decode(found, validate=True) if encoding == "base64" else bytes.fromhex(found)
        except (binascii.Error, ValueError):
            raise Refusal(f"{document.at} is not {encoding}: {found[:40]!r}") from None

    return inner


def word(value: Any) -> Any:
    """A word on a topic of its own as a JSON value: numbers become numbers, other words stay."""
    if isinstance(value, str):
        text = value.strip()
        number = _number(text) if text[:1] in "+-.0123456789" else None
        return text if number is None else number
    return value


class Event:
    """One sort of message of a source, compiled."""

    def __init__(self, document: EventDocument, source: SourceDocument) -> None:
        self.document = document
        self.kind = document.kind
        self._form = source.form
        self._address = looks(document.address or source.address)
        self._aliases = [_look(place) for place in document.aliases]
        self._payload = _payload_of(document.payload) if document.payload is not None else None
        self._fport = looks(document.fport)
        self._ts = None if document.ts is None else looks(document.ts.at)
        self._unit = document.ts.unit if document.ts else ""
        self._seq = looks(document.seq)
        self._link = _link_of(document.link)
        self._battery = None if document.battery is None else looks(document.battery.at)
        self._unless = [_look(place) for place in document.battery.unless] if document.battery else []
        self._about = tuple(looks(each) for each in (document.name, document.vendor, document.model))
        self._silent = document.name is document.vendor is document.model is None
        self._only = [(_look(place), frozenset(words)) for place, words in document.only.items()]
        self._refuse = [(_look(each.at), each.why) for each in document.refuse]
        self._each = None if document.each is None else _look(document.each)

    def read(self, payload: bytes) -> Any:
        """The envelope as data."""
        if self.document.format == "bytes":
            return None
        if self.document.format == "text":
            return payload.decode("utf-8", errors="replace")
        return read_json(payload)

    def envelopes(self, payload: bytes, data: Any, captures: Mapping[str, str]) -> Iterator[Envelope]:
        """What the message says; nothing for what is not of interest."""
        if self._each is None:
            if (found := self.envelope(payload, data, captures)) is not None:
                yield found
            return
        listed = self._each(data, captures)
        if listed.__class__ is not list:
            raise Refusal(f"a list of devices is expected at '{self.document.each}'")
        for each in listed[:MOST_DEVICES]:
            if each.__class__ is dict:
                try:
                    found = self.envelope(payload, each, captures)
                except Refusal:
                    continue  # of many devices one that can't be read
                if found is not None:
                    yield found

    def envelope(self, payload: bytes, data: Any, captures: Mapping[str, str]) -> Envelope | None:
        """What is said of one device."""
        for look, words in self._only:
            if str(look(data, captures)) not in words:
                return None
        address = checked(normalised(self._form, spelled(self._address(data, captures))))
        for look, why in self._refuse:
            if look(data, captures):
                raise Refusal(why)
        kind = self.kind
        body = b""
        status = self._status(data, captures)
        if self._payload is not None:
            inner = self._payload(payload, data, captures)
            if inner is not None:
                body = inner
            elif self.document.payload is not None and self.document.payload.optional:
                kind, status = "status", status or "online"
            else:
                where = self.document.payload.at if self.document.payload else ""
                raise Refusal(f"there is no payload at {where}")
        aliases = []
        for look in self._aliases:
            if (alias := _text(look(data, captures))) is not None:
                alias = normalised(self._form, alias)
                if alias != address and len(alias) <= LONGEST_ADDRESS:
                    aliases.append(alias)
        name, vendor, model = (
            (None, None, None) if self._silent else (_text(look(data, captures)) for look in self._about)
        )
        return Envelope(
            address=address,
            kind=kind,
            payload=body,
            fport=None if self._fport is _nothing else _integer(self._fport(data, captures), 255),
            ts=None if self._ts is None else _instant(self._ts(data, captures), self._unit),
            seq=None if self._seq is _nothing else _integer(self._seq(data, captures), 2**63 - 1),
            link=None if self._link is None else self._link(data, captures),
            battery_percent=self._percent(data, captures),
            status=status,
            name=name,
            vendor=vendor,
            model=model,
            aliases=tuple(aliases),
            partial=self.document.partial,
        )

    def _percent(self, data: Any, captures: Mapping[str, str]) -> float | None:
        if self._battery is None or any(look(data, captures) for look in self._unless):
            return None
        percent = _number(self._battery(data, captures))
        return percent if percent is not None and 0 <= percent <= 100 else None

    def _status(self, data: Any, captures: Mapping[str, str]) -> Status | None:
        document = self.document.status
        if document is None or isinstance(document, str):
            return document
        said = looks(document.at)(data, captures) if document.at is not None else data
        spoken = ("true" if said else "false") if isinstance(said, bool) else str(said).strip()
        found = document.map.get(spoken)
        if found is None and self.kind == "status":
            raise Refusal(f"'{spoken[:40]}' is none of {', '.join(document.map)}")
        return found


def read_json(payload: bytes) -> Any:
    """JSON of an envelope; a `Refusal` where it is none."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Refusal(f"the envelope is not JSON: {str(error)[:200] or type(error).__name__}") from None


def spelled(value: Any) -> str:
    """A name or number as text; empty for anything else."""
    if isinstance(value, str):
        return value
    if value.__class__ is int:
        return str(value) if abs(value) < 10**20 else ""
    return ""


def checked(address: str) -> str:
    """An address that may be one; a `Refusal` otherwise."""
    if not address or len(address) > LONGEST_ADDRESS or not address.isprintable():
        raise Refusal("there is no address in it" if not address else f"not an address: {address[:40]!r}")
    return address
