"""Sources: what network servers, bridges and other people's devices say over MQTT, told apart and unwrapped. Pure.

A *source* is a convention – ChirpStack, Zigbee2MQTT, Tasmota … – described in `sources/<name>.yaml`: topic patterns
and envelopes. It never decodes a reading: it finds whose message it is (`Envelope.address`), what sort, and hands the
device's own bytes on (`Envelope.payload`, with `fport`) to the decoder of that device's profile.

    sources = Sources.load()                              # every built-in one, with its usual topics
    sources = Sources.load(Use("chirpstack"), Use("zigbee2mqtt", prefix="z2m"))
    for name in sources.filters: subscribe(name)
    match = sources.match(topic)                          # None: a topic of no source
    envelope = sources.open(match, payload)               # Envelope, or a SourceError that says why not (not raised)
    for each in (envelope, *envelope.more):               # one message may tell of several devices
        sources.learn(match, each)                        # only announcements teach: names, Home Assistant's entities
        device = table.get(f"{match.source}:{sources.canonical(match.source, each)}")

A device is bound to an address by `wire.configuration.DeviceConfig.address`, `<source>:<address>`; `address_key`
brings what a person typed into the form in which addresses come out here.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from device_profiles.decoder import MAX_PAYLOAD_BYTES
from device_profiles.error import Problem
from device_profiles.sources.envelope import (
    LONGEST_ADDRESS,
    MOST_DEVICES,
    Envelope,
    Event,
    Refusal,
    Status,
    looks,
    normalised,
    read_json,
    spelled,
)
from device_profiles.sources.source_document import SourceDocument
from device_profiles.sources.source_load import SourceFileError, read_source
from device_profiles.sources.topic_pattern import TopicPattern, covers, fewest

BUILT_IN = Path(__file__).parent / "conventions"
NATIVE = "native"


class Match(msgspec.Struct, frozen=True, gc=False):
    """Which source a topic belongs to, and what stands in it."""

    source: str
    topic: str
    pattern: int  # index in the source's topics; -1: learnt from an announcement
    captures: dict[str, str]


class SourceError(msgspec.Struct, frozen=True):
    """Why a message of a source can't be used; a value, never raised."""

    detail: str
    address: str | None = None  # where it is known whose it was


class Use(msgspec.Struct, frozen=True):
    """How a source is used: the `[[sources]]` of an edge.

    Args:
        name: of the source.
        prefix: stands before its topics instead of the usual one; None: the usual one.
        states: filters under which announced state topics may lie (Home Assistant discovery).
    """

    name: str
    prefix: str | None = None
    states: tuple[str, ...] = ()


