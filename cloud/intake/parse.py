"""A batch of CloudEvents, each item read alone: one bad item never stops the others. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from cloud.registry.service import fault_of_found
from wire.action import ActionReport
from wire.alert import Alert, alarm_id
from wire.configuration import DecisionReport
from wire.event import CloudEvent, Type
from wire.reading import TelemetryBlock
from wire.report import DeviceReport, EdgeReport, FoundDevice, Rejection

MOST_ITEMS = 5_000
"""Items in one batch; beyond it the batch is refused whole."""
ID_LIMIT = 128
MOST_REVISIONS = 1_000_000

Body = Alert | TelemetryBlock | DeviceReport | FoundDevice | Rejection | EdgeReport | DecisionReport | ActionReport
_BODIES: dict[str, type[Any]] = {
    Type.ALARM_CHANGED: Alert,
    Type.TELEMETRY_RECORDED: TelemetryBlock,
    Type.DEVICE_REPORTED: DeviceReport,
    Type.DEVICE_FOUND: FoundDevice,
    Type.READING_REJECTED: Rejection,
    Type.EDGE_REPORTED: EdgeReport,
    Type.DECISION_REPORTED: DecisionReport,
    Type.ACTION_REPORTED: ActionReport,
}


class BatchError(ValueError):
    """The body as a whole is no batch."""


@dataclass(frozen=True, slots=True)
class Item:
    """One envelope with its body, or why it was refused."""

    id: str
    type: str
    body: Body | None
    refusal: str | None = None
    replayed: bool = False
    size: int = 0


class _Identified(msgspec.Struct):
    id: str = ""
    type: str = ""


def parse_batch(body: bytes, edge_id: str) -> list[Item]:
    """Every item of a batch, good or refused, in order.

    Raises:
        BatchError: when the body is not a JSON list, or holds too many items.
    """
    try:
        raws = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BatchError(f"the body is not a JSON list of CloudEvents: {error}") from None
    if len(raws) > MOST_ITEMS:
        raise BatchError(f"{len(raws)} items; a batch holds at most {MOST_ITEMS}")
    return [_parse(bytes(raw), index, edge_id) for index, raw in enumerate(raws)]


def _parse(raw: bytes, index: int, edge_id: str) -> Item:
    size = len(raw)
    try:
        event = msgspec.json.decode(raw, type=CloudEvent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        known = _identity(raw)
        return Item(known.id[:ID_LIMIT] or f"#{index}", known.type, None, f"envelope: {error}", size=size)

    def refused(why: str) -> Item:
        return Item(event.id[:ID_LIMIT] or f"#{index}", event.type, None, why, event.replayed, size)

    if not event.id or len(event.id) > ID_LIMIT:
        return refused(f"id: needs 1 to {ID_LIMIT} characters")
    if event.source != f"/edges/{edge_id}":
        return refused(f"source: '{event.source:.80}' is not this edge, '/edges/{edge_id}'")
    if b"\\u0000" in raw:
        return refused("data: holds U+0000, which no text has")
    wanted = _BODIES.get(event.type)
    if wanted is None:
        return refused(f"type: '{event.type:.80}' is unknown")
    try:
        body: Body = msgspec.json.decode(bytes(event.data), type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refused(f"data: {error}")
    fault = _fault(body, edge_id)
    return refused(fault) if fault else Item(event.id, event.type, body, replayed=event.replayed, size=size)


def _identity(raw: bytes) -> _Identified:
    try:
        return msgspec.json.decode(raw, type=_Identified)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Identified()


def _fault(body: Body, edge_id: str) -> str | None:
    """What a well-formed body says that cannot be."""
    naive = [
        name
        for name in getattr(body, "__struct_fields__", ())
        if isinstance(value := getattr(body, name), datetime) and value.tzinfo is None
    ]
    if naive:
        return f"data: {naive[0]} has no offset: write Z or +08:00"
    if isinstance(body, EdgeReport) and body.edge != edge_id:
        return f"data: edge '{body.edge:.80}' is not this edge"
    if isinstance(body, FoundDevice):
        return fault_of_found(edge_id, body)
    if isinstance(body, Alert):
        return _alert_fault(body, edge_id)
    return None


def _alert_fault(alert: Alert, edge_id: str) -> str | None:
    if alert.edge != edge_id:
        return f"data: edge '{alert.edge:.80}' is not this edge"
    if not 1 <= alert.revision <= MOST_REVISIONS:
        return f"data: revision {alert.revision} is outside 1..{MOST_REVISIONS}"
    if not -(2**62) < alert.episode < 2**62:
        return f"data: episode {alert.episode} is no instant"
    if alert.alarm_id != alarm_id(alert.device, alert.rule, alert.exercise):
        return f"data: alarm_id '{alert.alarm_id:.120}' does not name its device, rule and exercise"
    if alert.facts.active and alert.facts.level is None:
        return "data: an active alarm has a level"
    if len(alert.rule) > 64 or len(alert.device) > 64 or len(alert.timeline) > 64 or len(alert.exercise or "") > 64:
        return "data: device, rule, timeline and exercise have at most 64 characters"
    return None
