"""From a YAML file to a Profile, with every problem found at once, each with file, line and fix."""

import difflib
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from device_profiles import yaml_source
from device_profiles.consistency import check
from device_profiles.decoder import Point, State
from device_profiles.document import ExampleDocument, ProfileDocument
from device_profiles.error import Problem, ProfileError
from device_profiles.example import Example
from device_profiles.profile import Parameter, Profile
from device_profiles.quantity import QUANTITIES
from device_profiles.yaml_source import Source
from wire.alert import Hazard

MAX_FILE_BYTES = 256 * 1024


def read_profile(file: Path) -> Profile:
    """Reads and checks one profile file.

    Raises:
        ProfileError: with all its problems.
    """
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            fix = f"a profile has at most {MAX_FILE_BYTES // 1024} KiB"
            raise ProfileError(Problem(str(file), None, "", f"the file has {size} bytes", fix))
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError(Problem(str(file), None, "", f"is not UTF-8 text: {error}", "save it as UTF-8")) from None
    except OSError as error:
        raise ProfileError(Problem(str(file), None, "", f"cannot be read: {error.strerror}")) from None
    return parse_profile(text, str(file))


def parse_profile(text: str, file: str) -> Profile:
    """Checks the text of one profile; `file` is only for messages.

    Raises:
        ProfileError: with all its problems.
    """
    source = yaml_source.read(text, file)
    if source.problems:
        raise ProfileError(*source.problems)
    document = _document(source)
    formulas, problems = check(document, source)
    if problems:
        raise ProfileError(*problems)
    derived = {name for name, point in document.points.items() if point.formula is not None}
    points = []
    for name, point in document.points.items():
        quantity = point.quantity or (name if name in QUANTITIES else "other")
        known = QUANTITIES[quantity]
        valid = (point.valid[0], point.valid[1]) if point.valid else None
        zh, en = (point.label.zh, point.label.en) if point.label else (known.zh, known.en)
        points.append(Point(name, point.unit, quantity, valid, zh, en, name in derived))
    return Profile(
        name=document.profile,
        aliases=tuple(document.aliases),
        vendor_zh=document.vendor.zh,
        vendor_en=document.vendor.en,
        model_zh=document.model.zh,
        model_en=document.model.en,
        hazard=Hazard(document.hazard),
        cadence_s=document.cadence_s,
        points=tuple(points),
        states=tuple(
            State(name, state.label.zh if state.label else name, state.label.en if state.label else name)
            for name, state in document.states.items()
        ),
        parameters=tuple(
            Parameter(name, parameter.unit, parameter.label.zh, parameter.label.en, parameter.default)
            for name, parameter in document.parameters.items()
        ),
        rules=dict(document.rules),
        maintenance=document.maintenance,
        examples=tuple(_example(example) for example in document.examples),
        documentation=document.documentation,
        file=file,
        document=document,
        formulas=tuple(formulas),
    )


def _example(written: ExampleDocument) -> Example:
    if written.hex is not None:
        payload = bytes.fromhex(written.hex)
    elif written.json_ is not None:
        payload = msgspec.json.encode(written.json_)
    else:
        payload = (written.text or "").encode()
    return Example(
        name=written.name,
        payload=payload,
        fport=written.fport,
        parameters=dict(written.parameters),
        values=dict(written.values or {}),
        states=dict(written.states),
        events=tuple(written.events),
        ts=written.ts,
        problems=tuple(written.problems),
        error=written.error,
    )


def _document(source: Source) -> ProfileDocument:
    try:
        # by way of JSON, where strict mode still takes lists for lists and words for choices
        return ProfileDocument.model_validate_json(msgspec.json.encode(source.data))
    except ValidationError as error:
        problems = [_problem(source, dict(found)) for found in error.errors(include_url=False)]
        raise ProfileError(*dict.fromkeys(problems)) from None


def _problem(source: Source, found: dict[str, Any]) -> Problem:
    """One pydantic error in the words of the author."""
    path = _written_path(source.data, found["loc"])
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
        hint = _HINTS.get(str(path[-1]), f"expected {found['ctx']['pattern']}")
        return Problem(source.file, line, where, f"{found['input']!r} is not of the right form", hint)
    message = str(found["msg"])
    message = message[:1].lower() + message[1:]
    fix = ""
    if kind == "string_type":
        fix = "write it in quotes"
    shown = "" if isinstance(found.get("input"), dict | list) else f" ({found.get('input')!r} stands there)"
    return Problem(source.file, line, where, message + shown, fix)


_HINTS = {
    "profile": "vendor/model in lower-case letters, digits and '-', as the folder and the file are called",
    "hex": 'pairs of hexadecimal digits in quotes, as "01 75 5C"',
    "tag": 'pairs of hexadecimal digits in quotes, as "0175"',
    "bytes": 'pairs of hexadecimal digits in quotes, as "01 0A"',
    "examples": "at least one message with what it decodes to: examples are the profile's tests",
    "unit": 'a UCUM unit in quotes where YAML needs them: m, Cel, "%", "1"',
    "cadence_s": "seconds between two messages of a healthy device",
    "frame": "kind: json, struct or tlv",
    "kind": "json, struct or tlv",
    "zh": "the Chinese name",
    "en": "the English name",
    "hazard": "smoke, water_level, curtain_wall or device",
}


def _written_path(data: Any, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Takes out of a pydantic location what does not stand in the file (names of union members)."""
    path: list[str | int] = []
    current = data
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(current, dict):
            if step in current:
                current = current[step]
            elif not last or step == "[key]":
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


def _known_keys(loc: tuple[str | int, ...], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the format knows beside the last step of a path."""
    schema = ProfileDocument.model_json_schema(by_alias=True)
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
