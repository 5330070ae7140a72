"""Layers of declarations: what places and the device itself say over the profile, and where each value comes from.

A layer of a place lies over devices of many models. What does not fit a device is passed over: a rule that only
changes another (no `kind`) where the device has no such rule, a rule on a point that the device does not have, tests of
such a point. What a device's own layer says must fit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rules import declaration, defaults, quality_declaration, quality_defaults
from rules.declaration import Declaration, DeclarationError, Rule, merged
from rules.quality_declaration import Limits
from wire.alert import Hazard

FAMILY, PROFILE = "family", "profile"
"""Where a value comes from that no layer names: the defaults of the family, the profile."""
Declarations = Mapping[str, Declaration | None]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place, or the device itself, declares."""

    name: str  # as `zone wh-7-s1-3f`; for messages
    rules: Declarations = field(default_factory=dict)
    quality: Declarations = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """What the layers lie on: a model of device."""

    hazard: Hazard
    points: Collection[str]
    cadence_s: float
    rules: Declarations = field(default_factory=dict)  # of the profile
    quality: Declarations = field(default_factory=dict)


class LayerError(DeclarationError):
    """A declaration that cannot be, and the layer that brought it."""

    def __init__(self, layer: str, where: str, problem: str) -> None:
        super().__init__(where, problem)
        self.layer = layer
        self.args = (f"{layer}: {where}: {problem}",)


def resolve(
    model: Model, shared: Sequence[Layer], own: Layer | None = None
) -> tuple[dict[str, Rule], dict[str, Limits]]:
    """The rules and limits of a device.

    Args:
        model: of the device.
        shared: layers of its places, the widest first.
        own: its own.

    Raises:
        LayerError: naming layer and key, where a layer of a place is wrong for this device.
        DeclarationError: naming the key, where the profile or the device is.
    """
    try:
        return _resolve(model, shared, own)
    except DeclarationError as error:
        for count in range(len(shared) + 1):
            try:
                _resolve(model, shared[:count], None)
            except DeclarationError as found:
                if not count:
                    raise
                raise LayerError(shared[count - 1].name, found.where, found.problem) from error
        raise


def _resolve(model: Model, shared: Sequence[Layer], own: Layer | None) -> tuple[dict[str, Rule], dict[str, Limits]]:
    of_rules = [model.rules]
    table = merged(_family_rules(model.hazard), model.rules) if shared else {}
    for layer in shared:
        fitted = fitting(layer.rules, table, model.points)
        table = merged(table, fitted)
        of_rules.append(fitted)
    of_quality = [model.quality, *(fitting_quality(layer.quality, model.points) for layer in shared)]
    if own is not None:
        of_rules.append(own.rules)
        of_quality.append(own.quality)
    return (
        declaration.resolve(model.hazard, model.points, model.cadence_s, *of_rules),
        quality_declaration.resolve(model.hazard, model.points, model.cadence_s, *of_quality),
    )


def _family_rules(hazard: Hazard) -> dict[str, Any]:
    return {**defaults.DEFAULTS[Hazard.DEVICE], **defaults.DEFAULTS.get(hazard, {})}


def _family_quality(hazard: Hazard) -> dict[str, Any]:
    return {**quality_defaults.DEFAULTS[Hazard.DEVICE], **quality_defaults.DEFAULTS.get(hazard, {})}


def known_rules(model: Model, shared: Sequence[Layer]) -> set[str]:
    """The rules that a device of a model has with these layers over it."""
    table = merged(_family_rules(model.hazard), model.rules)
    for layer in shared:
        table = merged(table, fitting(layer.rules, table, model.points))
    return set(table)


def fitting(rules: Declarations, below: Collection[str], points: Collection[str]) -> dict[str, Declaration | None]:
    """What of a place's rules fits a device with these rules below and these points."""
    found: dict[str, Declaration | None] = {}
    for name, text in rules.items():
        if text is None or "kind" in text:
            point = text.get("point") if text is not None else None
            if point is None or point in points:
                found[name] = text
        elif name in below:
            found[name] = text
    return found


def fitting_quality(quality: Declarations, points: Collection[str]) -> dict[str, Declaration | None]:
    """What of a place's tests fits a device with these points."""
    return {point: text for point, text in quality.items() if point in points}


@dataclass(frozen=True, slots=True)
class Traced:
    """One rule (or the tests of one point) as declared by all layers together, and where each value comes from."""

    declaration: Mapping[str, Any]
    origin: Mapping[str, str]  # by path of keys, as `levels.III.enter`


@dataclass(frozen=True, slots=True)
class Origins:
    """What holds for a device, layer by layer."""

    rules: Mapping[str, Traced]
    quality: Mapping[str, Traced]
    taken_away: Mapping[str, str]  # rule, or `quality.<point>`, to the layer that took it


def trace(model: Model, shared: Sequence[Layer], own: Layer) -> Origins:
    """What holds for a device, with the layer that each value comes from (FAMILY, PROFILE, or the layer's name).

    Raises:
        DeclarationError: as `resolve`.
    """
    rules, _ = resolve(model, shared, own)
    taken: dict[str, str] = {}
    table, origin = _begun(_family_rules(model.hazard))
    table, origin = _over(table, origin, model.rules, PROFILE, taken, "")
    for layer in shared:
        table, origin = _over(table, origin, fitting(layer.rules, table, model.points), layer.name, taken, "")
    table, origin = _over(table, origin, own.rules, own.name, taken, "")
    tests, of_tests = _begun(_family_quality(model.hazard))
    tests, of_tests = _over(tests, of_tests, model.quality, PROFILE, taken, "quality.")
    for layer in [*shared, own]:
        fitted = fitting_quality(layer.quality, model.points)
        tests, of_tests = _over(tests, of_tests, fitted, layer.name, taken, "quality.")
    return Origins(
        rules={name: _part(table[name], origin, name) for name in rules},
        quality={point: _part(text, of_tests, point) for point, text in tests.items() if point in model.points},
        taken_away={name: layer for name, layer in taken.items() if name not in table},
    )


_Origin = dict[tuple[str, ...], str]


def _begun(family: Mapping[str, Any]) -> tuple[dict[str, Any], _Origin]:
    origin: _Origin = {}
    return _laid({}, family, FAMILY, origin, ()), origin


def _over(
    table: dict[str, Any], origin: _Origin, layer: Declarations, name: str, taken: dict[str, str], prefix: str
) -> tuple[dict[str, Any], _Origin]:
    for key, text in layer.items():
        if text is None and key in table:
            taken[prefix + key] = name
        elif text is not None:
            taken.pop(prefix + key, None)
    return _laid(table, layer, name, origin, ()), origin


def _laid(
    below: Mapping[str, Any], above: Mapping[str, Any], name: str, origin: _Origin, path: tuple[str, ...]
) -> dict[str, Any]:
    """`declaration.merged`, noting in `origin` who said what."""
    result = dict(below)
    for key, value in above.items():
        here = (*path, key)
        if isinstance(value, Mapping):
            underneath = result.get(key)
            origin.pop(here, None)
            result[key] = _laid(underneath if isinstance(underneath, Mapping) else {}, value, name, origin, here)
            continue
        for known in [known for known in origin if known[: len(here)] == here]:
            del origin[known]
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
            origin[here] = name
    return result


def _part(text: Mapping[str, Any], origin: _Origin, name: str) -> Traced:
    return Traced(text, {".".join(path[1:]): layer for path, layer in origin.items() if path[0] == name})
