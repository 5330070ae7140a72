"""Found devices: addresses that speak on a source and are registered nowhere. Told to the cloud, bounded."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from device_profiles.sources.source import Envelope
from edge.lane import Lane, Outgoing
from edge.metrics import FOUND
from wire.event import Type
from wire.report import FoundDevice
from wire.time import to_datetime

MOST = 500
EVERY_MS = 60_000

Suggest = Callable[[str | None, str | None], str | None]


@dataclass(slots=True)
class _Found:
    source: str
    address: str
    topic: str
    first_ms: int
    last_ms: int
    messages: int = 0
    name: str | None = None
    vendor: str | None = None
    model: str | None = None
    suggested: str | None = None
    reported_ms: int = 0
    changed: bool = True


class Found:
    """Keeps the newest 500; each is reported at once, then at most once a minute while it speaks.

    Args:
        edge: id of this edge.
        suggest: the profile of a vendor and model, where the library has one.
    """

    def __init__(self, edge: str, suggest: Suggest) -> None:
        self._edge = edge
        self._suggest = suggest
        self._known: OrderedDict[str, _Found] = OrderedDict()
        self._due: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def note(self, address: str, topic: str, envelope: Envelope, at_ms: int, *, spoke: bool) -> None:
        """Something was heard of an address, `<source>:<address>`; `spoke`: by itself, not by announcement."""
        found = self._known.get(address)
        if found is None:
            if len(self._known) >= MOST:
                oldest, _ = self._known.popitem(last=False)
                self._due.discard(oldest)
            source, _, own = address.partition(":")
            found = self._known[address] = _Found(source, own, topic[:512], at_ms, at_ms)
        self._known.move_to_end(address)
        if spoke:
            found.topic, found.last_ms = topic[:512], at_ms
            found.messages += 1
            found.changed = True
        for key in ("name", "vendor", "model"):
            said = getattr(envelope, key)
            if said is not None and getattr(found, key) != said and not (spoke and getattr(found, key)):
                setattr(found, key, said)
                found.suggested = self._suggest(found.vendor, found.model)
                found.changed = True
        if found.changed:
            self._due.add(address)

    def forget(self, address: str) -> None:
        """It is registered now, or has another address."""
        self._known.pop(address, None)
        self._due.discard(address)

    def take(self, now_ms: int, edge_run: str) -> list[Outgoing]:
        """Reports that are due."""
        FOUND.set(len(self._known))
        ready = [
            (address, found)
            for address in self._due
            if (found := self._known.get(address)) is not None and now_ms - found.reported_ms >= EVERY_MS
        ]
        events = []
        for address, found in ready:
            self._due.discard(address)
            found.reported_ms, found.changed = now_ms, False
            report = FoundDevice(
                edge=self._edge,
                source=found.source,
                address=found.address,
                topic=found.topic,
                name=found.name,
                vendor=found.vendor,
                model=found.model,
                first_seen=to_datetime(found.first_ms),
                last_seen=to_datetime(found.last_ms),
                messages=found.messages,
                suggested_profile=found.suggested,
            )
            events.append(
                Outgoing(
                    id=f"{edge_run}/found/{_short(address)}/{now_ms}",
                    lane=Lane.STATE,
                    type=Type.DEVICE_FOUND,
                    data=msgspec.json.encode(report),
                    born_ms=now_ms,
                    replaces=f"found/{_short(address)}",
                )
            )
        return events

    def facts(self) -> list[dict[str, Any]]:
        """The last fifty, for /status."""
        return [
            {
                "address": address,
                "topic": found.topic,
                "name": found.name,
                "vendor": found.vendor,
                "model": found.model,
                "last_seen": to_datetime(found.last_ms),
                "messages": found.messages,
                "suggested_profile": found.suggested,
            }
            for address, found in list(self._known.items())[-50:]
        ]


def _short(address: str) -> str:
    """A stand-in for an address, which may be long, in ids, which may not."""
    return blake2b(address.encode(), digest_size=8).hexdigest()
