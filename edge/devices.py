"""Device health as the edge sees it: online, offline, silent; newest values. Reported on change, and once a minute."""

import math
from collections.abc import Iterable

import msgspec

from device_profiles.sources.source import Envelope
from edge.lane import Lane, Outgoing
from edge.sources import Row, Sources, Status
from wire.event import Type
from wire.report import DeviceReport, Link
from wire.time import to_datetime

EVERY_MS = 60_000
_WORDS: dict[str, Status] = {
    "online": "online",
    "offline": "offline",
    "on": "online",
    "off": "offline",
    "1": "online",
    "0": "offline",
}


class _Status(msgspec.Struct):
    status: str | None = None
    online: bool | None = None


def status_of(payload: bytes) -> Status | None:
    """`online` or `offline` from a status message: the bare word, or JSON with `status` or `online`; None: neither."""
    text = payload[:64].decode("utf-8", errors="replace").strip().strip('"').lower()
    if text in _WORDS:
        return _WORDS[text]
    try:
        said = msgspec.json.decode(payload, type=_Status)
    except (msgspec.MsgspecError, ValueError):
        return None
    if said.online is not None:
        return "online" if said.online else "offline"
    return _WORDS.get((said.status or "").lower())


def set_status(row: Row, status: Status) -> None:
    """Note what is known of a device now; a change is reported with the next batch."""
    if row.status != status:
        row.status = status
        row.changed = True


def note_health(row: Row, envelope: Envelope, at_ms: int, *, live: bool) -> None:
    """Take what an envelope says of a device's health; `live`: not kept by the broker from earlier times."""
    if envelope.status is not None:
        set_status(row, envelope.status)
    if envelope.battery_percent is not None and envelope.battery_percent != row.battery_percent:
        row.battery_percent = envelope.battery_percent
        row.changed = True
    if not live:
        return
    if envelope.link is not None:
        row.link = _merged(row.link, envelope.link)
    if envelope.kind == "join":
        row.joined_ms = at_ms
        row.changed = True


def _merged(old: Link | None, new: Link) -> Link:
    """What is newly said over what was said before: one message tells the strength, another the margin."""
    if old is None:
        return new
    said = {name: value for name in new.__struct_fields__ if (value := getattr(new, name)) is not None}
    return msgspec.structs.replace(old, **said)


def reports(rows: Iterable[Row], sources: Sources, now_ms: int, *, edge_run: str) -> list[Outgoing]:
    """Reports that are due: changed ones, and those of devices heard since a report that is a minute old."""
    due = []
    for row in rows:
        heard = row.last_seen_ms is not None and row.last_seen_ms > row.reported_ms
        if not (row.changed or (heard and now_ms - row.reported_ms >= EVERY_MS)):
            continue
        row.changed = False
        row.reported_ms = now_ms
        due.append(_report(row, sources, now_ms, edge_run))
    return due


def newest_values(row: Row, sources: Sources) -> dict[str, float | str | None]:
    """The newest value of each point, and what it said in words."""
    values: dict[str, float | str | None] = {}
    for point, number in zip(row.device.decoder.points, row.series.tolist(), strict=True):
        value = float(sources.newest[number])
        if not math.isnan(value):
            values[point.name] = value
    values.update(row.texts)
    return values


def _report(row: Row, sources: Sources, now_ms: int, edge_run: str) -> Outgoing:
    config = row.device.config
    values = newest_values(row, sources)
    battery = row.battery_percent
    if battery is None and isinstance(measured := values.get("battery"), float) and 0 <= measured <= 100:
        battery = measured
    report = DeviceReport(
        device=config.id,
        site=config.site,
        status=row.status,
        last_seen=None if row.last_seen_ms is None else to_datetime(row.last_seen_ms),
        timeline=row.timeline,
        exercise=row.exercise,
        values=values,
        link=row.link,
        battery_percent=battery,
        joined_at=None if row.joined_ms is None else to_datetime(row.joined_ms),
    )
    name = f"{row.exercise or ''}:{config.id}"
    return Outgoing(
        id=f"{edge_run}/device/{name}/{now_ms}",
        lane=Lane.STATE,
        type=Type.DEVICE_REPORTED,
        data=msgspec.json.encode(report),
        born_ms=now_ms,
        exercise=row.exercise,
        replaces=f"device/{name}",
    )
