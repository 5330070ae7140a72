"""What rules are less strict than others: for the record of who eased what, and for whoever looks at it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rules.declaration import Rule
from wire.level import Level


@dataclass(frozen=True, slots=True)
class Eased:
    """One place where a rule calls later, or not at all."""

    rule: str
    key: str  # as `levels.III.enter`; empty: the rule is gone
    standard: Any
    now: Any

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"rule": self.rule, "key": self.key, "standard": self.standard, "now": self.now}


def eased(standard: Mapping[str, Rule], now: Mapping[str, Rule]) -> list[Eased]:
    """Where `now` calls later than `standard`: rules and levels taken away, further thresholds, longer holds."""
    found: list[Eased] = []
    for name, rule in standard.items():
        other = now.get(name)
        if other is None:
            found.append(Eased(name, "", "there", None))
        elif other.kind != rule.kind:
            found.append(Eased(name, "kind", rule.kind, other.kind))  # not to be compared: a person must look
        else:
            found += [Eased(name, key, before, after) for key, before, after in _differences(rule, other)]
    return found


def _differences(rule: Rule, other: Rule) -> Iterator[tuple[str, Any, Any]]:
    sign = 1.0 if rule.direction == "above" else -1.0
    for level, bound in rule.levels.items():
        known = other.levels.get(level)
        if known is None:
            if not _earlier(rule, other, level):
                yield f"levels.{level}", bound.enter, None
            continue
        if sign * known.enter > sign * bound.enter:
            yield f"levels.{level}.enter", bound.enter, known.enter
        if known.hold_s > bound.hold_s:
            yield f"levels.{level}.hold_s", bound.hold_s, known.hold_s
        if known.min_samples > bound.min_samples:
            yield f"levels.{level}.min_samples", bound.min_samples, known.min_samples
    for level, after_s in rule.after_s.items():
        later = other.after_s.get(level)
        if later is None or later > after_s:
            yield f"levels.{level}.after_s", after_s, later
    if rule.latch and not other.latch:
        yield "latch", True, False
    if other.schedule is not None and other.schedule != rule.schedule:
        yield "schedule", "always" if rule.schedule is None else "another", "at times only"
    if other.cooldown_s > rule.cooldown_s:
        yield "cooldown_s", rule.cooldown_s, other.cooldown_s


def _earlier(rule: Rule, other: Rule, level: Level) -> bool:
    """Whether a worse level of the other begins where this level of the rule does, so that nothing is lost."""
    sign = 1.0 if rule.direction == "above" else -1.0
    enter = sign * rule.levels[level].enter
    return any(each.rank > level.rank and sign * bound.enter <= enter for each, bound in other.levels.items())
