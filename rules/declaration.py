"""The declaration that people write, read into a frozen `Rule`, and the layers of declarations.

A declaration is a mapping (YAML, JSON); the keys are listed in `docs/rules.md`. Errors name the key.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from rules import co_occurrence, common_mode, condition, defaults, event, parts, schedule
from rules.alarm import policy as alarm_policy
from rules.alarm.policy import AlarmPolicy
from rules.frame import Input
from rules.kinds import KINDS, RuleKind
from rules.parts import DeclarationError
from rules.rule import Bound, Direction, Rule
from wire.alert import Hazard
from wire.level import Level

__all__ = ["GAP_CADENCES", "Bound", "Declaration", "DeclarationError", "Rule", "merged", "parse", "resolve"]

Declaration = Mapping[str, Any]

RULE_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
GAP_CADENCES = 3
"""A gap longer than so many cadences freezes a hold; also the silence of a device that declares nothing."""
DEFAULT_HYSTERESIS = 0.2
"""Share of the enter threshold, where a declaration gives neither `exit` nor `hysteresis`."""
MIN_RATE_WINDOW_S = 300.0

_LEVELLED = {"point", "direction", "levels", "hysteresis", "hold_s", "min_samples", "schedule", "cooldown_s"}
_KEYS = {
    "level": {*_LEVELLED, "reference"},
    "rate": {*_LEVELLED, "window_s", "floor"},
    "silence": {"levels", "grace_s"},
    event.KIND: {*event.KEYS, "schedule", "cooldown_s"},
    co_occurrence.KIND: {*co_occurrence.KEYS},
}
_COMMON = {"kind", "hazard", "clear_hold_s", "latch", "max_gap_s", "max_verify_delay_s", "alarm", "common_mode"}


def _level(where: str, value: Any) -> Level:
    return Level(parts.choice(f"{where}.{value}", value, Level))


def _bound(where: str, text: Mapping[str, Any], declaration: Declaration, direction: Direction) -> Bound:
    parts.only(where, text, ("enter", "exit", "hysteresis", "hold_s", "min_samples"))
    if "enter" not in text:
        raise DeclarationError(f"{where}.enter", "missing")
    enter = parts.number(f"{where}.enter", text["enter"])
    sign = 1.0 if direction == "above" else -1.0
    given = text.get("hysteresis", declaration.get("hysteresis"))
    hysteresis = DEFAULT_HYSTERESIS * abs(enter) if given is None else parts.number(f"{where}.hysteresis", given, 0.0)
    exit_ = parts.number(f"{where}.exit", text["exit"]) if "exit" in text else enter - sign * hysteresis
    if sign * exit_ > sign * enter:
        raise DeclarationError(f"{where}.exit", f"{exit_:g} is past enter {enter:g} (direction {direction})")
    samples = parts.whole(f"{where}.min_samples", text.get("min_samples", declaration.get("min_samples", 1)), 1, 1000)
    hold = parts.number(f"{where}.hold_s", text.get("hold_s", declaration.get("hold_s", 0.0)), 0.0)
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
    declaration = parts.mapping(rule_id, declaration)
    cadence_s = parts.number("cadence_s", cadence_s, 0.001)
    kind = parts.choice(f"{rule_id}.kind", declaration.get("kind"), (*_KEYS, *KINDS))
    module = KINDS.get(kind)
    keys = _KEYS[kind] if module is None else {*_LEVELLED, "inputs", *module.KEYS}
    parts.only(rule_id, declaration, _COMMON | keys, f"unknown key for kind {kind}")
    where = f"{rule_id}.levels"
    texts = parts.mapping(where, declaration.get("levels", {}))
    if not texts:
        raise DeclarationError(where, "missing: at least one of I, II, III, IV")
    common = _common(rule_id, declaration, hazard, cadence_s)
    if kind == "silence":
        return _silence(rule_id, declaration, texts, common, cadence_s)
    if module is not None:
        common.update(_of_kind(rule_id, declaration, module, cadence_s))
    elif kind == co_occurrence.KIND:
        common["options"] = co_occurrence.parse(rule_id, declaration)
    else:
        common["point"] = declaration.get("point")
        if not isinstance(common["point"], str):
            raise DeclarationError(f"{rule_id}.point", "missing: the point of the device that is judged")
    usual = _usual_direction(module, common.get("options"))
    direction: Any = parts.choice(f"{rule_id}.direction", declaration.get("direction", usual), ("above", "below"))
    written = {_level(where, name): parts.mapping(f"{where}.{name}", text) for name, text in texts.items()}
    common["direction"] = direction
    if kind == event.KIND:
        common |= event.parse(rule_id, declaration, written)
    else:
        common["levels"] = {
            level: _bound(f"{where}.{level}", text, declaration, direction) for level, text in written.items()
        }
        _in_order(where, common["levels"], direction)
    common["cooldown_s"] = parts.number(f"{rule_id}.cooldown_s", declaration.get("cooldown_s", 0.0), 0.0)
    if "schedule" in declaration:
        common["schedule"] = schedule.parse(f"{rule_id}.schedule", declaration["schedule"])
    if kind in ("level", "rate"):
        common.update(_value_or_rate(rule_id, declaration, kind, cadence_s))
    return Rule(**common).fitted(cadence_s)


def _common(rule_id: str, declaration: Declaration, hazard: Hazard, cadence_s: float) -> dict[str, Any]:
    def seconds(key: str, usual: float) -> float:
        return parts.number(f"{rule_id}.{key}", declaration.get(key, usual), 0.0)

    kind = declaration["kind"]
    hazard = Hazard(parts.choice(f"{rule_id}.hazard", declaration.get("hazard", hazard), Hazard))
    common: dict[str, Any] = {}
    if "common_mode" in declaration:
        where = f"{rule_id}.common_mode"
        if kind == co_occurrence.KIND:
            raise DeclarationError(where, f"is not for kind {kind}, which counts devices itself")
        window_s = max(600.0, GAP_CADENCES * cadence_s) if kind == "silence" else common_mode.WINDOW_S
        common["common_mode"] = common_mode.parse(where, declaration["common_mode"], hazard, window_s)
    return common | {
        "id": rule_id,
        "kind": kind,
        "hazard": hazard,
        "clear_hold_s": seconds("clear_hold_s", 0.0 if kind == event.KIND else 900.0),
        "latch": parts.switch(f"{rule_id}.latch", declaration.get("latch", False)),
        "max_gap_s": seconds("max_gap_s", GAP_CADENCES * cadence_s),
        "max_verify_delay_s": seconds("max_verify_delay_s", 60.0),
        "alarm": _alarm(f"{rule_id}.alarm", declaration.get("alarm", {})),
    }


def _value_or_rate(rule_id: str, declaration: Declaration, kind: str, cadence_s: float) -> dict[str, Any]:
    reference = declaration.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise DeclarationError(f"{rule_id}.reference", "is the name of a device parameter")
    floor = parts.mapping(f"{rule_id}.floor", declaration.get("floor", {}))
    parts.only(f"{rule_id}.floor", floor, ("at_least",))
    window = declaration.get("window_s", max(MIN_RATE_WINDOW_S, GAP_CADENCES * cadence_s))
    return {
        "reference": reference,
        "window_s": parts.number(f"{rule_id}.window_s", window, 1.0) if kind == "rate" else 0.0,
        "at_least": parts.number(f"{rule_id}.floor.at_least", floor["at_least"]) if "at_least" in floor else None,
    }


def _of_kind(rule_id: str, declaration: Declaration, module: RuleKind, cadence_s: float) -> dict[str, Any]:
    """Options, inputs and where these come from."""
    options = module.parse(rule_id, declaration, cadence_s)
    inputs = tuple(module.inputs(options))
    for each in inputs:
        if each.window_ms > condition.LONGEST_MS:
            raise DeclarationError(rule_id, f"input {each.name} is looked back at for more than 24 days")
    judged, *others = inputs
    point = parts.word(f"{rule_id}.point", declaration.get("point", judged.usual or judged.name), "a point")
    where = f"{rule_id}.inputs"
    texts = parts.mapping(where, declaration.get("inputs", {}))
    known = ", ".join(each.name for each in others) or "none"
    parts.only(where, texts, (each.name for each in others), f"is not an input of kind {declaration['kind']}: {known}")
    sources: dict[str, tuple[str | None, str]] = {judged.name: (None, point)}
    for each in others:
        sources[each.name] = _source(f"{where}.{each.name}", texts.get(each.name), each)
    found: dict[str, Any] = {"point": point, "options": options, "inputs": inputs, "sources": sources}
    if "max_gap_s" not in declaration:
        found["max_gap_s"] = max(GAP_CADENCES * cadence_s, getattr(module, "LONGEST_GAP_S", 0.0))
    return found


def _usual_direction(module: Any, options: Any) -> str:
    """By the kind's name for it, or by its options where a key decides."""
    by_options = getattr(module, "direction", None)
    return str(by_options(options) if by_options else getattr(module, "DIRECTION", "above"))


