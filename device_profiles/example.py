"""Examples: a message beside what it must decode to. Every profile carries some; they are its tests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from device_profiles.decoder import DecodeError, Decoder
from wire.time import format_instant, parse_instant


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
    found = {
        point.name: value for point, value in zip(decoder.points, message.values, strict=True) if value is not None
    }
    said: list[str] = []
    for name, expected in example.values.items():
        value = found.pop(name, None)
        if value is None:
            said.append(f"{name} is missing; expected {expected:g}")
        elif not math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9):
            said.append(f"{name} is {value!r}; expected {expected!r}")
    said += [f"{name} is {value!r}; the example does not list it" for name, value in found.items()]
    if message.texts != dict(example.states):
        said.append(f"states are {message.texts}; expected {dict(example.states)}")
    if message.events != example.events:
        said.append(f"events are {list(message.events)}; expected {list(example.events)}")
    codes = tuple(str(code) for _, code, _ in message.problems)
    if codes != example.problems:
        said.append(f"problems are {list(message.problems)}; expected {list(example.problems)}")
    if example.ts is not None and message.ts != parse_instant(example.ts):
        stands = "missing" if message.ts is None else format_instant(message.ts)
        said.append(f"ts is {stands}; expected {example.ts}")
    return said
