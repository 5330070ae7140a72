"""What a valid profile still lacks and its users will miss (notes), and what its author may look at again (remarks)."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Self

from device_profiles.authoring import coverage
from device_profiles.decoder import Point
from device_profiles.document import PointDocument, StateDocument
from device_profiles.frames.arithmetic import Formula
from device_profiles.loading.yaml_source import Path
from device_profiles.profile import Profile
from wire.alert import Hazard
from wire.time import parse_instant

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_TELLING: dict[Hazard, tuple[frozenset[str], str]] = {
    Hazard.SMOKE: (
        frozenset({"alarm", "obscuration", "co", "temperature"}),
        "no point `alarm` or `obscuration`: the smoke rules have nothing to judge",
    ),
    Hazard.WATER_LEVEL: (
        frozenset({"level", "leak"}),
        "no point `level` in metres: the water rules have nothing to judge (derive it: mounting_height_m - distance)",
    ),
    Hazard.CURTAIN_WALL: (
        frozenset({"tilt", "frequency", "gap"}),
        "no point `tilt`, `frequency` or `gap`: the curtain-wall rules have nothing to judge",
    ),
}
# What a name tells of an event, in the order of trial: `battery_test` is a test.
_NAMED: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("low_battery", re.compile(r"(^|_)(low_?(bat|batt|battery|voltage|power)|(bat|batt|battery)_(low|alarm|warning))")),
    ("tamper", re.compile(r"(^|_)(tamper|disassembl\w*|removed|removal|dismantl\w*)")),
    ("silenced", re.compile(r"(^|_)(silenced?|muffled?|muted?|hush)")),
    ("test", re.compile(r"(^|_)(self_?)?test(ing|ed)?($|_)")),
    ("fault", re.compile(r"(^|_)(fault|malfunction|failure|defect)")),
)
_BY_UNIT = {
    "Cel": "temperature",
    "V": "voltage",
    "lx": "illuminance",
    "kPa": "pressure",
    "dB/m": "obscuration",
    "uS/cm": "conductivity",
    "dBm": "signal",
    "s": "duration",
}
_ABOUT = re.compile(
    r"_(change|threshold|interval|time|count|result|limit|min|max|offset|strength)$"
)  # a value, no thing
_UNBOUNDED = frozenset({"flag", "count", "other", "alarm", "leak"})
_DAY_S = 86_400.0


class Note(str):
    """One sentence, and where in the document it belongs; an empty path stands for the whole."""

    __slots__ = ("path",)

    path: Path

    def __new__(cls, what: str, path: Path = ()) -> Self:
        """A sentence with its place."""
        note = super().__new__(cls, what)
        note.path = path
        return note


def notes(profile: Profile, rules: str = "") -> list[Note]:
    """What users will miss; empty for a profile that lacks nothing, as every one of the library.

    Args:
        profile: a valid one.
        rules: the text of the rules that judge the model's devices, which may name parameters too; without it
            nothing is said of parameters.
    """
    return [note for judge in _NOTES for note in judge(profile)] + list(_numbers_of_the_place(profile, rules))


def remarks(profile: Profile) -> list[Note]:
    """What the author may look at again: it may well be as the device is."""
    return [note for judge in _REMARKS for note in judge(profile)]


def _what_rules_need(profile: Profile) -> Iterator[Note]:
    telling = _TELLING.get(profile.hazard)
    own = any(declaration is not None for declaration in profile.rules.values())
    if telling is not None and not own and not {point.name for point in profile.points} & telling[0]:
        yield Note(telling[1], ("points",))


def _values(profile: Profile) -> Iterator[Note]:
    unbounded = [point.name for point in profile.points if point.valid is None and point.quantity not in _UNBOUNDED]
    if unbounded:
        what = f"no `valid` range for {', '.join(unbounded)}: nonsense from the sensor will not be flagged"
        yield Note(what, ("points", unbounded[0]))


def _doubts(profile: Profile) -> Iterator[Note]:
    for point in profile.points:
        document = profile.document.points[point.name]
        path: Path = ("points", point.name)
        if point.quantity == "other" and point.unit in _BY_UNIT and not _ABOUT.search(point.name):
            kind = _BY_UNIT[point.unit]
            yield Note(f"{point.name} is in {point.unit}: is it `quantity: {kind}`? Screens and rules go by it", path)
        if point.quantity == "temperature" and _never_negative(document):
            yield Note(f"{point.name} can never fall below 0: is it a signed number ({_signed(document)})?", path)
        yield from _outside(profile, point)


def _never_negative(document: PointDocument) -> bool:
    return bool(
        document.type
        and re.fullmatch(r"u\d+", document.type)
        and not document.map
        and getattr(document, "sign", None) is None
        and document.bias >= 0
        and document.offset >= 0
    )


def _signed(document: PointDocument) -> str:
    return f"i{str(document.type)[1:]}"


def _outside(profile: Profile, point: Point) -> Iterator[Note]:
    if point.valid is None:
        return
    low, high = point.valid
    shown = [
        (index, example.values[point.name])
        for index, example in enumerate(profile.examples)
        if point.name in example.values
    ]
    if shown and not any(low <= value <= high for _, value in shown):  # one alone may show what is flagged
        index, value = shown[0]
        what = f"{point.name} is {value:g} here, outside of its `valid` {low:g} … {high:g}: is the scale right?"
        yield Note(what, ("examples", index, "values", point.name))


def _events(profile: Profile) -> Iterator[Note]:
    announced = set(_announced(profile))
    for section, name, document in _extracts(profile):
        path: Path = (section, name)
        point = next((one for one in profile.points if one.name == name), None)
        if document.event or _ABOUT.search(name):
            continue
        named = (event for event, pattern in _NAMED if pattern.search(name))
        event = "alarm" if point is not None and point.quantity in ("alarm", "leak") else next(named, None)
        if event is not None and event not in announced:  # two points of one thing: one of them announces it
            yield Note(f"{name} announces nothing: add `event: {event}`", path)
    if _detector(profile) and "test" not in announced:
        yield Note("no event `test`: a press on the test button will not be told from a fire, if the device says so")


def _detector(profile: Profile) -> bool:
    """A smoke detector, and no thermometer that helps it."""
    return profile.hazard == Hazard.SMOKE and any(point.quantity == "alarm" for point in profile.points)


def _extracts(profile: Profile) -> Iterator[tuple[str, str, PointDocument | StateDocument]]:
    for name, point in profile.document.points.items():
        yield "points", name, point
    for name, state in profile.document.states.items():
        yield "states", name, state


def _announced(profile: Profile) -> Iterator[str]:
    for _, _, document in _extracts(profile):
        if isinstance(document.event, str):
            yield document.event
        elif document.event:
            yield from document.event.values()


def _words(profile: Profile) -> Iterator[Note]:
    if not _CHINESE.search(profile.model_zh):
        yield Note("model.zh holds no Chinese: screens show it as the name of the model", ("model",))
    latin = [point.name for point in profile.points if not _CHINESE.search(point.label_zh)]
    latin += [state.name for state in profile.states if not _CHINESE.search(state.label_zh)]
    if latin:
        what = f"no Chinese label for {', '.join(latin)}: label: {{zh: …, en: …}}"
        section = "points" if latin[0] in profile.document.points else "states"
        yield Note(what, (section, latin[0]))
    for parameter in profile.parameters:
        if not _CHINESE.search(parameter.label_zh):
            path: Path = ("parameters", parameter.name, "label")
            yield Note(f"the label of parameter {parameter.name} holds no Chinese", path)
    for name, state in profile.document.states.items():
        if not state.map and state.type is not None and re.fullmatch(r"[ui]\d+", state.type):
            yield Note(f"{name} is a bare number: a `map` says what each one means", ("states", name))


def _care(profile: Profile) -> Iterator[Note]:
    care = profile.maintenance
    path: Path = ("maintenance",)
    if care.power is None:
        yield Note("maintenance says nothing of power: nobody will know when a battery is due", path)
    told = any(point.quantity in ("battery", "voltage") for point in profile.points)
    if care.power == "battery" and not told and "low_battery" not in set(_announced(profile)):
        yield Note("a battery device without a point for battery or voltage, nor an event low_battery", path)
    elif care.power == "battery" and not told:
        yield Note("a battery device without a point for battery or voltage", path)


def _sheet(profile: Profile) -> Iterator[Note]:
    care = profile.maintenance
    path: Path = ("maintenance",)
    if care.power in ("battery", "mains_and_battery") and care.battery_type is None:
        yield Note("no battery_type: whoever goes to change the battery must know which", path)
    if care.power == "battery" and care.battery_years is None:
        yield Note("no battery_years: nobody can plan when batteries are due", path)
    if _detector(profile) and care.service_years is None:
        yield Note("no service_years: smoke detectors must be replaced after some years, mostly 10", path)
    if profile.documentation is None:
        yield Note("no `documentation`: where the message format is described, for whoever has doubts later")


def _numbers_of_the_place(profile: Profile, rules: str) -> Iterator[Note]:
    used: set[str] = set()
    for _, formula in profile.formulas:
        used |= _names(formula)
    for parameter in profile.parameters:
        if rules and parameter.name not in used and parameter.name not in rules:
            what = f"no formula and no rule uses the parameter {parameter.name}: people would measure it for nothing"
            yield Note(what, ("parameters", parameter.name))


def _names(formula: Formula) -> set[str]:
    return set(formula.names)


def _cadence(profile: Profile) -> Iterator[Note]:
    if not 1 <= profile.cadence_s <= 2 * _DAY_S:
        yield Note(f"a message every {profile.cadence_s:g} s: is that seconds?", ("cadence_s",))
    steps: list[float] = []
    for example in profile.examples:
        stamps = [parse_instant(one.ts) for one in getattr(example, "earlier", ()) if one.ts]
        if example.ts is not None:
            stamps.append(parse_instant(example.ts))
        steps += [(after - before) / 1000 for before, after in itertools.pairwise(stamps)]
    steps = sorted(step for step in steps if step > 0)
    if steps:
        middle = steps[len(steps) // 2]
        if not profile.cadence_s / 20 <= middle <= profile.cadence_s * 20:
            what = f"cadence_s is {profile.cadence_s:g}, but the records of the examples are {middle:g} s apart"
            yield Note(what, ("cadence_s",))


def _tests(profile: Profile) -> Iterator[Note]:
    path: Path = ("examples",)
    if not any(example.error for example in profile.examples):
        yield Note("no example of an error: add a message that is cut off or comes from another model", path)
    shown = {name for example in profile.examples for name in (*example.values, *example.states)}
    shown |= {
        name
        for example in profile.examples
        for one in getattr(example, "earlier", ())
        for name in (*one.values, *one.states)
    }
    named = [point.name for point in profile.points] + [state.name for state in profile.states]
    untested = [name for name in named if name not in shown]
    if untested:
        yield Note(f"no example shows {', '.join(untested)}", path)


def _heard(profile: Profile) -> Iterator[Note]:
    path: Path = ("examples",)
    heard = {event for example in profile.examples for event in example.events}
    unheard = sorted(set(_announced(profile)) - heard)
    if unheard:
        yield Note(f"no example announces {', '.join(unheard)}", path)
    ports = getattr(profile.document.frame, "ports", None)
    if ports and all(example.fport is None for example in profile.examples):
        yield Note("no example has an fport: that a wrong one is refused is not tested", path)


def _unread(profile: Profile) -> Iterator[Note]:
    found = coverage.unread(profile)
    if found:
        yield Note(f"read by no point or state: {found}", ("points",))


_NOTES: tuple[Callable[[Profile], Iterator[Note]], ...] = (
    _what_rules_need,
    _values,
    _words,
    _care,
    _cadence,
    _tests,
)
_REMARKS: tuple[Callable[[Profile], Iterator[Note]], ...] = (
    _doubts,
    _events,
    _sheet,
    _heard,
    _unread,
)
