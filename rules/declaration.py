"""What a rule is: the declaration that people write, read into a frozen `Rule`, and the layers of declarations.

A declaration is a mapping (YAML, JSON); the keys are listed in `docs/rules.md`. Errors name the key.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rules import defaults
from rules.alarm import policy as alarm_policy
from rules.alarm.policy import AlarmPolicy
from wire.alert import Hazard
from wire.level import Level

Kind = Literal["level", "rate", "silence"]
Direction = Literal["above", "below"]
Declaration = Mapping[str, Any]

RULE_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
GAP_CADENCES = 3
"""A gap longer than so many cadences freezes a hold; also the silence of a device that declares nothing."""
DEFAULT_HYSTERESIS = 0.2
"""Share of the enter threshold, where a declaration gives neither `exit` nor `hysteresis`."""
MIN_RATE_WINDOW_S = 300.0


class DeclarationError(ValueError):
    """A rule that cannot be: says which key, and what it should have been."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


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
    kind: Kind
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


_KEYS = {
    "level": {"point", "direction", "reference", "levels", "hysteresis", "hold_s", "min_samples"},
    "rate": {"point", "direction", "window_s", "floor", "levels", "hysteresis", "hold_s", "min_samples"},
    "silence": {"levels", "grace_s"},
}
_COMMON = {"kind", "hazard", "clear_hold_s", "latch", "max_gap_s", "max_verify_delay_s", "alarm"}


