"""A breaker for each channel: what is down is skipped at once and probed now and then. Pure but for its own memory."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

FAILURES = 3
"""In a row, and the channel counts as down."""
FIRST_REST, LONGEST_REST = timedelta(seconds=10), timedelta(minutes=2)


@dataclass(slots=True)
class Circuit:
    """How one channel has done lately, as this process saw it."""

    failures: int = 0
    rests: int = 0  # how often it was opened since it last worked
    open_until: datetime | None = None
    since: datetime | None = None
    why: str = ""
    probing: bool = False

    def is_open(self) -> bool:
        """Whether it counts as down."""
        return self.open_until is not None

    def lets_through(self, now: datetime) -> bool:
        """Whether a message may be tried now. While down, one probe at a time, after each rest."""
        if self.open_until is None:
            return True
        if now < self.open_until or self.probing:
            return False
        self.probing = True
        return True

    def worked(self) -> bool:
        """A hand-over worked; whether it had been down until now."""
        was_open = self.open_until is not None
        self.failures, self.rests, self.open_until, self.since, self.why = 0, 0, None, None, ""
        self.probing = False
        return was_open

    def failed(self, now: datetime, why: str) -> bool:
        """A hand-over failed for want of the channel; whether it counts as down only since now."""
        self.failures += 1
        self.probing = False
        if self.failures < FAILURES and self.open_until is None:
            return False
        fresh = self.open_until is None
        self.rests += 1
        self.open_until = now + min(FIRST_REST * float(2 ** min(self.rests - 1, 10)), LONGEST_REST)
        self.since, self.why = self.since or now, why
        return fresh

    def not_its_fault(self) -> None:
        """The address was wrong, not the channel: the channel answered."""
        self.probing = False


@dataclass(slots=True)
class Circuits:
    """One a channel."""

    by_channel: dict[str, Circuit] = field(default_factory=dict)

    def of(self, channel: str) -> Circuit:
        """The circuit of a channel."""
        return self.by_channel.setdefault(channel, Circuit())
