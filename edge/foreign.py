"""Other conventions than our own: which device an address is, what announcements taught, what could not be read."""

import base64
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from device_profiles.library import Library
from device_profiles.sources.source import Envelope, Match, Source, SourceError, Sources, address_key
from edge.files import write_private
from edge.found import Found
from edge.metrics import SOURCE_MESSAGES
from edge.table import Table
from wire.report import Reason

log = logging.getLogger(__name__)

MOST_KEPT = 5_000
MOST_KEPT_BYTES = 32 << 20
MOST_ADDRESSES = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class ForeignTopic:
    """A topic of a source."""

    source: Source
    match: Match


@dataclass(slots=True)
class _Tally:
    messages: int = 0
    unknown: int = 0
    errors: int = 0
    last_error: str = ""
    counted: Any = field(default=None, repr=False)


class Foreign:
    """The sources in use, and the devices that are registered under their addresses.

    Args:
        sources: in use.
        found: takes addresses that are registered nowhere.
    """

    def __init__(self, sources: Sources, found: Found) -> None:
        self.sources = sources
        self.found = found
        self.notes: list[str] = []
        self._devices: dict[str, str] = {}  # registered address -> device
        self._resolved: dict[tuple[str, str], str | None] = {}
        self._kept: dict[str, bytes] = {}  # announcements that taught something, by topic
        self._kept_bytes = 0
        self.news = False  # they are to be written down
        self._tallies = {
            name: _Tally(counted={o: SOURCE_MESSAGES.labels(source=name, outcome=o) for o in ("taken", "error")})
            for name in sources.names()
        }

    def use(self, table: Table) -> None:
        """Take a new table."""
        self._devices, self.notes = {}, []
        self._resolved.clear()
        for device in table.devices.values():
            address = device.config.address
            if address is None:
                continue
            try:
                key = address_key(address, self.sources)
            except ValueError as error:
                self.notes.append(f"{device.id} is not heard: {error}")
                continue
            if (other := self._devices.setdefault(key, device.id)) != device.id:
                self.notes.append(f"{device.id} is not heard: {other} has the same address {key}")
            self.found.forget(key)
            name, _, own = key.partition(":")
            self.found.forget(f"{name}:{self.sources[name].lasting(own)}")

    def find(self, topic: str) -> ForeignTopic | None:
        """The source of a topic."""
        found = self.sources.find(topic)
        return None if found is None else ForeignTopic(*found)

    def open(self, topic: ForeignTopic, payload: bytes) -> Envelope | SourceError:
        """What a message says, counted."""
        opened = topic.source.open(topic.match, payload)
        tally = self._tallies[topic.source.name]
        tally.messages += 1
        if opened.__class__ is SourceError:
            tally.errors += 1
            tally.last_error = f"{topic.match.topic}: {opened.detail}"[:500]
            tally.counted["error"].inc()
        else:
            tally.counted["taken"].inc()
        return opened

    def learn(self, topic: ForeignTopic, envelope: Envelope, payload: bytes) -> bool:
        """Take in an announcement; True when topics or addresses may stand for something else now."""
        if not topic.source.learn(topic.match, envelope):
            return False
        self._resolved.clear()
        self._keep(topic.match.topic, payload)
        return True

    def device(self, source: Source, envelope: Envelope) -> str | None:
        """The device of an envelope; None: registered nowhere."""
        if envelope.aliases:  # what a message says of its device may change
            return self._look(source, envelope)
        key = source.name, envelope.address
        if key not in self._resolved:
            if len(self._resolved) >= MOST_ADDRESSES:
                self._resolved.clear()
            self._resolved[key] = self._look(source, envelope)
        return self._resolved[key]

    def _look(self, source: Source, envelope: Envelope) -> str | None:
        for address in source.addresses(envelope):
            device = self._devices.get(f"{source.name}:{address}")
            if device is not None:
                return device
        return None

    def stranger(self, topic: ForeignTopic, envelope: Envelope, at_ms: int, *, spoke: bool) -> tuple[Reason, str]:
        """Note an address that is registered nowhere; the reason for the side table."""
        if spoke:
            self._tallies[topic.source.name].unknown += 1
        address = f"{topic.source.name}:{topic.source.canonical(envelope)}"
        self.found.note(address, topic.match.topic, envelope, at_ms, spoke=spoke)
        return Reason.UNKNOWN_DEVICE, f"no device is registered with the address '{address}'"

    def _keep(self, topic: str, payload: bytes) -> None:
        before = self._kept.pop(topic, b"")
        self._kept_bytes -= len(before)
        self.news = True
        if not payload:
            return
        if len(self._kept) >= MOST_KEPT or self._kept_bytes + len(payload) > MOST_KEPT_BYTES:
            log.warning("too many announcements; that of %s is not kept over a restart", topic)
            return
        self._kept[topic] = payload
        self._kept_bytes += len(payload)

    def save(self, file: Path) -> None:
        """Write down what was learnt."""
        kept = {topic: base64.b64encode(payload).decode() for topic, payload in list(self._kept.items())}
        write_private(file, msgspec.json.encode(kept))

    def restore(self, file: Path) -> None:
        """Take up what was learnt before a restart: a message may come before its announcement is repeated."""
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
            announcements = {topic: base64.b64decode(text) for topic, text in kept.items()}
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            log.warning("%s can't be read (%s); announcements come again with the next connection", file, error)
            return
        for name, payload in announcements.items():
            topic = self.find(name)
            opened = None if topic is None else topic.source.open(topic.match, payload)
            if topic is not None and isinstance(opened, Envelope):
                for each in (opened, *opened.more):
                    self.learn(topic, each, payload)
        self.news = False

    def facts(self) -> dict[str, Any]:
        """For /status."""
        registered = [address.partition(":")[0] for address in self._devices]
        return {
            name: {
                "filters": [each for source in self.sources if source.name == name for each in source.filters],
                "devices": registered.count(name),
                "messages": tally.messages,
                "unknown": tally.unknown,
                "errors": tally.errors,
                "last_error": tally.last_error,
            }
            for name, tally in self._tallies.items()
        }


def suggestion(library: Library) -> Any:
    """A function from vendor and model, as a device says them, to the name of a profile."""
    by_model: dict[str, list[str]] = {}
    for said, name in [*((name, name) for name in library.names()), *library.aliases().items()]:
        vendor, _, model = said.partition("/")
        for key in (f"{_slug(vendor)}/{_slug(model)}", _slug(model)):
            by_model.setdefault(key, []).append(name)

    def suggest(vendor: str | None, model: str | None) -> str | None:
        if not model:
            return None
        both = by_model.get(f"{_slug(vendor or '')}/{_slug(model)}")
        names = set(both or by_model.get(_slug(model), []))
        return names.pop() if len(names) == 1 else None

    return suggest


def _slug(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())