def _source(where: str, text: Any, each: Input) -> tuple[str | None, str]:
    if text is None or isinstance(text, str):
        return None, parts.word(where, text if text is not None else each.usual or each.name, "a point")
    text = parts.mapping(where, text)
    parts.only(where, text, ("device", "point"))
    device = text.get("device")
    if device is not None:
        device = parts.word(f"{where}.device", device, "a device")
    return device, parts.word(f"{where}.point", text.get("point", each.usual or each.name), "a point")


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
        keys = parts.mapping(where, text)
        parts.only(where, keys, ("after_s",))
        after[_level(f"{rule_id}.levels", name)] = parts.number(
            f"{where}.after_s", keys.get("after_s", GAP_CADENCES * cadence_s), 0.001
        )
    ranked = [after[level] for level in sorted(after, key=lambda level: level.rank)]
    if ranked != sorted(ranked):
        raise DeclarationError(f"{rule_id}.levels", "a worse level of silence must come later")
    grace = parts.number(f"{rule_id}.grace_s", declaration.get("grace_s", min(after.values())), 0.0)
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

    A default whose point, or an input that it cannot do without, the device does not have is left out; a rule of a
    layer must find them. Inputs that a rule can do without are dropped where the device lacks them.

    Raises:
        DeclarationError: naming rule and key.
    """
    table: dict[str, Any] = {**defaults.DEFAULTS[Hazard.DEVICE], **defaults.DEFAULTS.get(hazard, {})}
    family = set(table)
    named: dict[str, set[str]] = {}  # what layers name: keys of a rule, and its inputs
    for layer in layers:
        table = merged(table, layer)
        for rule_id, text in layer.items():
            if isinstance(text, Mapping):
                inputs = text.get("inputs")
                keys = named.setdefault(rule_id, set())
                keys.update(text)
                keys.update(f"inputs.{name}" for name in (inputs if isinstance(inputs, Mapping) else ()))
    rules = {}
    for rule_id, declaration in table.items():
        rule = parse(rule_id, declaration, hazard, cadence_s)
        found = _found(rule, points, named.get(rule_id, set()), is_default=rule_id in family)
        if found is not None:
            rules[rule_id] = found
    for rule_id, rule in list(rules.items()):
        if rule.kind == co_occurrence.KIND and not _gathers(rule, rules):
            if rule_id not in family or "of" in named.get(rule_id, set()):
                wanted = ", ".join(source.rule for source in rule.options.of)
                problem = f"the device has no rule {wanted} whose readings it could follow"
                raise DeclarationError(f"{rule_id}.of", problem)
            del rules[rule_id]
    return rules


def _gathers(rule: Rule, rules: Mapping[str, Rule]) -> bool:
    """Whether the device has a source of a `co_occurrence`."""
    kinds = [rules[source.rule].kind for source in rule.options.of if source.rule in rules]
    if co_occurrence.KIND in kinds or "silence" in kinds:
        raise DeclarationError(f"{rule.id}.of", "a source is a rule that judges readings")
    return bool(kinds)


def _found(rule: Rule, points: Collection[str], named: Collection[str], *, is_default: bool) -> Rule | None:
    """The rule with the inputs that the device has; None: a default that is nothing for it."""
    known = ", ".join(sorted(points)) or "none"
    if rule.point is not None and rule.point not in points:
        if "point" not in named and (is_default or rule.kind not in KINDS):
            return None
        raise DeclarationError(f"{rule.id}.point", f"the device has no point '{rule.point}' (it has: {known})")
    missing = set()
    for each in rule.inputs[1:]:
        device, point = rule.sources[each.name]
        if device is not None or point in points:
            continue
        if f"inputs.{each.name}" in named or not (each.optional or (is_default and "kind" not in named)):
            where = f"{rule.id}.inputs.{each.name}"
            raise DeclarationError(where, f"the device has no point '{point}' (it has: {known})")
        if not each.optional:
            return None
        missing.add(each.name)
    if not missing:
        return rule
    return replace(
        rule,
        inputs=tuple(each for each in rule.inputs if each.name not in missing),
        sources={name: source for name, source in rule.sources.items() if name not in missing},
    )
