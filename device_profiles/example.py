"""Examples: a message beside what it must decode to. Every profile carries some; they are its tests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from device_profiles.decoder import DecodeError, Decoder, Message
from wire.time import format_instant, parse_instant


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the past that a message must carry."""

    ts: str | None
    age_s: float | None
    values: Mapping[str, float]
    states: Mapping[str, str]
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One message and everything that it must decode to, or the code of the error that it must give."""

    name: str
    payload: bytes
    fport: int | None
    parameters: Mapping[str, float]
    values: Mapping[str, float]
    states: Mapping[str, str]
    events: tuple[str, ...]
    ts: str | None
    problems: tuple[str, ...]
    error: str | None
    age_s: float | None = None
    earlier: tuple[Record, ...] = ()


def mismatches(example: Example, decoder: Decoder) -> list[str]:
    """What of an example does not come true, one sentence each; none when it passes."""
    try:
        message = decoder.decode(example.payload, example.fport)
    except DecodeError as error:
        if example.error is None:
            return [f"decoding failed: {error}"]
        return [] if error.code == example.error else [f"expected error {example.error}, got {error}"]
    if example.error is not None:
        return [f"expected error {example.error}, but it was decoded"]
    said = _content(example, decoder, message)
    codes = tuple(str(code) for _, code, _ in message.problems)
    if codes != example.problems:
        said.append(f"problems are {list(message.problems)}; expected {list(example.problems)}")
    if len(message.earlier) != len(example.earlier):
        said.append(f"{len(message.earlier)} earlier records came; expected {len(example.earlier)}")
        return said
    for number, (record, one) in enumerate(zip(example.earlier, message.earlier, strict=True), start=1):
        said += [f"earlier record {number}: {sentence}" for sentence in _content(record, decoder, one)]
    return said


def _content(expected: Example | Record, decoder: Decoder, message: Message) -> list[str]:
    """What differs in one message or record."""
    said: list[str] = []
    found = {
        point.name: value for point, value in zip(decoder.points, message.values, strict=True) if value is not None
    }
    for name, number in expected.values.items():
        value = found.pop(name, None)
        if value is None:
            said.append(f"{name} is missing; expected {number:g}")
        elif not math.isclose(value, number, rel_tol=1e-9, abs_tol=1e-9):
            said.append(f"{name} is {value!r}; expected {number!r}")
    said += [f"{name} is {value!r}; the example does not list it" for name, value in found.items()]
    if message.texts != dict(expected.states):
        said.append(f"states are {message.texts}; expected {dict(expected.states)}")
    if message.events != expected.events:
        said.append(f"events are {list(message.events)}; expected {list(expected.events)}")
    if expected.ts is not None and message.ts != parse_instant(expected.ts):
        stands = "missing" if message.ts is None else format_instant(message.ts)
        said.append(f"ts is {stands}; expected {expected.ts}")
    if expected.age_s is not None and (
        message.age_s is None or not math.isclose(message.age_s, expected.age_s, rel_tol=1e-9, abs_tol=1e-6)
    ):
        said.append(f"age_s is {message.age_s}; expected {expected.age_s}")
    return said