class UnknownSourceError(KeyError):
    """There is no such source; the message names those there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"there is no source '{name}'; there are {', '.join(known)}")

    def __str__(self) -> str:
        """The sentence (KeyError would show its repr)."""
        return str(self.args[0])


class Source:
    """One convention, compiled for one prefix.

    Args:
        document: as read from its file.
        use: prefix and state filters.
    """

    def __init__(self, document: SourceDocument, use: Use | None = None) -> None:
        use = use or Use(document.source)
        self.name = document.source
        self.document = document
        self.prefix = (document.prefix if use.prefix is None else use.prefix).strip("/")
        self.states = use.states
        self._events = {name: Event(each, document) for name, each in document.events.items()}
        self._patterns = [
            TopicPattern(each.pattern if each.root else self._below(each.pattern)) for each in document.topics
        ]
        self._choose = [None if each.choose is None else looks(each.choose) for each in document.topics]
        self._chosen_from_topic = ["{" in str(each.choose) for each in document.topics]
        self._announced = any(each.kind == "announce" for each in document.events.values())
        self._names: dict[str, str] = {}  # learnt: what a device is called -> its address

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        wanted = self._filters(self.document.subscribe) or [
            pattern.filter()
            for pattern, topic in zip(self._patterns, self.document.topics, strict=True)
            if topic.event is None or self.document.events[topic.event].kind != "ignored"
        ]
        return fewest([*wanted, *self.states])

    @property
    def bridge_publishes(self) -> list[str]:
        """Filters of what a network server or bridge of this convention may say."""
        return fewest([*self.filters, *self._filters(self.document.bridge_publishes)])

    @property
    def bridge_hears(self) -> list[str]:
        """Filters of what it may listen to."""
        return fewest(self._filters(self.document.bridge_hears))

    def own(self, address: str) -> tuple[list[str], list[str]]:
        """Filters that a device with an account of its own may publish and hear; empty where none may have one."""
        return self._filters(self.document.own, address), self._filters(self.document.own_hears, address)

    def match(self, topic: str) -> Match | None:
        """What a topic stands for; None: not of this source."""
        for index, pattern in enumerate(self._patterns):
            captures = pattern.match(topic)
            if captures is not None:
                return Match(self.name, topic, index, captures)
        return None

    def is_wide(self, match: Match) -> bool:
        """Whether the pattern that matched takes any first level of a topic."""
        return match.pattern >= 0 and "{" in self._patterns[match.pattern].levels[0]

    def open(self, match: Match, payload: bytes) -> Envelope | SourceError:
        """What a message says; a SourceError says why it can't be used. Nothing is ever raised."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            return SourceError(f"{len(payload)} bytes; at most {MAX_PAYLOAD_BYTES} are read")
        try:
            found = self._open(match, payload)
        except Refusal as refusal:
            return SourceError(str(refusal), match.captures.get("address"))
        if not found:
            return Envelope(address="", kind="ignored")
        return found[0] if len(found) == 1 else msgspec.structs.replace(found[0], more=tuple(found[1:]))

    def learn(self, match: Match, envelope: Envelope) -> bool:  # noqa: ARG002  sources that teach need the topic
        """Take in what an announcement teaches; True when it was news (and is worth keeping over a restart)."""
        if not self._announced or envelope.kind not in ("announce", "join"):
            return False
        news = False
        for alias in envelope.aliases:
            if self._names.get(alias) != envelope.address and len(self._names) < MOST_DEVICES:
                self._names[alias] = envelope.address
                news = True
        return news

    def addresses(self, envelope: Envelope) -> Iterator[str]:
        """Names under which its device may be registered, the most certain first: what its topic says."""
        yield envelope.address
        if (known := self._names.get(envelope.address)) is not None:
            yield known
        yield from envelope.aliases
        for alias, address in self._names.items():
            if address == envelope.address:
                yield alias

    def canonical(self, envelope: Envelope) -> str:
        """The address for people to register: the lasting one where an announcement told it."""
        return self.lasting(envelope.address)

    def lasting(self, address: str) -> str:
        """The lasting address behind a name, where an announcement told it."""
        return self._names.get(address, address)

    def _open(self, match: Match, payload: bytes) -> list[Envelope]:
        topic = self.document.topics[match.pattern]
        choose = self._choose[match.pattern]
        name = topic.event
        data: Any = None
        chosen_from_topic = self._chosen_from_topic[match.pattern]
        if choose is not None:
            data = None if chosen_from_topic else read_json(payload)
            said = spelled(choose(data, match.captures))
            name = said if said in self._events else topic.otherwise
            if name is None:
                raise Refusal(f"'{said[:40]}' is none of {', '.join(self._events)}")
        event = self._events[name or ""]
        if event.kind == "ignored" or (not payload and event.document.format != "bytes"):
            return []  # an empty message deletes what was retained
        if choose is None or chosen_from_topic:
            data = event.read(payload)
        return list(event.envelopes(payload, data, match.captures))

    def _below(self, pattern: str) -> str:
        return f"{self.prefix}/{pattern}" if self.prefix else pattern

    def _filters(self, templates: list[str], address: str | None = None) -> list[str]:
        known = {} if address is None else {"address": address}
        placed = [each[1:] if each.startswith("/") else self._below(each) for each in templates]
        return [TopicPattern(each).filter(**known) for each in placed]


