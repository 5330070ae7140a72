"""By what the readings of a point are tested: the declaration that people write, read into frozen `Limits`.

A declaration is a mapping from point to tests, layered like rules (defaults of the family, profile, site, zone,
device); `docs/rules.md` lists the keys. Errors name the key.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from rules import quality_defaults
from rules.declaration import GAP_CADENCES, Declaration, DeclarationError, merged
from wire.alert import Hazard

MOST_LINKS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """Another point that bears witness (it rained, the tide moved) or measures the same (a neighbour)."""

    point: str
    device: str | None = None  # None: the same device
    at_least: float = math.nan  # witness: stirred while its value is so high
    moved: float = math.nan  # witness: stirred while it moved so much within its own flat-line window
    bias: float = math.nan  # neighbour: what this point shows more than that one


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of one point; NaN = not tested."""

    user_low: float = math.nan
    user_high: float = math.nan
    gap_s: float = 30.0
    spike: float = math.nan  # least deviation from the median of the last five
    spike_mad: float = 3.0  # and so many (scaled) median absolute deviations
    rate: float = math.nan  # unit per minute
    flat_band: float = math.nan
    flat_suspect_s: float = math.nan
    flat_fail_s: float = math.nan
    flat_witnessed: bool = False
    attenuated: float = math.nan
    attenuated_s: float = math.nan
    attenuated_witnessed: bool = False
    neighbour_suspect: float = math.nan
    neighbour_fail: float = math.nan
    neighbour_age_s: float = 60.0
    witness_s: float = 1200.0  # spikes are believed so long after a witness stirred
    links: tuple[Link, ...] = field(default=())


_KEYS: dict[str, frozenset[str]] = {
    "spike": frozenset({"least", "mad"}),
    "rate": frozenset({"most"}),
    "flat": frozenset({"band", "suspect_s", "fail_s", "witnessed"}),
    "attenuated": frozenset({"least", "over_s", "witnessed"}),
    "neighbours": frozenset({"of", "suspect", "fail", "max_age_s"}),
    "witness": frozenset({"of", "within_s"}),
}
_PLAIN = frozenset({"user_span", "gap_s"})


