"""What a valid profile still lacks and its users will miss: notes, never errors."""

import re
from collections.abc import Iterator

from device_profiles.profile import Profile
from wire.alert import Hazard

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


def notes(profile: Profile) -> list[str]:
    """One sentence each; none for a profile that lacks nothing."""
    return list(_notes(profile))


def _notes(profile: Profile) -> Iterator[str]:
    telling = _TELLING.get(profile.hazard)
    names = {point.name for point in profile.points}
    if telling is not None and not names & telling[0]:
        yield telling[1]
    unbounded = [
        point.name
        for point in profile.points
        if point.valid is None and point.quantity not in ("flag", "count", "other", "alarm", "leak")
    ]
    if unbounded:
        yield f"no `valid` range for {', '.join(unbounded)}: nonsense from the sensor will not be flagged"
    if profile.maintenance.power is None:
        yield "maintenance says nothing of power: nobody will know when a battery is due"
    battery = names & {"battery", "voltage"} or any(
        point.quantity in ("battery", "voltage") for point in profile.points
    )
    if profile.maintenance.power == "battery" and not battery:
        yield "a battery device without a point for battery or voltage"
    if not any(example.error for example in profile.examples):
        yield "no example of an error: add a message that is cut off or comes from another model"
    shown = [point.name for point in profile.points] + [state.name for state in profile.states]
    untested = [
        name
        for name in shown
        if not any(name in example.values or name in example.states for example in profile.examples)
    ]
    if untested:
        yield f"no example shows {', '.join(untested)}"
    if not _CHINESE.search(profile.model_zh):
        yield "model.zh holds no Chinese: screens show it as the name of the model"
