"""A preview of a changed layer of rules: which devices are judged, and by what before and after. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.problems import Problem, ProblemError
from cloud.registry import checks, layers
from cloud.registry.model import Device, Zone
from device_profiles.profile import Profile
from rules import layers as rule_layers
from rules.declaration import DeclarationError, Rule
from rules.quality_declaration import Limits
from rules.table import DeviceRules
from wire.alert import Hazard
from wire.configuration import RuleLayer

Declarations = Mapping[str, Mapping[str, Any] | None]
MOST_DEVICES = 500
_TOGETHER = ("co_occurrence",)
"""Kinds that look at the alarms of other devices."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody would write."""

    scope: layers.Scope
    id: str
    rules: Declarations
    quality: Declarations | None = None  # None: as it stands


@dataclass(frozen=True, slots=True)
class Subject:
    """One device, before and after."""

    id: str
    name: str
    profile: str
    cadence_s: float
    before: DeviceRules
    after: DeviceRules


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be judged."""

    change: Change
    subjects: tuple[Subject, ...]
    companions: tuple[DeviceRules, ...]  # looked at by rules of the subjects; nothing is told of them
    left_out: int  # devices under the scope beyond what one preview takes
    changed: tuple[str, ...]  # rules that differ somewhere
    quality_changed: bool

    @property
    def devices(self) -> list[str]:
        """Whose readings are needed."""
        return [each.id for each in self.subjects] + [each.device for each in self.companions]


def plan(
    change: Change, under: Sequence[tuple[Device, Zone]], book: layers.Book, around: Sequence[tuple[Device, Zone]] = ()
) -> Plan:
    """Resolve the rules of every device under the scope, as they are and as they would be.

    Args:
        change: of a layer.
        under: the devices that it lies over.
        book: the layers that hold.
        around: other devices of the site, for rules that look at them.

    Raises:
        Problem: 422 naming the key that cannot be.
    """
    ready = [(device, zone, profile) for device, zone in under if (profile := checks.profile_of(device.profile))]
    subjects: list[Subject] = []
    changed: set[str] = set()
    quality_changed = False
    for device, zone, profile in ready[:MOST_DEVICES]:
        before = _resolved(device, zone, profile, book, None)
        after = _resolved(device, zone, profile, book, change)
        changed |= {
            name for name in before[0].keys() | after[0].keys() if before[0].get(name) != after[0].get(name)
        }  # fmt: skip
        quality_changed = quality_changed or before[1] != after[1]
        sides = [_rules(device, zone, profile, *side) for side in (before, after)]
        subjects.append(Subject(device.id, device.name, profile.name, profile.cadence_s, *sides))
    needed = _needed(subjects, changed)
    if not quality_changed:
        subjects = [_only(subject, needed) for subject in subjects]
    return Plan(
        change,
        tuple(subjects),
        tuple(_companions(subjects, around, book, needed)),
        max(len(ready) - MOST_DEVICES, 0),
        tuple(sorted(changed)),
        quality_changed,
    )


def _resolved(
    device: Device, zone: Zone, profile: Profile, book: layers.Book, change: Change | None
) -> tuple[dict[str, Rule], dict[str, Limits]]:
    over = layers.over(book, device.site_id, zone)
    own = {"rules": device.rules, "quality": device.quality or {}}
    if change is not None:
        over, own = _changed(over, own, device.site_id, change)
    model = checks.model_of(profile)
    if device.hazard:
        model = rule_layers.Model(Hazard(device.hazard), model.points, model.cadence_s, model.rules, model.quality)
    try:
        return rule_layers.resolve(
            model, checks.shared_of(over), rule_layers.Layer(f"device '{device.id}'", own["rules"], own["quality"])
        )
    except DeclarationError as error:
        if change is None:  # what holds is broken for this device: its edge judges by nothing either
            return {}, {}
        where = error.where if error.where.startswith("quality.") else f"rules.{error.where}"
        fault = ProblemError(
            where=where, what=error.problem[:300], fix="see docs/rules.md", code="rule",
            params={"problem": error.problem[:300], "device": device.id},
        )  # fmt: skip
        raise Problem(422, "invalid", "These rules cannot be.", errors=[fault]) from error


def _changed(
    over: list[RuleLayer], own: dict[str, Any], site: str, change: Change
) -> tuple[list[RuleLayer], dict[str, Any]]:
    if change.scope == "device":
        quality = own["quality"] if change.quality is None else change.quality
        return over, {"rules": change.rules, "quality": quality}
    standing = next((layer for layer in over if layer.scope == change.scope), None)
    quality = change.quality if change.quality is not None else standing.quality if standing else {}
    new = RuleLayer(scope=change.scope, id=change.id, site=site, rules=_plain(change.rules), quality=_plain(quality))
    others = [layer for layer in over if layer is not standing]
    return sorted([*others, new], key=lambda layer: layers.SCOPES.index(layer.scope)), own


def _rules(
    device: Device, zone: Zone, profile: Profile, rules: Mapping[str, Rule], quality: Mapping[str, Limits]
) -> DeviceRules:
    """As the edge would take it; without `silence`: a hole in what was stored need not have been one."""
    groups = {"site": device.site_id, "zone": zone.id} | ({"building": zone.building_id} if zone.building_id else {})
    return DeviceRules(
        device=device.id,
        rules={name: rule for name, rule in rules.items() if rule.kind != "silence"} if device.enabled else {},
        points=tuple(point.name for point in profile.points),
        parameters=device.parameters,
        valid={point.name: point.valid for point in profile.points if point.valid is not None},
        cadence_s=profile.cadence_s,
        timeline=device.timeline,
        quality=quality if device.enabled else {},
        groups=groups,
    )


def _needed(subjects: Sequence[Subject], changed: set[str]) -> set[str]:
    """The rules that may decide otherwise: what changed, what looks at it on this or other devices, what that needs."""
    needed = set(changed)
    for subject in subjects:
        for side in (subject.before, subject.after):
            for name, rule in side.rules.items():
                if rule.kind in _TOGETHER and not changed.isdisjoint({name, *_sources(rule)}):
                    needed |= {name, *_sources(rule)}
    return needed


def _sources(rule: Rule) -> set[str]:
    return {source.rule for source in rule.options.of}


def _together(subjects: Sequence[Subject], needed: set[str]) -> bool:
    """Whether a rule that is judged counts the devices around."""
    return any(
        name in needed and (rule.kind in _TOGETHER or rule.common_mode is not None)
        for subject in subjects
        for side in (subject.before, subject.after)
        for name, rule in side.rules.items()
    )


def _only(subject: Subject, names: set[str]) -> Subject:
    """The rules that differ; the others do the same on both sides."""
    sides = [_with_rules(side, {name: rule for name, rule in side.rules.items() if name in names})
             for side in (subject.before, subject.after)]  # fmt: skip
    return Subject(subject.id, subject.name, subject.profile, subject.cadence_s, *sides)


def _with_rules(device: DeviceRules, rules: Mapping[str, Rule]) -> DeviceRules:
    return DeviceRules(
        device.device, rules, device.points, device.parameters, device.valid, device.cadence_s, device.timeline,
        device.quality, device.groups,
    )  # fmt: skip


def _companions(
    subjects: Sequence[Subject], around: Sequence[tuple[Device, Zone]], book: layers.Book, needed: set[str]
) -> list[DeviceRules]:
    """Devices whose readings, or alarms, rules and tests of the subjects look at."""
    whole = _together(subjects, needed)
    named: set[str] = set()
    for subject in subjects:
        for side in (subject.before, subject.after):
            for rule in side.rules.values():
                named |= {device for device, _ in rule.sources.values() if device is not None}
            for limits in side.quality.values():
                named |= {link.device for link in limits.links if link.device is not None}
    known = {subject.id for subject in subjects}
    found = []
    for device, zone in around:
        profile = checks.profile_of(device.profile)
        if device.id in known or profile is None or not (whole or device.id in named):
            continue
        rules, quality = _resolved(device, zone, profile, book, None)
        kept = {name: rule for name, rule in rules.items() if name in needed} if whole else {}
        found.append(_rules(device, zone, profile, kept, quality))
    return found[:MOST_DEVICES]


def _plain(declarations: Declarations) -> dict[str, dict[str, Any] | None]:
    return {name: None if text is None else dict(text) for name, text in declarations.items()}
