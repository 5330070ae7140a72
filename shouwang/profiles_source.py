"""Envelopes of network servers and bridges, as `profiles decode` and `profiles try` take them off."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer

from device_profiles.sources.source import Envelope, Match, Source, SourceError, Sources, UnknownSourceError, Use
from device_profiles.sources.topic_pattern import TopicPattern
from shouwang.profiles_named import usage
from wire.time import format_instant

SourceOption = Annotated[
    str | None,
    typer.Option("--source", help="The envelope around the payload: chirpstack, the_things_stack, zigbee2mqtt …"),
]
PrefixOption = Annotated[
    str | None, typer.Option("--prefix", help="With --source: what its topics begin with, if not as usual.")
]
_SAMPLE = "0000000000000000"


@dataclass(slots=True)
class Opener:
    """Takes envelopes of one source off."""

    sources: Sources
    name: str

    @classmethod
    def of(cls, name: str, prefix: str | None) -> "Opener":
        """The source of a name; `-` and `_` are the same."""
        try:
            return cls(Sources.load(Use(name.replace("-", "_").lower(), prefix)), name.replace("-", "_").lower())
        except UnknownSourceError:
            known = ", ".join(Sources.load().names())
            raise usage(f"there is no source '{name}'; there are {known}") from None

    @property
    def source(self) -> Source:
        """Itself."""
        return self.sources[self.name]

    def open(self, topic: str | None, payload: bytes) -> list[Envelope] | SourceError:
        """What a message says, one entry a device.

        Args:
            topic: None: not known; it is then read as a message with values, by the topics on which those come.
            payload: the whole message.
        """
        if topic is None:
            matches = list(_with_values(self.source))
        else:
            match = self.sources.match(topic)
            if match is None:
                patterns = ", ".join(each.pattern for each in self.source.document.topics)
                return SourceError(f"{topic} is no topic of {self.name}: {patterns}")
            matches = [match]
        errors: list[SourceError] = []
        for match in matches:
            found = self.sources.open(match, payload)
            if isinstance(found, SourceError):
                errors.append(found)
                continue
            envelopes = [found, *found.more]
            for each in envelopes:
                self.sources.learn(match, each)
            if topic is not None or any(each.kind == "up" for each in envelopes):
                return envelopes
        return errors[0] if errors else SourceError("no message with values")


def _with_values(source: Source) -> Iterator[Match]:
    """Topics on which messages with values come, with names made up."""
    for index, topic in enumerate(source.document.topics):
        names = TopicPattern(topic.pattern).names
        choices = [topic.event] if topic.event is not None else list(source.document.events)
        for event in choices:
            if source.document.events[event].kind != "up":
                continue
            captures = dict.fromkeys(names, _SAMPLE)
            if isinstance(topic.choose, str) and topic.choose.startswith("{"):
                captures[topic.choose.strip("{}")] = event
            yield Match(source.name, topic.pattern, index, captures)


def told(envelope: Envelope) -> dict[str, Any]:
    """What stands around a payload, as plain data."""
    found: dict[str, Any] = {"kind": envelope.kind}
    for name in ("address", "fport", "seq", "battery_percent", "status", "name", "vendor", "model"):
        value = getattr(envelope, name)
        if value not in (None, "", _SAMPLE, f"0x{_SAMPLE}"):
            found[name] = value
    if envelope.ts is not None:
        found["ts"] = format_instant(envelope.ts)
    if envelope.link is not None:
        link = msgspec.to_builtins(envelope.link)
        found["link"] = {name: value for name, value in link.items() if value is not None}
    return found


def brief(envelope: dict[str, Any]) -> str:
    """An envelope on one line."""
    link = envelope.get("link", {})
    parts = [f"{name} {value}" for name, value in envelope.items() if name != "link"]
    return ", ".join(parts + [f"{name} {value:g}" for name, value in link.items()])
