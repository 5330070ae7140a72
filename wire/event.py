"""CloudEvents 1.0 envelopes between edge and cloud, in JSON batches."""

from enum import StrEnum
from typing import Literal

import msgspec

CONTENT_TYPE = "application/cloudevents-batch+json"


class Type(StrEnum):
    """`org.shouwang.<thing>.<verb>.v1`; the struct that `data` holds stands behind each."""

    ALARM_CHANGED = "org.shouwang.alarm.changed.v1"  # wire.alert.Alert
    TELEMETRY_RECORDED = "org.shouwang.telemetry.recorded.v1"  # wire.reading.TelemetryBlock
    DEVICE_REPORTED = "org.shouwang.device.reported.v1"  # wire.report.DeviceReport
    DEVICE_FOUND = "org.shouwang.device.found.v1"  # wire.report.FoundDevice
    READING_REJECTED = "org.shouwang.reading.rejected.v1"  # wire.report.Rejection
    EDGE_REPORTED = "org.shouwang.edge.reported.v1"  # wire.report.EdgeReport
    DECISION_REPORTED = "org.shouwang.decision.reported.v1"  # wire.configuration.DecisionReport
    ACTION_REPORTED = "org.shouwang.action.reported.v1"  # wire.action.ActionReport


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One envelope. `id` is made before the first write, so that a repeat is recognised; `source` is `/edges/<id>`."""

    id: str
    source: str
    type: str
    time: str
    data: msgspec.Raw
    # by factory, so that `omit_defaults` keeps them: CloudEvents requires specversion in every event
    specversion: Literal["1.0"] = msgspec.field(default_factory=lambda: "1.0")
    datacontenttype: str = msgspec.field(default_factory=lambda: "application/json")
    exercise: str | None = None  # extension attributes are lower case
    replayed: bool = False


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item: the edge lets go of `committed` and `duplicate`, and sets `rejected` aside."""

    id: str
    status: Literal["committed", "duplicate", "rejected"]
    reason: str | None = None


class Verdicts(msgspec.Struct, frozen=True):
    """The answer to a batch, sent after the commit, one verdict an item."""

    verdicts: list[Verdict]
