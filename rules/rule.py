"""What a rule is, read and checked: frozen, the same for all devices that share a declaration."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rules.alarm import policy as alarm_policy
from rules.alarm.policy import AlarmPolicy
from rules.common_mode import CommonMode
from rules.frame import Input
from rules.schedule import Schedule
from wire.alert import Hazard
from wire.level import Level

Direction = Literal["above", "below"]


@dataclass(frozen=True, slots=True)
class Bound:
    """When one handling level is reached and left."""

    enter: float
    exit: float
    hold_s: float = 0.0
    min_samples: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on one point of a device, with its levels."""

    id: str
    kind: str  # level, rate, silence, event, co_occurrence or one of rules.kinds
    hazard: Hazard
    point: str | None = None  # None: silence
    direction: Direction = "above"
    reference: str | None = None  # judge percent of this device parameter
    window_s: float = 0.0  # rate
    at_least: float | None = None  # rate: only while the value is so high
    levels: Mapping[Level, Bound] = field(default_factory=dict)
    after_s: Mapping[Level, float] = field(default_factory=dict)  # silence
    clear_hold_s: float = 900.0
    latch: bool = False
    max_gap_s: float = 30.0
    max_verify_delay_s: float = 60.0
    grace_s: float = 30.0  # silence: what a restart may add, once
    schedule: Schedule | None = None
    cooldown_s: float = 0.0
    common_mode: CommonMode | None = None
    options: Any = None  # the frozen dataclass of its kind
    # of a kind of rules.kinds
    inputs: tuple[Input, ...] = ()  # the judged one first
    sources: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)  # input: device (None: its own), point
    # of the alarm, not of the judgement: a change of it leaves the engine's state as it is
    alarm: AlarmPolicy = field(default=alarm_policy.USUAL, repr=False)

    def fitted(self, cadence_s: float) -> "Rule":
        """The rule on a device that speaks every `cadence_s`.

        Verification by further samples may not outlast `max_verify_delay_s`: what a slow device cannot confirm in
        that time is believed at once (the next sample of a stage gauge is five minutes away).
        """
        possible = 1 + int(self.max_verify_delay_s / cadence_s)
        if self.kind == "silence" or all(possible >= bound.min_samples for bound in self.levels.values()):
            return self
        levels = {}
        for level, bound in self.levels.items():
            quick = possible == 1 and bound.hold_s <= self.max_verify_delay_s
            levels[level] = replace(
                bound,
                min_samples=min(bound.min_samples, possible),
                hold_s=0.0 if quick else bound.hold_s,
            )
        return replace(self, levels=levels)
