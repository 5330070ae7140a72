"""From a YAML file to a Profile, with every problem found at once, each with file, line and fix."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cbor2
import msgspec
from pydantic import ValidationError

from device_profiles.decoder import Point, State
from device_profiles.document import CborFrame, ExampleDocument, ProfileDocument, SenmlFrame
from device_profiles.error import Problem, ProfileError
from device_profiles.example import Example, Record
from device_profiles.loading import yaml_source
from device_profiles.loading.complaint import problems_of
from device_profiles.loading.consistency import check
from device_profiles.loading.salvage import concerns, salvage
from device_profiles.loading.yaml_source import Source
from device_profiles.profile import Parameter, Profile
from device_profiles.quantity import QUANTITIES
from wire.alert import Hazard

MAX_FILE_BYTES = 256 * 1024


def read_profile(file: Path) -> Profile:
    """Reads and checks one profile file.

    Raises:
        ProfileError: with all its problems.
    """
    text, problem = yaml_source.text_of(file, "a profile", MAX_FILE_BYTES)
    if problem is not None:
        raise ProfileError(problem)
    return parse_profile(text, str(file))


def parse_profile(text: str, file: str) -> Profile:
    """Checks the text of one profile; `file` is only for messages.

    Raises:
        ProfileError: with all its problems.
    """
    source = yaml_source.read(text, file)
    if source.data is None:
        raise ProfileError(*source.problems)
    document = _document(source)
    formulas, problems = check(document, source)
    if source.problems or problems:
        raise ProfileError(*_in_order([*source.problems, *problems]))
    derived = {name for name, point in document.points.items() if point.formula is not None}
    points = []
    for name, point in document.points.items():
        quantity = point.quantity or (name if name in QUANTITIES else "other")
        known = QUANTITIES[quantity]
        valid = (point.valid[0], point.valid[1]) if point.valid else None
        zh, en = (point.label.zh, point.label.en) if point.label else (known.zh, known.en)
        points.append(Point(name, point.unit, quantity, valid, zh, en, name in derived, point.dead_band))
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
        quality=dict(document.quality),
        maintenance=document.maintenance,
        examples=tuple(_example(example, cbor=_as_cbor(document.frame)) for example in document.examples),
        documentation=document.documentation,
        file=file,
        document=document,
        formulas=tuple(formulas),
    )


def _example(written: ExampleDocument, *, cbor: bool) -> Example:
    if written.hex is not None:
        payload = bytes.fromhex(written.hex)
    elif written.json_ is not None:
        payload = cbor2.dumps(written.json_) if cbor else msgspec.json.encode(written.json_)
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
        age_s=written.age_s,
        earlier=tuple(
            Record(record.ts, record.age_s, dict(record.values), dict(record.states), tuple(record.events))
            for record in written.earlier
        ),
    )


def _as_cbor(frame: object) -> bool:
    """Whether an example written as `json` stands for CBOR."""
    return isinstance(frame, CborFrame) or (isinstance(frame, SenmlFrame) and frame.encoding == "cbor")


def _document(source: Source) -> ProfileDocument:
    try:
        return _validated(source.data)
    except ValidationError as error:
        found = problems_of(source, [dict(one) for one in error.errors(include_url=False)])
        told = {(problem.line, problem.where) for problem in source.problems}
        problems = [problem for _, problem in found if (problem.line, problem.where) not in told]
        paths = [path for path, _ in found]
        raise ProfileError(*_in_order([*source.problems, *problems, *_elsewhere(source, paths)])) from None


def _validated(data: Any) -> ProfileDocument:
    # by way of JSON, where strict mode still takes lists for lists and words for choices
    return ProfileDocument.model_validate_json(msgspec.json.encode(data))


def _elsewhere(source: Source, mistakes: list[yaml_source.Path]) -> list[Problem]:
    """What is wrong in the parts without mistakes of form, so that an author sees it in the same go."""
    salvaged = salvage(source.data, mistakes)
    if salvaged is None:
        return []
    data, places = salvaged
    try:
        _, problems = check(_validated(data), source)
    except ValidationError:
        return []
    return [problem for problem in problems if not concerns(tuple(_steps(problem.where)), places)]


def _steps(where: str) -> Iterator[str | int]:
    for step in where.split("."):
        yield int(step) if step.isdigit() else step


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """As they stand in the file, none twice."""
    return sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0)
