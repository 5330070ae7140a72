"""What a value that came out wrong tells of the slip behind it: factor, sign, byte order."""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from device_profiles.authoring import coverage
from device_profiles.decoder import DecodeError
from device_profiles.example import Example
from device_profiles.profile import Profile

_ROUND = (1, 1.25, 2, 2.5, 3.90625, 4, 5, 6.25, 7.8125, 8, 10)  # and their powers of ten: steps of sensors


def decoded(example: Example, profile: Profile) -> dict[str, float] | None:
    """The values that an example decodes to; None when it is refused."""
    decoder = profile.decoder(example.parameters)
    try:
        message = decoder.decode(example.payload, example.fport)
    except DecodeError:
        return None
    return {point.name: value for point, value in zip(decoder.points, message.values, strict=True) if value is not None}


def hints(example: Example, profile: Profile) -> dict[str, str]:
    """By point, what is probably wrong with the profile that an example does not come true."""
    values = decoded(example, profile)
    if values is None:
        return {}
    found = dict(_absent(example, profile, values))
    wrong = {
        name: (values[name], expected)
        for name, expected in example.values.items()
        if name in values and not math.isclose(values[name], expected, rel_tol=1e-9, abs_tol=1e-9)
    }
    if wrong:
        found |= dict(_each(profile, wrong, _turned(example, profile)))
    return found


def _absent(example: Example, profile: Profile, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Points that did not come out: what the message has that looks like them."""
    if profile.frame != "json":
        return
    there = {".".join(path) for path in coverage.paths_in(example.payload)}
    for name in example.values:
        document = profile.document.points.get(name)
        if name in values or document is None or document.formula is not None:
            continue
        steps = document.at if isinstance(document.at, list) else [document.at or name]
        path = ".".join(str(step) for step in steps)
        if path in there:
            continue
        ends = [one for one in sorted(there) if one.split(".")[-1] == path.replace("/", ".").split(".")[-1]]
        near = ends or difflib.get_close_matches(path, sorted(there), n=1)
        yield name, f"the message has `{near[0]}`" if near else f"the message has no {path}"


def _each(
    profile: Profile, wrong: Mapping[str, tuple[float, float]], turned: Mapping[str, float]
) -> Iterator[tuple[str, str]]:
    for name, (found, expected) in wrong.items():
        document = profile.document.points[name]
        if document.formula is not None:
            continue
        scale = document.scale or 1.0
        other = "big" if getattr(profile.document.frame, "order", "big") == "little" else "little"
        if name in turned and math.isclose(turned[name], expected, rel_tol=1e-6, abs_tol=1e-9):
            yield name, f"with `order: {other}` in the frame it would come true"
        elif hint := _by_number(document.type, scale, found, expected):
            yield name, hint
        elif name in turned and (better := _scaled(scale, turned[name], expected)):
            yield name, f"`order: {other}` in the frame and {better} would give it"


def _by_number(kind: Any, scale: float, found: float, expected: float) -> str:
    if better := _scaled(scale, found, expected):
        return f"{better} would give it"
    for size in (8, 16, 24, 32):
        span = math.ldexp(abs(scale), size)
        if math.isclose(found - expected, span, rel_tol=1e-6) and str(kind).startswith("u"):
            return f"is the number signed? type: i{str(kind)[1:]}"
        if math.isclose(expected - found, span, rel_tol=1e-6) and str(kind).startswith("i"):
            return f"is the number unsigned? type: u{str(kind)[1:]}"
    if abs(found - expected) < 0.51 * 10 ** -_places(expected) and _places(found) > _places(expected):
        return "the example is rounded: write every digit"
    return ""


def _scaled(scale: float, found: float, expected: float) -> str:
    """The scale that would be right, where it is a round one."""
    if not found or not expected or found / expected < 0:
        return ""
    better = scale * expected / found
    mantissa = better / 10 ** math.floor(math.log10(abs(better)))
    if any(math.isclose(abs(mantissa), round_one, rel_tol=1e-6) for round_one in _ROUND):
        return f"scale: {better:.6g}"
    return ""


def _places(value: float) -> int:
    text = repr(float(value))
    return 0 if "e" in text or text.endswith(".0") else len(text.partition(".")[2])


def _turned(example: Example, profile: Profile) -> dict[str, float]:
    """The values with the other byte order; empty for frames that have none."""
    frame = profile.document.frame
    order = getattr(frame, "order", None)
    if order is None:
        return {}
    other = frame.model_copy(update={"order": "big" if order == "little" else "little"})
    document = profile.document.model_copy(update={"frame": other})
    return decoded(example, replace(profile, document=document)) or {}