def _number(where: str, value: Any, above: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DeclarationError(where, f"{value!r} is not a finite number")
    if value <= above:
        raise DeclarationError(where, f"{value!r} is not above {above:g}")
    return float(value)


def _part(where: str, text: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    part = text.get(key)
    if part is None:
        return None
    if not isinstance(part, Mapping):
        raise DeclarationError(f"{where}.{key}", f"{part!r:.60} is not a mapping")
    unknown = set(part) - _KEYS[key]
    if unknown:
        raise DeclarationError(f"{where}.{key}.{min(map(str, unknown))}", "unknown key")
    return part


def _needed(where: str, part: Mapping[str, Any], key: str) -> float:
    if key not in part:
        raise DeclarationError(f"{where}.{key}", "missing")
    return _number(f"{where}.{key}", part[key], 0.0)


def _truth(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise DeclarationError(where, "is true or false")
    return value


def parse(point: str, declaration: Declaration, cadence_s: float = 10.0) -> Limits:
    """The limits of one point of a device of this cadence.

    Raises:
        DeclarationError: naming the key, as `level.flat.suspect_s`.
    """
    if not isinstance(declaration, Mapping):
        raise DeclarationError(point, f"{declaration!r:.60} is not a mapping")
    unknown = set(declaration) - _PLAIN - set(_KEYS)
    if unknown:
        raise DeclarationError(f"{point}.{min(map(str, unknown))}", "unknown key")
    found: dict[str, Any] = {
        "gap_s": _number(f"{point}.gap_s", declaration.get("gap_s", GAP_CADENCES * cadence_s), 0.0)
    }
    span = declaration.get("user_span")
    if span is not None:
        if not isinstance(span, list | tuple) or len(span) != 2:
            raise DeclarationError(f"{point}.user_span", "is a pair: [lowest, highest]")
        low, high = (_number(f"{point}.user_span", each) for each in span)
        if low >= high:
            raise DeclarationError(f"{point}.user_span", f"{low:g} is not below {high:g}")
        found["user_low"], found["user_high"] = low, high
    if (part := _part(point, declaration, "spike")) is not None:
        found["spike"] = _needed(f"{point}.spike", part, "least")
        found["spike_mad"] = _number(f"{point}.spike.mad", part.get("mad", 3.0), 0.0)
    if (part := _part(point, declaration, "rate")) is not None:
        found["rate"] = _needed(f"{point}.rate", part, "most")
    return Limits(**found, **_windows(point, declaration), **_linked(point, declaration, cadence_s))


def _windows(point: str, declaration: Declaration) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (part := _part(point, declaration, "flat")) is not None:
        where = f"{point}.flat"
        found["flat_band"] = _needed(where, part, "band")
        found["flat_suspect_s"] = _needed(where, part, "suspect_s")
        found["flat_fail_s"] = _number(f"{where}.fail_s", part.get("fail_s", 2 * found["flat_suspect_s"]), 0.0)
        if found["flat_fail_s"] < found["flat_suspect_s"]:
            raise DeclarationError(f"{where}.fail_s", "is before suspect_s")
        found["flat_witnessed"] = _truth(f"{where}.witnessed", part.get("witnessed", False))
    if (part := _part(point, declaration, "attenuated")) is not None:
        where = f"{point}.attenuated"
        found["attenuated"] = _needed(where, part, "least")
        found["attenuated_s"] = _needed(where, part, "over_s")
        found["attenuated_witnessed"] = _truth(f"{where}.witnessed", part.get("witnessed", False))
    return found


def _linked(point: str, declaration: Declaration, cadence_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    links: list[Link] = []
    if (part := _part(point, declaration, "neighbours")) is not None:
        where = f"{point}.neighbours"
        found["neighbour_suspect"] = _needed(where, part, "suspect")
        found["neighbour_fail"] = _needed(where, part, "fail")
        if found["neighbour_fail"] < found["neighbour_suspect"]:
            raise DeclarationError(f"{where}.fail", "is below suspect")
        age = part.get("max_age_s", max(60.0, GAP_CADENCES * cadence_s))
        found["neighbour_age_s"] = _number(f"{where}.max_age_s", age, 0.0)
        links += _links(f"{where}.of", part.get("of"), point, witness=False)
    if (part := _part(point, declaration, "witness")) is not None:
        where = f"{point}.witness"
        found["witness_s"] = _number(f"{where}.within_s", part.get("within_s", 1200.0), 0.0)
        links += _links(f"{where}.of", part.get("of"), point, witness=True)
    return {**found, "links": tuple(links)}


def _links(where: str, value: Any, point: str, *, witness: bool) -> list[Link]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_LINKS:
        raise DeclarationError(where, f"is a list of 1 to {MOST_LINKS}")
    known = {"device", "point"} | ({"at_least", "moved"} if witness else {"bias"})
    links = []
    for number, text in enumerate(value):
        here = f"{where}.{number}"
        device, other = _looked_at(here, text, known, point)
        if witness:
            given = [key for key in ("at_least", "moved") if key in text]
            if len(given) != 1:
                raise DeclarationError(here, "needs one of at_least, moved")
            amount = _number(f"{here}.{given[0]}", text[given[0]], 0.0 if given[0] == "moved" else -math.inf)
            links.append(Link(other, device, **{given[0]: amount}))
        else:
            links.append(Link(other, device, bias=_number(f"{here}.bias", text.get("bias", 0.0))))
    return links


def _looked_at(here: str, text: Any, known: Collection[str], point: str) -> tuple[str | None, str]:
    if not isinstance(text, Mapping):
        raise DeclarationError(here, f"{text!r:.60} is not a mapping")
    unknown = set(text) - set(known)
    if unknown:
        raise DeclarationError(f"{here}.{min(map(str, unknown))}", "unknown key")
    for key in ("device", "point"):
        if text.get(key) is not None and not isinstance(text[key], str):
            raise DeclarationError(f"{here}.{key}", "is a name")
    device, other = text.get("device"), text.get("point") or point
    if device is None and other == point:
        raise DeclarationError(here, "is the point itself: name another device or point")
    return device, other


def resolve(
    hazard: Hazard, points: Collection[str], cadence_s: float, *layers: Mapping[str, Declaration | None]
) -> dict[str, Limits]:
    """The limits of a device's points: the defaults of its family, then each layer over it (profile, site, device).

    Every point gets limits (gap, order, duplicates and clock need no threshold); a layer that takes a point away by
    None takes its tests away. A default whose point the device does not have is left out; one of a layer must find it.

    Raises:
        DeclarationError: naming point and key.
    """
    of_all, of_family = quality_defaults.DEFAULTS[Hazard.DEVICE], quality_defaults.DEFAULTS.get(hazard, {})
    table: dict[str, Any] = {**{point: {} for point in points}, **of_all, **of_family}
    for layer in layers:
        for point, text in layer.items():
            if text is not None and point not in points:
                known = ", ".join(sorted(points)) or "none"
                raise DeclarationError(f"quality.{point}", f"the device has no such point (it has: {known})")
        table = merged(table, layer)
    try:
        return {point: parse(point, text, cadence_s) for point, text in table.items() if point in points}
    except DeclarationError as error:
        raise DeclarationError(f"quality.{error.where}", error.problem) from error
