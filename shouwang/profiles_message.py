"""A decoded message as `profiles decode` and `profiles try` tell it: to programs and to people."""

import math
from collections.abc import Iterator
from typing import Any

from device_profiles.decoder import DecodeError, Decoder, Message, Point, ProblemCode
from wire.time import format_instant


def found_in(decoder: Decoder, payload: bytes, fport: int | None, *, partial: bool = False) -> dict[str, Any]:
    """What a payload means, errors included: `{"readings": [{point, value, unit}], "errors": [{code, message}]}`.

    `states`, `events`, `ts` and `earlier` (records of the past, oldest first) stand beside them where there are any.

    Args:
        decoder: of the device's profile.
        payload: what the device sent.
        fport: the LoRaWAN port, where there is one.
        partial: its source tells only what changed: a message without known values is nothing wrong.
    """
    try:
        found = told(decoder.decode(payload, fport), decoder)
    except DecodeError as error:
        return refused(error.code, error.message)
    if partial:
        found["errors"] = [error for error in found["errors"] if error["code"] != ProblemCode.NOTHING_KNOWN]
    return found


def refused(code: str, message: str) -> dict[str, Any]:
    """A payload that gave nothing."""
    return {"readings": [], "errors": [{"code": str(code), "message": message}]}


def told(message: Message, decoder: Decoder) -> dict[str, Any]:
    """One message as plain data."""
    readings: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for point, value in zip(decoder.points, message.values, strict=True):
        if value is None:
            continue
        if not math.isfinite(value):
            errors.append({"code": "not_finite", "message": f"{value} is no measured value", "point": point.name})
            continue
        readings.append(
            {"point": point.name, "value": int(value) if value == int(value) else value, "unit": point.unit}
        )
    for name, code, detail in message.problems:
        errors.append({"code": str(code), "message": detail} | ({"point": name} if name else {}))
    if message.ts_problem is not None:
        errors.append({"code": "bad_time", "message": message.ts_problem})
    result: dict[str, Any] = {"readings": readings, "errors": errors}
    if message.texts:
        result["states"] = message.texts
    if message.events:
        result["events"] = list(message.events)
    if message.ts is not None:
        result["ts"] = format_instant(message.ts)
    if message.age_s is not None:
        result["age_s"] = message.age_s
    if message.earlier:
        result["earlier"] = [told(one, decoder) for one in message.earlier]
    return result


def lines(found: dict[str, Any], decoder: Decoder) -> Iterator[str]:
    """What people read of it; errors are left to the caller, who shows them elsewhere."""
    points = {point.name: point for point in decoder.points}
    if "ts" in found:
        yield f"measured at {found['ts']}"
    if "age_s" in found:
        yield f"measured {found['age_s']:g} s before it came"
    for reading in found["readings"]:
        point = points[reading["point"]]
        value = f"{reading['value']:.6g}"
        label = f"{point.label_zh} / {point.label_en}"
        yield f"{point.name:<20} {value:>12} {point.unit:<8} {label}{outside(point, reading['value'])}"
    for name, state in found.get("states", {}).items():
        yield f"{name:<20} {state:>12}"
    for event in found.get("events", []):
        yield f"event {event}"
    for record in found.get("earlier", []):
        yield f"earlier, {brief(record)}"
    if not (found["readings"] or found["errors"] or found.get("states") or found.get("earlier")):
        yield "the message holds no values"


def brief(record: dict[str, Any]) -> str:
    """A record of the past on one line."""
    parts = [f"{reading['point']} {reading['value']:.6g} {reading['unit']}" for reading in record["readings"]]
    parts += [f"{name} {state}" for name, state in record.get("states", {}).items()]
    parts += [error_line(error) for error in record["errors"]]
    when = record.get("ts") or (f"{record['age_s']:g} s before" if "age_s" in record else "time unknown")
    return f"{when}: {', '.join(parts) or 'no values'}"


def outside(point: Point, value: float) -> str:
    """What to say of a value that nobody should believe."""
    if point.valid is None or point.valid[0] <= value <= point.valid[1]:
        return ""
    return f"   outside of {point.valid[0]:g} … {point.valid[1]:g}"


_PLAINER = {
    "nothing_known": "no point of this profile is in the message; it has {}",
    "unmapped": "{} is not in its map",
}


def error_line(error: dict[str, Any]) -> str:
    """One error for people."""
    place = f" {error['point']}" if "point" in error else ""
    message = _PLAINER.get(error["code"], "{}").format(error["message"])
    return f"error{place}: {error['code']}: {message}"


def shown_payload(payload: bytes) -> str:
    """A payload as people can read it: text where it is text, else hexadecimal digits."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return payload.hex(" ")
    return text if text.isprintable() and text else payload.hex(" ")