class Sources:
    """The sources in use, by name. Made by `load`."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources: dict[str, list[Source]] = {}
        for source in sources:
            self._sources.setdefault(source.name, []).append(source)

    @classmethod
    def load(cls, *uses: Use, folders: Iterable[Path] = ()) -> "Sources":
        """Reads source files.

        Args:
            uses: which ones and how; none: every one there is, with its usual topics. A name may stand twice (two
                bridges with prefixes of their own).
            folders: of further source files beside the built-in ones; a later one may replace an earlier one.

        Raises:
            SourceFileError: with the problems of every broken file.
            UnknownSourceError: for a use of what does not exist.
        """
        from device_profiles.sources.home_assistant import HomeAssistant

        documents: dict[str, SourceDocument] = {}
        problems: list[Problem] = []
        for folder in (BUILT_IN, *folders):
            for file in sorted(folder.glob("*.yaml")):
                try:
                    document = read_source(file)
                except SourceFileError as error:
                    problems += error.problems
                else:
                    documents[document.source] = document
        if problems:
            raise SourceFileError(*problems)
        made = []
        for use in uses or [Use(name) for name in documents]:
            if use.name not in documents:
                raise UnknownSourceError(use.name, documents)
            document = documents[use.name]
            made.append(HomeAssistant(document, use) if document.teaches else Source(document, use))
        return cls(made)

    def __iter__(self) -> Iterator[Source]:
        for sources in self._sources.values():
            yield from sources

    def __contains__(self, name: object) -> bool:
        return name in self._sources

    def __getitem__(self, name: str) -> Source:
        """The (first) source of a name.

        Raises:
            UnknownSourceError: where it is not in use.
        """
        if name not in self._sources:
            raise UnknownSourceError(name, self._sources)
        return self._sources[name][0]

    def names(self) -> list[str]:
        """Of the sources in use."""
        return list(self._sources)

    @property
    def filters(self) -> list[str]:
        """Everything to subscribe to, nothing twice."""
        return fewest([each for source in self for each in source.filters])

    def match(self, topic: str) -> Match | None:
        """What a topic stands for; None: of no source."""
        found = self.find(topic)
        return None if found is None else found[1]

    def find(self, topic: str) -> tuple[Source, Match] | None:
        """As `match`, with the source. Patterns that begin with a name of their own go before those that take any."""
        found: tuple[Source, Match] | None = None
        for source in self:
            match = source.match(topic)
            if match is not None and (found is None or (found[0].is_wide(found[1]) and not source.is_wide(match))):
                found = source, match
        return found

    def open(self, match: Match, payload: bytes) -> Envelope | SourceError:
        """What a message says; a SourceError says why it can't be used. Nothing is ever raised."""
        return self._of(match).open(match, payload)

    def learn(self, match: Match, envelope: Envelope) -> bool:
        """Take in what an announcement teaches; True when it was news."""
        return self._of(match).learn(match, envelope)

    def canonical(self, match: Match, envelope: Envelope) -> str:
        """The address to register, with its source: `zigbee2mqtt:0x00158d0001d64498`."""
        return f"{match.source}:{self._of(match).canonical(envelope)}"

    def _of(self, match: Match) -> Source:
        listed = self._sources[match.source]
        if len(listed) > 1:
            for source in listed:
                if source.match(match.topic) == match:
                    return source
        return listed[0]


def address_key(address: str, sources: Sources) -> str:
    """`<source>:<address>` in the form in which addresses are compared.

    Raises:
        ValueError: for what is no address of a source in use; the message says what is expected.
    """
    name, colon, text = address.partition(":")
    if not colon or not text.strip():
        raise ValueError(f"address '{address}' is not <source>:<address>, as chirpstack:a84041ffff123456")
    if name not in sources:
        used = ", ".join(sources.names()) or "none"
        raise ValueError(f"address '{address}': source '{name}' is not in use here (in use: {used})")
    return f"{name}:{normalised(sources[name].document.form, text)}"


__all__ = [
    "BUILT_IN",
    "LONGEST_ADDRESS",
    "NATIVE",
    "Envelope",
    "Match",
    "Source",
    "SourceError",
    "SourceFileError",
    "Sources",
    "Status",
    "UnknownSourceError",
    "Use",
    "address_key",
    "covers",
    "normalised",
]
