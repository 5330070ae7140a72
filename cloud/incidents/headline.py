"""What an incident is, in one line: a code and its figures, put into words by the screens. Pure."""

from typing import Any

from cloud.incidents.alarms import AlarmView, Evidence
from rules.alarm import UNSTEADY_RULE
from wire.alert import Hazard


def leading(alarms: list[AlarmView]) -> AlarmView | None:
    """The alarm that speaks for the incident: standing before over, worst first, then the earliest."""
    return min(
        alarms,
        key=lambda a: (not a.facts.active, not a.standing, -a.facts.highest.rank, a.opened_at, a.alarm_id),
        default=None,
    )


def headline(hazard: Hazard, alarms: list[AlarmView], *, by_hand: str | None = None) -> dict[str, Any]:
    """Code and parameters, from the alarms alone; what a person said when there is no alarm.

    A figure that is not known is left out rather than invented.
    """
    if hazard is Hazard.GATEWAY:
        return {"code": "gateway_lost", "params": {"silent": len({a.device for a in alarms})} if alarms else {}}
    lead = leading(alarms)
    if lead is None:
        return {"code": "by_hand", "params": {"text": by_hand or ""}}
    if hazard is Hazard.DEVICE:
        if lead.rule == UNSTEADY_RULE:
            return {"code": "unsteady", "params": {"count": len({a.device for a in alarms if a.rule == UNSTEADY_RULE})}}
        silent = {a.device for a in alarms if a.rule not in {"battery", UNSTEADY_RULE}}
        code = "silence" if silent else "battery_low"
        return {"code": code, "params": {"count": len(silent or {a.device for a in alarms})}}
    return _figures(hazard, lead.evidence)


_POINT = {Hazard.SMOKE: "obscuration", Hazard.WATER_LEVEL: "level", Hazard.CURTAIN_WALL: "frequency"}
"""What an alarm is about when its evidence does not say."""
_LEVEL_CODE = {
    "obscuration": ("smoke_high", "dB/m"),
    "temperature": ("heat_high", "Cel"),
    "co": ("co_high", "[ppm]"),
    "level": ("water_deep", "m"),
    "frequency": ("facade_shift", "Hz"),
    "tilt": ("facade_tilt", "deg"),
    "gap": ("facade_gap", "mm"),
}
_RATE_CODE = {"level": "water_rising", "temperature": "heat_rising"}
"""Rates are per minute (rules)."""
_TOGETHER = {
    Hazard.SMOKE: "smoke_together",
    Hazard.WATER_LEVEL: "water_together",
    Hazard.CURTAIN_WALL: "facade_together",
}
"""An alarm that rests on several devices of one place at once (rule kind `co_occurrence`) says so first."""


def _figures(hazard: Hazard, evidence: Evidence) -> dict[str, Any]:
    point = str(evidence.get("point") or _POINT.get(hazard, ""))
    code, unit = _LEVEL_CODE.get(point, ("device_alarm", ""))
    value, rate, percent = evidence.get("value"), evidence.get("rate"), evidence.get("percent")
    count = evidence.get("count")
    if evidence.get("source") and isinstance(count, int | float) and hazard in _TOGETHER:
        figures = {"count": round(count), "value": value, "unit": evidence.get("unit") or unit}
        known = value is not None and code != "device_alarm"
        return {"code": _TOGETHER[hazard], "params": figures if known else {"count": round(count)}}
    if code == "device_alarm" or (value is None and rate is None):
        return {"code": "device_alarm", "params": {}}
    if "rate" in evidence and point in _RATE_CODE:
        code = _RATE_CODE[point]
    if percent is not None:  # judged against a reference of the device, as a façade's frequency
        return {"code": code, "params": {"value": percent, "unit": "%"}}
    figures = {"value": value, "unit": evidence.get("unit") or unit, "rate": rate}
    return {"code": code, "params": {key: figure for key, figure in figures.items() if figure is not None}}
