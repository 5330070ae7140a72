"""Whether a profile, its parameters and its rules fit together: asks the profile library and the rules."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cloud.problems import ProblemError
from device_profiles.library import Library
from device_profiles.profile import Profile
from rules import declaration

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


def faults_of_model(
    name: str, parameters: Mapping[str, float], rules: Mapping[str, Mapping[str, Any] | None]
) -> list[ProblemError]:
    """What is wrong with a profile's name, parameters, or rule overrides."""
    profile = profile_of(name)
    if profile is None:
        what, fix = f"there is no profile '{name:.120}'", "take one of GET /profiles"
        return [ProblemError(where="profile", what=what, fix=fix, code="no_profile", params={"value": name[:120]})]
    faults: list[ProblemError] = []
    known = {parameter.name: parameter.default for parameter in profile.parameters}
    resolved: Mapping[str, declaration.Rule] = {}
    points = [point.name for point in profile.points]
    try:
        resolved = declaration.resolve(profile.hazard, points, profile.cadence_s, profile.rules, rules)
    except declaration.DeclarationError as error:
        what = error.problem[:300]
        faults.append(
            ProblemError(
                where=f"rules.{error.where}", what=what, fix="see docs/rules.md", code="rule", params={"problem": what}
            )
        )
    references = {rule.reference for rule in resolved.values() if rule.reference}
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
    judged = [rule.point for rule in rules.values() if rule.hazard == profile.hazard and rule.kind == "level"]
    return next((point for point in points if point in judged), points[0])


def thresholds(
    name: str, parameters: Mapping[str, float], rules: Mapping[str, Mapping[str, Any] | None], point: str
) -> list[tuple[str, float, str, str]]:
    """(level, value in the point's unit, rule, direction) of every level rule on a point."""
    profile = profile_of(name)
    if profile is None:
        return []
    points = [one.name for one in profile.points]
    found: list[tuple[str, float, str, str]] = []
    for rule in declaration.resolve(profile.hazard, points, profile.cadence_s, profile.rules, rules).values():
        if rule.kind != "level" or rule.point != point:
            continue
        base = parameters.get(rule.reference) if rule.reference else None
        if rule.reference and base is None:
            continue
        for level, bound in rule.levels.items():
            value = bound.enter if base is None else base * (1 + bound.enter / 100)
            found.append((str(level), value, rule.id, rule.direction))
    return found