def _number(where: str, value: Any, low: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DeclarationError(where, f"{value!r} is not a finite number")
    if value < low:
        raise DeclarationError(where, f"{value!r} is below {low:g}")
    return float(value)


def _choice(where: str, value: Any, choices: Iterable[str]) -> str:
    known = list(choices)
    if value not in known:
        raise DeclarationError(where, f"{value!r} is not one of {', '.join(known)}")
    return str(value)


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DeclarationError(where, f"{value!r:.60} is not a mapping")
    return value


def _level(where: str, value: Any) -> Level:
    return Level(_choice(f"{where}.{value}", value, Level))


def _bound(where: str, text: Mapping[str, Any], declaration: Declaration, direction: Direction) -> Bound:
    unknown = set(text) - {"enter", "exit", "hysteresis", "hold_s", "min_samples"}
    if unknown:
        raise DeclarationError(f"{where}.{min(unknown)}", "unknown key")
    if "enter" not in text:
        raise DeclarationError(f"{where}.enter", "missing")
    enter = _number(f"{where}.enter", text["enter"])
    sign = 1.0 if direction == "above" else -1.0
    given = text.get("hysteresis", declaration.get("hysteresis"))
    hysteresis = DEFAULT_HYSTERESIS * abs(enter) if given is None else _number(f"{where}.hysteresis", given, 0.0)
    exit_ = _number(f"{where}.exit", text["exit"]) if "exit" in text else enter - sign * hysteresis
    if sign * exit_ > sign * enter:
        raise DeclarationError(f"{where}.exit", f"{exit_:g} is past enter {enter:g} (direction {direction})")
    samples = text.get("min_samples", declaration.get("min_samples", 1))
    if isinstance(samples, bool) or not isinstance(samples, int) or not 1 <= samples <= 1000:
        raise DeclarationError(f"{where}.min_samples", f"{samples!r} is not a whole number of 1 to 1000")
    hold = _number(f"{where}.hold_s", text.get("hold_s", declaration.get("hold_s", 0.0)), 0.0)
    return Bound(enter=enter, exit=exit_, hold_s=hold, min_samples=samples)


def _in_order(where: str, levels: Mapping[Level, Bound], direction: Direction) -> None:
    sign = 1.0 if direction == "above" else -1.0
    milder: tuple[Level, Bound] | None = None
    for level, bound in sorted(levels.items(), key=lambda item: item[0].rank):
        if milder is not None:
            for key in ("enter", "exit"):
                if sign * getattr(bound, key) < sign * getattr(milder[1], key):
                    raise DeclarationError(f"{where}.{level}.{key}", f"is reached before that of {milder[0]}")
        milder = (level, bound)


def parse(rule_id: str, declaration: Declaration, hazard: Hazard, cadence_s: float = 10.0) -> Rule:
    """One declaration, as written for a device of this hazard and cadence.

    Raises:
        DeclarationError: naming the key.
    """
    if not RULE_ID.fullmatch(rule_id):
        raise DeclarationError(rule_id, "a rule is named by small letters, digits and _")
    if rule_id == alarm_policy.UNSTEADY_RULE:
        raise DeclarationError(rule_id, "is the name of the edge's own notice of unsteady alarms")
    declaration = _mapping(rule_id, declaration)
    cadence_s = _number("cadence_s", cadence_s, 0.001)
    kind: Any = _choice(f"{rule_id}.kind", declaration.get("kind"), _KEYS)
    unknown = set(declaration) - _COMMON - _KEYS[kind]
    if unknown:
        raise DeclarationError(f"{rule_id}.{min(unknown)}", f"unknown key for kind {kind}")
    texts = _mapping(f"{rule_id}.levels", declaration.get("levels", {}))
    where = f"{rule_id}.levels"
    if not texts:
        raise DeclarationError(where, "missing: at least one of I, II, III, IV")
    common: dict[str, Any] = {
        "id": rule_id,
        "kind": kind,
        "hazard": Hazard(_choice(f"{rule_id}.hazard", declaration.get("hazard", hazard), Hazard)),
        "clear_hold_s": _number(f"{rule_id}.clear_hold_s", declaration.get("clear_hold_s", 900.0), 0.0),
        "latch": declaration.get("latch", False),
        "max_gap_s": _number(f"{rule_id}.max_gap_s", declaration.get("max_gap_s", GAP_CADENCES * cadence_s), 0.0),
        "max_verify_delay_s": _number(
            f"{rule_id}.max_verify_delay_s", declaration.get("max_verify_delay_s", 60.0), 0.0
        ),
    }
    if not isinstance(common["latch"], bool):
        raise DeclarationError(f"{rule_id}.latch", "is true or false")
    common["alarm"] = _alarm(f"{rule_id}.alarm", declaration.get("alarm", {}))
    if kind == "silence":
        return _silence(rule_id, declaration, texts, common, cadence_s)
    if not isinstance(declaration.get("point"), str):
        raise DeclarationError(f"{rule_id}.point", "missing: the point of the device that is judged")
    direction: Any = _choice(f"{rule_id}.direction", declaration.get("direction", "above"), ("above", "below"))
    levels = {
        _level(where, name): _bound(f"{where}.{name}", _mapping(f"{where}.{name}", text), declaration, direction)
        for name, text in texts.items()
    }
    _in_order(where, levels, direction)
    reference = declaration.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise DeclarationError(f"{rule_id}.reference", "is the name of a device parameter")
    floor = _mapping(f"{rule_id}.floor", declaration.get("floor", {}))
    if set(floor) - {"at_least"}:
        raise DeclarationError(f"{rule_id}.floor.{min(set(floor) - {'at_least'})}", "unknown key")
    window = declaration.get("window_s", max(MIN_RATE_WINDOW_S, GAP_CADENCES * cadence_s))
    return Rule(
        **common,
        point=declaration["point"],
        direction=direction,
        reference=reference,
        window_s=_number(f"{rule_id}.window_s", window, 1.0) if kind == "rate" else 0.0,
        at_least=_number(f"{rule_id}.floor.at_least", floor["at_least"]) if "at_least" in floor else None,
        levels=levels,
    ).fitted(cadence_s)


def _alarm(where: str, text: Any) -> AlarmPolicy:
    try:
        return alarm_policy.parse(where, text)
    except alarm_policy.PolicyError as error:
        raise DeclarationError(error.where, error.problem) from None


def _silence(
    rule_id: str, declaration: Declaration, texts: Mapping[str, Any], common: dict[str, Any], cadence_s: float
) -> Rule:
    after: dict[Level, float] = {}
    for name, text in texts.items():
        where = f"{rule_id}.levels.{name}"
        keys = _mapping(where, text)
        if set(keys) - {"after_s"}:
            raise DeclarationError(f"{where}.{min(set(keys) - {'after_s'})}", "unknown key")
        after[_level(f"{rule_id}.levels", name)] = _number(
            f"{where}.after_s", keys.get("after_s", GAP_CADENCES * cadence_s), 0.001
        )
    ranked = [after[level] for level in sorted(after, key=lambda level: level.rank)]
    if ranked != sorted(ranked):
        raise DeclarationError(f"{rule_id}.levels", "a worse level of silence must come later")
    grace = _number(f"{rule_id}.grace_s", declaration.get("grace_s", min(after.values())), 0.0)
    return Rule(**common, after_s=after, grace_s=grace)


def merged(below: Declaration, above: Declaration) -> dict[str, Any]:
    """`above` over `below`, key by key and into mappings; None takes a key away."""
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            underneath = result.get(key)
            result[key] = merged(underneath if isinstance(underneath, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def resolve(
    hazard: Hazard, points: Collection[str], cadence_s: float, *layers: Mapping[str, Declaration | None]
) -> dict[str, Rule]:
    """The rules of a device: the defaults of its family, then each layer over it (profile, site, device).

    A default whose point the device does not have is left out; a rule of a layer must find its point.

    Raises:
        DeclarationError: naming rule and key.
    """
    table: dict[str, Any] = {**defaults.DEFAULTS[Hazard.DEVICE], **defaults.DEFAULTS.get(hazard, {})}
    written: set[str] = set()
    for layer in layers:
        table = merged(table, layer)
        written.update(rule_id for rule_id, text in layer.items() if isinstance(text, Mapping) and "point" in text)
    rules = {}
    for rule_id, declaration in table.items():
        rule = parse(rule_id, declaration, hazard, cadence_s)
        if rule.point is not None and rule.point not in points:
            if rule_id in written:
                known = ", ".join(sorted(points)) or "none"
                raise DeclarationError(f"{rule_id}.point", f"the device has no point '{rule.point}' (it has: {known})")
            continue
        rules[rule_id] = rule
    return rules
