"""What the edge says of devices, of what it refused, and of itself."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from wire.time import REAL


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """Device health: sent when it changes, and `last_seen` once a minute while the device speaks."""

    device: str
    site: str
    status: Literal["online", "offline", "silent", "unknown"]
    last_seen: datetime | None  # wall time of arrival
    timeline: str = REAL
    exercise: str | None = None
    values: dict[str, float | str | None] = {}  # newest value of each point, battery included


class Reason(StrEnum):
    """Why a message or a reading stands in the side table instead of in the flow."""

    MALFORMED = "malformed"  # not decodable
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_TOPIC = "unknown_topic"
    WRONG_SITE = "wrong_site"
    TOO_LARGE = "too_large"
    NOT_FINITE = "not_finite"  # NaN or infinity
    NOT_A_NUMBER = "not_a_number"  # text where a number belongs
    BAD_TIME = "bad_time"  # ts is not an instant
    CLOCK = "clock"  # from the future or before 2020: judged by arrival, flagged
    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"
    UNKNOWN_EXERCISE = "unknown_exercise"


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the side table: what came, from where, and why it was not taken (or not taken as it said)."""

    received_at: datetime
    topic: str
    reason: Reason
    detail: str
    device: str | None = None
    point: str | None = None
    payload_b64: str = ""  # the first KiB
    count: int = 1  # the same reason repeated within the reporting interval


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """Heartbeat of an edge, every few seconds."""

    edge: str
    version: str
    started_at: datetime
    reported_at: datetime
    revision: int  # of the configuration that it runs
    refused_revision: int | None = None
    refused_why: str | None = None
    broker_connected: bool = False
    clock_trusted: bool = False
    journal_depth: int = 0
    oldest_unsent_s: float = 0.0
    devices: int = 0
    readings: int = 0  # since start
    rejected: int = 0
    alerts: int = 0
    notes: list[str] = []
