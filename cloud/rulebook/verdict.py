"""May a layer be so? Judged against every device under it, with the very resolution that edges use. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.problems import ProblemError
from cloud.registry import checks
from rules import easing
from rules import layers as rule_layers
from rules.declaration import DeclarationError, Rule
from rules.layers import Layer, LayerError, Model
from rules.quality_declaration import Limits
from wire.configuration import RuleLayer

MOST_FAULTS = 50
MOST_EASED = 200


@dataclass(frozen=True, slots=True)
class Under:
    """A device under a layer: what lies over it before and after the change, and what it says itself."""

    id: str
    profile: str
    parameters: Mapping[str, float]
    before: tuple[Sequence[RuleLayer], Mapping[str, Any]]  # layers of its places; {rules, quality} of its own
    after: tuple[Sequence[RuleLayer], Mapping[str, Any]]


@dataclass(slots=True)
class Verdict:
    """What a change would do."""

    faults: list[ProblemError] = field(default_factory=list)
    devices: int = 0  # under it
    changed: list[str] = field(default_factory=list)  # whose rules or tests become others
    unused: list[str] = field(default_factory=list)  # what fits no device under it: mistyped, or for later
    eased: list[dict[str, Any]] = field(default_factory=list)  # where it calls later than the models' own rules


Resolved = tuple[dict[str, Rule], dict[str, Limits]]


def judge(devices: Sequence[Under], content: Mapping[str, Any]) -> Verdict:
    """Judge a change against every device under it; devices that are alike are judged once.

    Args:
        devices: all under the layer.
        content: {rules, quality} of the changed layer, to see what of it fits nobody.
    """
    verdict = Verdict(devices=len(devices))
    alike: dict[str, list[Under]] = {}
    for device in devices:
        alike.setdefault(_likeness(device), []).append(device)
    fitting: set[str] = set()
    for group in alike.values():
        first = group[0]
        profile = checks.profile_of(first.profile)
        if profile is None:
            continue  # a model of the edge's own: it is judged there
        model = checks.model_of(profile)
        fitting |= _fitting(model, first, content)
        try:
            after = _resolved(model, first.after)
        except DeclarationError as error:
            verdict.faults.append(_fault(error, group))
            continue
        verdict.faults += _missing(after[0], first, {one.name for one in profile.parameters if one.default is not None})
        if after != _resolved_or_none(model, first.before):
            verdict.changed += [device.id for device in group]
        standard, _ = rule_layers.resolve(model, [])
        for one in easing.eased(standard, after[0]):
            verdict.eased.append({"profile": first.profile, "devices": len(group), **one.as_dict()})
    names = [*content["rules"], *(f"quality.{point}" for point in content["quality"])]
    verdict.unused = [name for name in names if name not in fitting] if devices else []
    del verdict.faults[MOST_FAULTS:], verdict.eased[MOST_EASED:]
    return verdict


def _likeness(device: Under) -> str:
    def text(side: tuple[Sequence[RuleLayer], Mapping[str, Any]]) -> list[Any]:
        return [[[layer.scope, layer.id] for layer in side[0]], side[1]]

    said = [device.profile, sorted(device.parameters), text(device.before), text(device.after)]
    return json.dumps(said, sort_keys=True, default=str)


def _resolved(model: Model, side: tuple[Sequence[RuleLayer], Mapping[str, Any]]) -> Resolved:
    over, own = side
    return rule_layers.resolve(model, checks.shared_of(over), Layer("device", own["rules"], own["quality"]))


def _resolved_or_none(model: Model, side: tuple[Sequence[RuleLayer], Mapping[str, Any]]) -> Resolved | None:
    try:
        return _resolved(model, side)
    except DeclarationError:
        return None  # it was wrong before: whatever comes is a change


def _fitting(model: Model, device: Under, content: Mapping[str, Any]) -> set[str]:
    standard = rule_layers.known_rules(model, checks.shared_of(device.after[0]))
    found = set(rule_layers.fitting(content["rules"], standard, model.points))
    return found | {f"quality.{point}" for point in rule_layers.fitting_quality(content["quality"], model.points)}


def _fault(error: DeclarationError, group: Sequence[Under]) -> ProblemError:
    first, rest = group[0].id, len(group) - 1
    of = f"device '{first}'" + (f" and {rest} more" if rest else "")
    by = f", as {error.layer} says" if isinstance(error, LayerError) else ""
    where = error.where if error.where.startswith("quality.") else f"rules.{error.where}"
    params: dict[str, str | int | float] = {"device": first, "devices": len(group), "problem": error.problem[:300]}
    return ProblemError(
        where=where, what=f"{error.problem[:300]}{by} ({of})", fix="see docs/rules.md", code="rule", params=params
    )


def _missing(rules: Mapping[str, Rule], device: Under, given: set[str]) -> list[ProblemError]:
    return [
        ProblemError(
            where=f"rules.{name}.reference",
            what=f"device '{device.id}' has no parameter '{rule.reference}'",
            fix="register the parameter first",
            code="parameter_missing",
            params={"device": device.id, "parameter": rule.reference},
        )
        for name, rule in rules.items()
        if rule.reference and rule.reference not in device.parameters and rule.reference not in given
    ]
