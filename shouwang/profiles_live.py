"""What `profiles try` keeps: the profile as it stands on disk just now, the last message, and what came so far."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device_profiles.decoder import Decoder
from device_profiles.error import ProfileError
from device_profiles.loading.load import read_profile
from device_profiles.profile import Profile
from shouwang.profiles_message import found_in, refused

MOST_TOPICS = 500
"""So many topics are counted one by one."""


@dataclass(slots=True)
class ProfileOnDisk:
    """A profile file that its author is editing; `profile` is the last one that could be read.

    Args:
        file: the profile file; must exist.
        parameters: makes the numbers of the place from what the command line said.
    """

    file: Path
    parameters: Callable[[Profile], Mapping[str, float]]
    profile: Profile | None = None
    decoder: Decoder | None = None
    problems: list[str] = field(default_factory=list)
    _seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Reads the file again if it is another than last time; whether it was."""
        try:
            stat = self.file.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
        except OSError:  # editors move the new file over the old one: for a moment there is none
            return False
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            profile = read_profile(self.file)
        except ProfileError as error:
            self.problems = [str(problem) for problem in error.problems]
            return True
        self.problems = []
        self.profile, self.decoder = profile, profile.decoder(self.parameters(profile))
        return True


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message from the broker, out of its envelope if it had one."""

    topic: str
    payload: bytes
    at: str  # arrival, RFC 3339
    fport: int | None = None
    retained: bool = False
    envelope: Mapping[str, Any] = field(default_factory=dict)  # address, kind, link … as the source tells them
    partial: bool = False  # its source tells only what changed
    problem: str | None = None  # the envelope itself is wrong


@dataclass(slots=True)
class Live:
    """Decodes what arrives and keeps what people look at."""

    on_disk: ProfileOnDisk
    messages: int = 0
    wrong: int = 0
    last: Arrival | None = None
    found: dict[str, Any] | None = None
    topics: dict[str, int] = field(default_factory=dict)
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=5))

    def take(self, arrival: Arrival) -> dict[str, Any]:
        """One message that arrived, as one JSON line tells it."""
        self.messages += 1
        self.last = arrival
        if arrival.topic in self.topics or len(self.topics) < MOST_TOPICS:
            self.topics[arrival.topic] = self.topics.get(arrival.topic, 0) + 1
        line = self.again()
        assert line is not None
        if line["errors"]:
            self.wrong += 1
            first = line["errors"][0]
            self.errors.append(f"{arrival.at} {arrival.topic}: {first['code']}: {first['message']}")
        return line

    def again(self) -> dict[str, Any] | None:
        """The last message by the profile as it stands now; None before the first."""
        if self.last is None:
            return None
        self.found = self._decoded(self.last)
        shown = _shown(self.last.payload)
        head: dict[str, Any] = {"topic": self.last.topic, "received_at": self.last.at}
        if self.last.retained:
            head["retained"] = True
        if self.last.fport is not None:
            head["fport"] = self.last.fport
        if self.last.envelope:
            head["envelope"] = dict(self.last.envelope)
        return head | shown | self.found

    def _decoded(self, arrival: Arrival) -> dict[str, Any]:
        if arrival.problem is not None:
            return refused("envelope", arrival.problem)
        if arrival.envelope.get("kind", "up") != "up":
            return {"readings": [], "errors": []}
        decoder = self.on_disk.decoder
        if decoder is None:
            return refused("profile", f"{self.on_disk.file} cannot be used yet: {len(self.on_disk.problems)} problems")
        return found_in(decoder, arrival.payload, arrival.fport, partial=arrival.partial)


def _shown(payload: bytes) -> dict[str, str]:
    """The payload as people can copy it into an example: as text where it is text, else as hexadecimal digits."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"hex": payload.hex()}
    return {"text": text} if text.isprintable() else {"hex": payload.hex()}
