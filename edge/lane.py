"""What is written to the journal in one transaction, and what waits in it. Plain data."""

from dataclasses import dataclass, field
from enum import IntEnum

from wire.event import Type


class Lane(IntEnum):
    """What goes first."""

    ALARM = 0
    STATE = 1
    TELEMETRY = 2
    HELD = 3  # calm readings until their minute and the time before a possible alarm are over; never sent as they are


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event for the cloud; `data` is the encoded JSON of the wire struct that `type` names."""

    id: str
    lane: Lane
    type: Type
    data: bytes
    born_ms: int
    exercise: str | None = None
    replaces: str | None = None  # a newer event with the same key takes the place of an unsent older one
    urgent: bool = False  # a real alert of level I or II: the local notifier watches it
    items: int = 1  # readings in a telemetry block


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event as it stands in the journal."""

    position: int
    id: str
    lane: Lane
    type: str
    data: bytes
    born_ms: int
    exercise: str | None


@dataclass(slots=True)
class Transaction:
    """Everything that one batch changes; committed together or not at all."""

    states: dict[str, bytes] = field(default_factory=dict)  # empty: forget it
    alarms: dict[str, bytes | None] = field(default_factory=dict)  # None: forget it
    keys: bytes = b""
    events: list[Outgoing] = field(default_factory=list)
    decisions: list[tuple[str, str, int]] = field(default_factory=list)  # id, result, forget at (ms)
    full: bool = False

    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.states or self.alarms or self.keys or self.events or self.decisions)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a start finds."""

    states: dict[str, bytes]
    alarms: dict[str, bytes]
    keys: list[bytes]
    decisions: set[str]


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that a full lane dropped."""

    lane: Lane
    events: int
    items: int
    first_ms: int
    last_ms: int
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits for the cloud, by lane."""

    events: dict[Lane, int]
    bytes: dict[Lane, int]
    oldest_ms: int | None

    @property
    def total(self) -> int:
        """Of all lanes that go up."""
        return sum(count for lane, count in self.events.items() if lane is not Lane.HELD)
