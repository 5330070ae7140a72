"""Whether a profile, its parameters and its rules fit together: asks the profile library and the rules."""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cloud.problems import ProblemError
from device_profiles.library import Library
from device_profiles.profile import Profile
from rules import declaration, easing
from rules import layers as rule_layers
from rules.kinds.smoke_fusion import NOMINAL_DB_M
from wire.configuration import RuleLayer

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def library() -> Library:
    """The built-in profiles."""
    return Library.load()


def profile_of(name: str) -> Profile | None:
    """A profile by name; None when there is none."""
    known = library()
    return known[name] if name in known else None  # noqa: SIM401  a Library has no get


def hazard_of(name: str) -> str | None:
    """What a profile watches for."""
    profile = profile_of(name)
    return str(profile.hazard) if profile else None


Declarations = Mapping[str, Mapping[str, Any] | None]


def model_of(profile: Profile) -> rule_layers.Model:
    """A profile as the layers of rules lie on it."""
    points = [point.name for point in profile.points]
    return rule_layers.Model(profile.hazard, points, profile.cadence_s, profile.rules, profile.quality)


def shared_of(over: Sequence[RuleLayer]) -> list[rule_layers.Layer]:
    """Layers of places as the rules take them."""
    return [rule_layers.Layer(f"{one.scope} '{one.id}'", one.rules, one.quality) for one in over]


def resolved(
    profile: Profile, rules: Declarations, quality: Declarations | None = None, over: Sequence[RuleLayer] = ()
) -> Mapping[str, declaration.Rule]:
    """The rules of a device with its layers; devices that are alike are resolved once.

    Raises:
        DeclarationError: as `rules.layers.resolve`.
    """
    said = [[(f"{one.scope} '{one.id}'", one.rules, one.quality) for one in over], rules, quality or {}]
    return _resolved(profile.name, json.dumps(said))  # not msgspec: a NaN must stay one, and be refused


@lru_cache(maxsize=512)
def _resolved(name: str, said: str) -> Mapping[str, declaration.Rule]:
    over, rules, quality = json.loads(said)
    shared, own = [rule_layers.Layer(*one) for one in over], rule_layers.Layer("device", rules, quality)
    return rule_layers.resolve(model_of(library()[name]), shared, own)[0]


def faults_of_model(
    name: str,
    parameters: Mapping[str, float],
    rules: Declarations,
    quality: Declarations | None = None,
    over: Sequence[RuleLayer] = (),
) -> list[ProblemError]:
    """What is wrong with a profile's name, parameters, rules or tests, with the layers of its places under them."""
    profile = profile_of(name)
    if profile is None:
        what, fix = f"there is no profile '{name:.120}'", "take one of GET /profiles"
        return [ProblemError(where="profile", what=what, fix=fix, code="no_profile", params={"value": name[:120]})]
    faults: list[ProblemError] = []
    known = {parameter.name: parameter.default for parameter in profile.parameters}
    found: Mapping[str, declaration.Rule] = {}
    try:
        found = resolved(profile, rules, quality, over)
    except declaration.DeclarationError as error:
        what, fix = error.problem[:300], "see docs/rules.md"
        if isinstance(error, rule_layers.LayerError):
            what, fix = f"{what} (it is said by {error.layer})", "correct the rules of that place first"
        where = error.where if error.where.startswith("quality.") else f"rules.{error.where}"
        faults.append(ProblemError(where=where, what=what, fix=fix, code="rule", params={"problem": what}))
    references = {rule.reference for rule in found.values() if rule.reference}
    for parameter in sorted(parameters.keys() - known.keys() - references):
        names = ", ".join(sorted(known.keys() | references)) or "none"
        what, params = f"profile {name} has no such parameter", {"profile": name, "known": names}
        faults.append(
            ProblemError(where=parameter, what=what, fix=f"it has: {names}", code="no_parameter", params=dict(params))
        )
    missing = {key for key, default in known.items() if default is None} | references
    missing -= parameters.keys() | {key for key, default in known.items() if default is not None}
    what = f"profile {name} needs it"
    return faults + [
        ProblemError(where=key, what=what, fix="give a number", code="parameter_missing", params={"profile": name})
        for key in sorted(missing)
    ]


def eased(name: str, rules: Declarations, over: Sequence[RuleLayer] = ()) -> list[dict[str, Any]]:
    """Where a device's rules, judged before, call later than those of its model."""
    profile = profile_of(name)
    if profile is None:
        return []
    now = resolved(profile, rules, over=over)
    return [one.as_dict() for one in easing.eased(resolved(profile, {}), now)]


def cadence_s(name: str) -> float | None:
    """How often a model speaks."""
    profile = profile_of(name)
    return profile.cadence_s if profile else None


def unit_of(name: str, point: str) -> str:
    """Unit of a point; empty when unknown."""
    profile = profile_of(name)
    return next((one.unit for one in profile.points if one.name == point), "") if profile else ""


def main_point(name: str) -> str | None:
    """The point that a chart shows first: the one that the first rule judges, else the first."""
    profile = profile_of(name)
    if profile is None or not profile.points:
        return None
    points = [point.name for point in profile.points]
    rules = declaration.resolve(profile.hazard, points, profile.cadence_s, profile.rules)
    judged = [rule.point for rule in rules.values() if rule.hazard == profile.hazard and rule.point is not None]
    return next((point for point in points if point in judged), points[0])


def thresholds(
    name: str, parameters: Mapping[str, float], rules: Declarations, point: str, over: Sequence[RuleLayer] = ()
) -> list[tuple[str, float, str, str]]:
    """(level, value in the point's unit, rule, direction) of every rule on a point whose thresholds can be drawn."""
    profile = profile_of(name)
    if profile is None:
        return []
    found: list[tuple[str, float, str, str]] = []
    for rule in resolved(profile, rules, over=over).values():
        if rule.point != point:
            continue
        for level, bound in rule.levels.items():
            value = _drawn(rule, bound.enter, parameters)
            if value is not None:
                found.append((str(level), value, rule.id, rule.direction))
    return found


_BY_SMOKE_ALONE = 3.0
"""So far the signal of `smoke_fusion` is a matter of smoke alone; beyond it wants heat or gas."""


def _drawn(rule: declaration.Rule, enter: float, parameters: Mapping[str, float]) -> float | None:
    """Where a threshold lies in the unit of the judged point; None where its signal is of another sort."""
    percent_of = {"level": rule.reference, "frequency": "baseline_frequency_hz"}.get(rule.kind)
    if percent_of is not None:
        base = parameters.get(percent_of)
        return None if base is None else base * (1 + enter / 100)
    if rule.kind in {"level", "ponding"} or (rule.kind == "residual" and rule.options.against == "zero"):
        return enter
    if rule.kind == "smoke_fusion" and enter <= _BY_SMOKE_ALONE:
        alarm = parameters.get("alarm_threshold_db_m", NOMINAL_DB_M)
        return alarm / 3 + enter * 2 * alarm / 3
    return None
