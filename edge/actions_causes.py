"""Which alarms an action answers, and what bars it. Pure."""

from collections.abc import Callable, Collection

from edge.actions_wanted import Situation
from edge.table import Device
from rules.alarm import AlarmRecord
from wire.action import ActionConfig, Cause, Interlock, Move
from wire.quality import Quality
from wire.time import REAL

Value = Callable[[str, str], "tuple[float, int, int] | None"]
"""Newest value of a device's point: the value, its age in ms, its quality flag; None: none since the start."""


def key(record: AlarmRecord) -> str:
    """Names one episode of an alarm."""
    return f"{record.alarm_id}@{record.episode}"


def keys(around: Situation) -> tuple[str, ...]:
    """Of all causes."""
    return tuple(each.key for each in around.causes)


def exercise_of(around: Situation) -> str | None:
    """The drill that an action belongs to, if nothing real asks for it."""
    names = [each.exercise for each in around.causes]
    return names[0] if names and all(names) else None


def answers(config: ActionConfig, record: AlarmRecord, device: Device) -> bool:
    """Whether an alarm is one of the causes of an action; one of a drill or a replay only where that is allowed."""
    if not config.exercises and (record.exercise is not None or device.config.timeline != REAL):
        return False
    return any(_fits(cause, config, record, device) for cause in config.causes)


def _fits(cause: Cause, config: ActionConfig, record: AlarmRecord, device: Device) -> bool:
    level = record.facts.level
    if level is None or level.rank < cause.level.rank or record.hazard not in cause.hazards:
        return False
    if not _in(record.rule, cause.rules) or not _in(record.device, cause.devices):
        return False
    site, building, zone = cause.site, cause.building, cause.zone
    if site is None and building is None and zone is None and not cause.devices:
        site, building, zone = config.site, config.building, config.zone
    places = (site, device.config.site), (building, device.config.building), (zone, device.config.zone)
    return all(asked is None or asked == there for asked, there in places)


def _in(name: str, names: Collection[str]) -> bool:
    return not names or name in names


def barring(lock: Interlock, value: Value, stands: Callable[[str], Move | None]) -> str:
    """Why an interlock bars now; empty: it does not.

    Args:
        lock: as declared.
        value: newest readings.
        stands: how another action stands.
    """
    said = f" ({lock.why})" if lock.why else ""
    if lock.action is not None:
        other = stands(lock.action)
        if other is None:
            return "" if lock.unknown == "pass" else f"there is no action {lock.action}{said}"
        return f"{lock.action} is {lock.action_is}{said}" if other == lock.action_is else ""
    name = f"{lock.device}.{lock.point}"
    found = value(lock.device or "", lock.point)
    if found is None:
        return "" if lock.unknown == "pass" else f"{name} is not known{said}"
    number, age_ms, flag = found
    if flag == Quality.FAIL or not 0 <= age_ms <= lock.max_age_s * 1000:
        what = "failed its tests" if flag == Quality.FAIL else f"is {age_ms / 1000:.0f} s old"
        return "" if lock.unknown == "pass" else f"{name} {what}{said}"
    if lock.at_least is not None and number >= lock.at_least:
        return f"{name} is {number:g}, at least {lock.at_least:g}{said}"
    if lock.at_most is not None and number <= lock.at_most:
        return f"{name} is {number:g}, at most {lock.at_most:g}{said}"
    return ""
