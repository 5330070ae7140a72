"""Mistakes of form in the words of the author: what pydantic found, by file, line and fix."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from device_profiles.document import NAME, ProfileDocument
from device_profiles.error import Problem
from device_profiles.loading.yaml_source import Path, Source


def problems_of(source: Source, found: Iterable[dict[str, Any]]) -> list[tuple[Path, Problem]]:
    """Each mistake once, with its path as written; alternatives of which none fits count as one."""
    grouped: dict[Path, list[dict[str, Any]]] = {}
    for one in found:
        grouped.setdefault(written_path(source.data, one["loc"], missing=one["type"] == "missing"), []).append(one)
    return [
        (path, _problem(source, path, ones[0]) if len(ones) == 1 else _alternatives(source, path, ones))
        for path, ones in grouped.items()
        if not (all(one["type"] in _FORMS for one in ones) and _deeper(path, grouped))
    ]


def _deeper(path: Path, grouped: Iterable[Path]) -> bool:
    """Whether something inside is wrong too: then one of the allowed forms was meant, and the others say nothing."""
    return any(len(other) > len(path) and other[: len(path)] == path for other in grouped)


def _alternatives(source: Source, path: Path, ones: list[dict[str, Any]]) -> Problem:
    """Several forms are allowed and none of them fits."""
    unknown = [one for one in ones if one["type"] in ("extra_forbidden", "missing")]
    if unknown:  # one of the forms is an object: what is wrong inside it says more
        return _problem(source, path, unknown[0])
    expected = [name for one in ones if one["type"] == "literal_error" for name in _choices(one)]
    if expected:
        return _choice(source, path, ones[0]["input"], expected)
    where = ".".join(str(part) for part in path)
    forms = list(dict.fromkeys(_FORMS.get(one["type"], str(one["msg"]).lower()) for one in ones))
    what = f"{_shown(ones[0])} does not fit: {', or '.join(forms)}"
    return Problem(source.file, source.line(path), where, what, _HINTS.get(str(path[-1]) if path else "", ""))


_FORMS = {
    "string_type": "text in quotes",
    "list_type": "a list [a, b]",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "keys and values {a: b}",
    "model_type": "keys and values {a: b}",
    "bool_type": "true or false",
    "greater_than": "a greater number",
    "greater_than_equal": "a greater number",
    "less_than": "a smaller number",
    "less_than_equal": "a smaller number",
}


def _by_form(kind: str, stands: Any) -> str:
    """The fix that the mere form of what stands there tells."""
    if kind == "string_type":
        return "write it in quotes"
    if kind in ("int_type", "float_type"):
        if isinstance(stands, bool):
            return "1 for true, 0 for false"
        if isinstance(stands, str) and re.fullmatch(r"[-+]?(0x[0-9a-fA-F]+|\d+(\.\d*)?)", stands):
            return f"without quotes: {stands}"
    return ""


def _choices(found: dict[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(found["ctx"]["expected"]))


def _choice(source: Source, path: Path, stands: Any, known: list[str]) -> Problem:
    where = ".".join(str(part) for part in path)
    near = difflib.get_close_matches(str(stands), known, n=1)
    fix = f"did you mean '{near[0]}'?" if near else ""
    if re.fullmatch(r"[uif]\w*(be|le)", str(stands), re.IGNORECASE):
        order = "big" if str(stands).lower().endswith("be") else "little"
        fix += f"{' ' if fix else ''}The byte order is `order: {order}`, of the frame or of this value"
    return Problem(source.file, source.line(path), where, f"{stands!r} is none of {', '.join(known)}", fix)


def _shown(found: dict[str, Any]) -> str:
    stands = found.get("input")
    if isinstance(stands, bool) or stands is None:
        return {True: "true", False: "false", None: "nothing"}[stands]
    return "what stands there" if isinstance(stands, dict | list) else repr(stands)


def _problem(source: Source, path: Path, found: dict[str, Any]) -> Problem:
    """One pydantic error in the words of the author."""
    where = ".".join(str(part) for part in path)
    line = source.line(path)
    kind = found["type"]
    if kind == "extra_forbidden":
        known = _known_keys(found["loc"], path)
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"known here are {', '.join(known)}" if known else "remove it"
        return Problem(source.file, line, where, "unknown key", fix)
    if kind == "missing":
        return Problem(source.file, line, where, "is missing", _HINTS.get(str(path[-1]), "add it"))
    if kind == "string_pattern_mismatch":
        names = "small letters, digits and _, beginning with a letter, at most 40: water_level"
        is_name = found["ctx"]["pattern"] == NAME
        if path and path[-1] == "unit" and found["input"] in _UCUM:
            return Problem(
                source.file, line, where, f"{found['input']!r} is no UCUM unit", f"unit: {_UCUM[found['input']]}"
            )
        hint = names if is_name else _HINTS.get(str(path[-1]), f"expected {found['ctx']['pattern']}")
        return Problem(source.file, line, where, f"{found['input']!r} is not of the right form", hint)
    if kind == "literal_error":
        return _choice(source, path, found["input"], _choices(found))
    if kind == "union_tag_invalid":
        known = re.findall(r"'([^']*)'", str(found["ctx"]["expected_tags"]))
        return _choice(source, (*path, "kind"), found["ctx"]["tag"], known)
    if kind == "union_tag_not_found":
        return Problem(source.file, line, where, "has no kind", _HINTS["kind"])
    hint = _HINTS.get(str(path[-1]) if path else "", "")
    if kind in ("too_short", "string_too_short") and not found.get("input"):
        return Problem(source.file, line, where, "is empty", hint)
    if kind in ("too_short", "too_long"):
        limits = found["ctx"]
        wanted = limits.get("min_length" if kind == "too_short" else "max_length")
        most = "at least" if kind == "too_short" else "at most"
        return Problem(
            source.file, line, where, f"holds {limits.get('actual_length')}; {most} {wanted} belong there", hint
        )
    if kind in _FORMS:
        fix = _by_form(kind, found.get("input")) or hint
        limit = "".join(f" ({value:g})" for value in found.get("ctx", {}).values() if isinstance(value, int | float))
        return Problem(source.file, line, where, f"{_shown(found)} stands where {_FORMS[kind]} belongs{limit}", fix)
    message = str(found["msg"])
    message = message[:1].lower() + message[1:]
    shown = "" if isinstance(found.get("input"), dict | list) else f" ({found.get('input')!r} stands there)"
    return Problem(source.file, line, where, message + shown, hint)


_HINTS = {
    "profile": "vendor/model in lower-case letters, digits and '-', as the folder and the file are called",
    "hex": 'pairs of hexadecimal digits in quotes, as "01 75 5C"',
    "tag": 'pairs of hexadecimal digits in quotes, as "0175"',
    "bytes": 'pairs of hexadecimal digits in quotes, as "01 0A"',
    "examples": "at least one message with what it decodes to: examples are the profile's tests",
    "unit": 'a UCUM unit in quotes where YAML needs them: m, Cel, "%", "1"',
    "cadence_s": "seconds between two messages of a healthy device",
    "frame": "kind: json, cbor, keys, struct, tlv, registers, senml or codec",
    "kind": "json, cbor, keys, struct, tlv, registers, senml or codec",
    "zh": "the Chinese name",
    "en": "the English name",
    "hazard": "smoke, water_level, curtain_wall or device",
    "vendor": "{zh: the Chinese name, en: the English name}",
    "model": "{zh: the Chinese name, en: the English name}",
    "label": "{zh: the Chinese name, en: the English name}",
    "valid": "[lowest, highest]",
    "flags": "where the presence bits stand: {at: 2, type: u8}",
    "sizes": "the bytes of each group, in the order in which they stand in the message: [2, 1, 4]",
    "start": "the offset at which the first of them begins",
    "records": "{points: {distance: 4}, ts: {at: 0, type: u32, unit: s}, …}",
    "also": 'a list of further places, [{tag: "83e9", at: 0}]',
    "ports": "a list of fPorts, [85]",
    "missing": "a list of raw values, [0xFFFF]",
    "points": "at least one: name: {…, unit: …}",
    "map": "raw value to what it means, {0: 0, 1: 1}",
    "when": "{at: 0, equals: 1}, {at: 0, mask: 0x04} for a bit, or a list of such where all must hold",
    "match": 'a list of places and bytes, [{at: 0, bytes: "02"}]',
    "groups": "{flags: {at: 3, type: u16}, start: 5, sizes: [4, 2]}",
    "skip": 'tags and the size of their values, {"ff0b": 1}',
    "event": "one of alarm, silenced, test, tamper, low_battery, fault, or one by value {2: fault}",
    "values": "what comes out, by point: {level: 0.2}",
    "states": "what comes out, by state: {report: alarm}",
    "parameters": "numbers of the place: name: {unit: m, label: {zh: …, en: …}}",
}


_UCUM = {
    "°C": "Cel",
    "℃": "Cel",
    "°": "deg",
    "°F": "Cel, with scale: 0.5555555555555556 and offset: -17.77777777777778",
    "℉": "Cel, with scale: 0.5555555555555556 and offset: -17.77777777777778",
    "µS/cm": "uS/cm",
    "μS/cm": "uS/cm",
    "m³": "m3",
    "m/s²": "m/s2",
    "m²": "m2",
    "Ω": "Ohm",
    "": '"1"',
}


def written_path(data: Any, loc: tuple[str | int, ...], *, missing: bool = False) -> Path:
    """Takes out of a pydantic location what does not stand in the file: names of union members, but no missing key."""
    path: list[str | int] = []
    current = data
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(current, dict):
            if step in current:
                current = current[step]
            elif not last or not missing:
                continue
            else:
                current = None
        elif isinstance(current, list):
            if not (isinstance(step, int) and step < len(current)):
                continue
            current = current[step]
        else:
            continue
        path.append(step)
    return tuple(path)


@cache
def _schema() -> dict[str, Any]:
    return ProfileDocument.model_json_schema(by_alias=True)


def _known_keys(loc: tuple[str | int, ...], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the format knows beside the last step of a path."""
    schema = _schema()
    definitions = schema["$defs"]
    node: dict[str, Any] = schema
    for step in path[:-1]:
        node = _step(node, step, definitions, loc)
    node = _resolve(node, definitions, loc)
    return list(node.get("properties", {}))


def _resolve(node: dict[str, Any], definitions: dict[str, Any], loc: tuple[str | int, ...]) -> dict[str, Any]:
    while True:
        if "$ref" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[1]]
        elif "discriminator" in node:
            mapping = node["discriminator"]["mapping"]
            kind = next((step for step in loc if step in mapping), next(iter(mapping)))
            node = {"$ref": mapping[kind]}
        elif "anyOf" in node:
            objects = [option for option in node["anyOf"] if "$ref" in option or option.get("type") == "object"]
            if not objects:
                return node
            node = objects[0]
        else:
            return node


def _step(
    node: dict[str, Any], step: str | int, definitions: dict[str, Any], loc: tuple[str | int, ...]
) -> dict[str, Any]:
    node = _resolve(node, definitions, loc)
    if isinstance(step, int):
        return dict(node.get("items", {}))
    properties = node.get("properties", {})
    if step in properties:
        return dict(properties[step])
    patterns = node.get("patternProperties", {})
    if patterns:
        return dict(next(iter(patterns.values())))
    additional = node.get("additionalProperties")
    return dict(additional) if isinstance(additional, dict) else {}
