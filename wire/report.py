"""What the edge says of devices, of what it refused, and of itself."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from wire.action import ActionState
from wire.time import REAL


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How well a device is heard by radio, in whatever measure its convention gives."""

    rssi_dbm: float | None = None
    snr_db: float | None = None
    lqi: float | None = None  # link quality of Zigbee, 0 … 255
    margin_db: float | None = None  # of the last downlink, LoRaWAN


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """Device health: sent when it changes, and `last_seen` once a minute while the device speaks."""

    device: str
    site: str
    status: Literal["online", "offline", "silent", "unknown"]
    last_seen: datetime | None  # wall time of arrival
    timeline: str = REAL
    exercise: str | None = None
    values: dict[str, float | str | None] = {}  # newest value of each point, battery included
    link: Link | None = None  # of the newest message that said something of it
    battery_percent: float | None = None  # said by its network, else the point `battery`
    joined_at: datetime | None = None  # last join of its network, wall time


class FoundDevice(msgspec.Struct, frozen=True, kw_only=True):
    """An address that speaks on a configured source and is registered nowhere; told at most once a minute each."""

    edge: str
    source: str
    address: str  # normalised; `DeviceConfig.address` is `<source>:<address>`
    topic: str
    name: str | None = None  # what it says of itself
    vendor: str | None = None
    model: str | None = None
    first_seen: datetime
    last_seen: datetime
    messages: int = 1  # since the edge started
    suggested_profile: str | None = None


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


class AlarmCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Alarms of an edge that are not normal; what is muted is counted, never left out. Exercises do not count."""

    active: int = 0
    unacknowledged: int = 0
    latched: int = 0  # the condition is over, a person must reset
    shelved: int = 0
    suppressed: int = 0
    out_of_service: int = 0  # alarms; devices and rules taken out of service without one are in `services`
    unsteady: int = 0
    services: int = 0  # devices and rules that are out of service


class AlarmFlood(msgspec.Struct, frozen=True, kw_only=True):
    """More alarms than a person can take in (ISA-18.2): it runs, at one site or over the whole edge."""

    area: str  # site; empty: the whole edge
    began_at: datetime  # wall time
    alarms: int  # announced since it began, those that made it included
    exercise: str | None = None


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
    alarms: AlarmCounts | None = None
    floods: list[AlarmFlood] = []
    actions: list[ActionState] = []
