"""Kind `co_occurrence`: several devices of one zone, building or site at once; cross-zoning is the best known case.

Each device of the group has the rule and judges itself by it, whenever one of its *sources* is judged: a source is
another rule of the device, with a threshold `at` on that rule's signal (or on a number of its evidence, `field`). A
device shows at a row whose source is at or past `at`, and is present for `window_s` of event time after it. At each row
of the first source, and at each row at which another one shows, the signal is

    N = number of devices of the group that are present, this one with them;  0 while this one is not present

and levels are numbers of devices: `{I: {enter: 2}}` is on at the row that makes two of them. `rules.group` says exactly
who is present. A doubtful row counts for its own device only, and makes its alarm suspect; what it says is not taken as
another's confirmation. Real devices and each exercise are groups of their own.

Defaults: `within` zone, `window_s` 180 (two detectors of one room within 180 s are fire without waiting [S, value P]).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rules import parts
from rules.parts import DeclarationError

KIND = "co_occurrence"
KEYS = frozenset({"levels", "hysteresis", "hold_s", "min_samples", "schedule", "cooldown_s", "of", "within", "adjacent",
                  "window_s"})  # fmt: skip
WITHIN = ("zone", "building", "site")
WINDOW_S = 180.0
NAMED = 8
"""So many devices are named in the evidence."""

Within = Literal["zone", "building", "site"]


@dataclass(frozen=True, slots=True)
class Source:
    """A rule of the same device whose signal tells whether it shows."""

    rule: str
    at: float
    field: str = ""  # a number of that rule's evidence instead of its signal


@dataclass(frozen=True, slots=True)
class Options:
    """Of one rule."""

    of: tuple[Source, ...]
    within: Within
    adjacent: tuple[str, ...]  # other groups whose devices count too
    window_ms: int


def parse(where: str, declaration: Mapping[str, Any]) -> Options:
    """The keys.

    Raises:
        DeclarationError: naming the key.
    """
    texts = declaration.get("of")
    if not isinstance(texts, Sequence) or isinstance(texts, str) or not texts:
        raise DeclarationError(f"{where}.of", "is a list of sources such as {rule: smoke, at: 0.7}")
    within: Any = parts.choice(f"{where}.within", declaration.get("within", "zone"), WITHIN)
    adjacent = declaration.get("adjacent", ())
    if not isinstance(adjacent, Sequence) or isinstance(adjacent, str):
        raise DeclarationError(f"{where}.adjacent", f"is a list of the names of a {within}")
    window_s = parts.number(f"{where}.window_s", declaration.get("window_s", WINDOW_S), 0.0, 7 * 86_400.0)
    return Options(
        of=tuple(_source(f"{where}.of[{number}]", text) for number, text in enumerate(texts)),
        within=within,
        adjacent=tuple(parts.word(f"{where}.adjacent", name, f"the name of a {within}") for name in adjacent),
        window_ms=round(window_s * 1000),
    )


def _source(where: str, text: Any) -> Source:
    text = parts.mapping(where, text)
    parts.only(where, text, ("rule", "at", "field"))
    if "at" not in text:
        raise DeclarationError(f"{where}.at", "missing: from which signal on the device shows")
    field = text.get("field")
    return Source(
        rule=parts.word(f"{where}.rule", text.get("rule"), "the name of a rule"),
        at=parts.number(f"{where}.at", text["at"]),
        field="" if field is None else parts.word(f"{where}.field", field, "a number of the rule's evidence"),
    )
