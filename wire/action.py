"""What an edge may do by itself: sound a siren, lower a barrier, light a sign, run a pump; and what it says of it."""

from datetime import datetime
from typing import Literal

import msgspec

from wire.alert import Hazard
from wire.level import Level

Move = Literal["on", "off"]
"""`on` is what the alarm asks for: the siren sounds, the barrier is down, the sign is lit, the pump runs."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One MQTT message to a device. Sending it twice must do no more than sending it once: never a toggle."""

    topic: str
    payload: str = ""
    encoding: Literal["text", "hex"] = "text"


class Confirmation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the device itself says that it has moved; without one, the broker's receipt is all that is known."""

    topic: str
    path: str = ""  # keys by dots into a JSON payload; empty: the payload as it stands
    on: tuple[str, ...] = ("on", "true", "1")  # texts that mean it; upper and lower case are the same
    off: tuple[str, ...] = ("off", "false", "0")
    within_s: float = 10.0
    retries: int = 2  # further tries before it counts as failed
    ask: Command | None = None  # makes the device say its state


class Drive(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Commands and confirmation by the convention that the device speaks, instead of writing them out.

    `address`: native `<site>/<device>`, zigbee2mqtt the friendly name, tasmota the topic, shelly the prefix,
    chirpstack `<application>/<devEUI>`.
    """

    use: Literal["native", "zigbee2mqtt", "tasmota", "shelly", "chirpstack"]
    address: str
    part: str = ""  # native: the point; zigbee2mqtt: the property (state_l1, alarm); tasmota, shelly: the relay
    on: str = ""  # the value that means on, where it is not the usual one; chirpstack: bytes in hex
    off: str = ""
    port: int = 1  # chirpstack: fPort


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Alarms that an action answers: everything that is named must fit; what is left out fits all."""

    level: Level = Level.II  # this one or worse
    hazards: tuple[Hazard, ...] = (Hazard.SMOKE, Hazard.WATER_LEVEL, Hazard.CURTAIN_WALL)
    rules: list[str] = []
    devices: list[str] = []
    site: str | None = None  # the places: of the device that alarms; None: the action's own site, or anywhere in it
    building: str | None = None
    zone: str | None = None


class Interlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What bars a move: a reading beyond a bound, or another action that is on or off.

    A reading that is unknown, failed its tests, or is older than `max_age_s` bars too, unless `unknown` says pass.
    """

    bars: Move
    device: str | None = None
    point: str = ""
    at_least: float | None = None  # bars while the value is there or above
    at_most: float | None = None  # bars while the value is there or below
    max_age_s: float = 900.0
    unknown: Literal["bar", "pass"] = "bar"
    action: str | None = None
    action_is: Move = "on"  # bars while the other action is so
    ends: bool = False  # of `bars: on`: also ends what is on already
    why: str = ""  # for people


class ActionConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that an edge may move by itself, when, and within which bounds."""

    id: str
    site: str
    kind: Literal["siren", "barrier", "sign", "pump"]
    name: str = ""
    building: str | None = None
    zone: str | None = None
    enabled: bool = True
    drive: Drive | None = None  # or the next three
    on: Command | None = None
    off: Command | None = None
    confirm: Confirmation | None = None
    causes: list[Cause] = []  # none: by people's decisions alone
    release: Literal["cleared", "acknowledged", "manual"] = "cleared"
    """Goes off when its alarms are over, or (siren) acknowledged too; or only by a person's word."""
    interlocks: list[Interlock] = []
    max_on_s: float | None = None  # time limit; a siren and a pump need one
    min_on_s: float = 0.0
    min_off_s: float = 0.0
    exercises: bool = False  # whether alarms of a drill may move the real thing


class ActionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an action, for the timeline."""

    action: str
    site: str
    kind: str
    name: str = ""
    building: str | None = None
    zone: str | None = None
    verb: Literal["commanded", "confirmed", "failed", "barred", "contradicted"]
    move: Move
    reason: Literal["alarm", "cleared", "acknowledged", "limit", "interlock", "decision", "withdrawn", "restart"]
    detail: str = ""  # one sentence
    causes: list[str] = []  # `<alarm_id>@<episode>`
    decision: str | None = None
    at: datetime
    exercise: str | None = None


class ActionState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an action stands, in the heartbeat."""

    action: str
    kind: str = ""
    name: str = ""
    on: bool
    state: Literal["off", "on", "pending", "failed", "barred"]
    since: datetime | None = None
    ends_at: datetime | None = None  # by its time limit
    detail: str = ""
