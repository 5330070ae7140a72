"""What goes down to an edge: one revisioned document by list, changes by watch."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from wire.action import ActionConfig
from wire.alert import Hazard
from wire.time import REAL, Timeline

if TYPE_CHECKING:
    _RawOrNone = msgspec.Raw | None
else:
    # msgspec reads a union with Raw as null alone; EdgeChange turns the bytes `null` into None itself
    _RawOrNone = msgspec.Raw


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its edge must know it."""

    id: str
    site: str
    profile: str  # vendor/model
    name: str = ""
    building: str | None = None
    zone: str | None = None
    hazard: Hazard | None = None  # None: the profile's
    timeline: str = REAL
    enabled: bool = True
    parameters: dict[str, float] = {}  # mounting_height_m, baseline_frequency_hz …
    rules: dict[str, dict[str, Any] | None] = {}  # over the profile's; None takes a rule away
    quality: dict[str, dict[str, Any] | None] = {}  # by point, over the profile's; None takes its tests away
    credential: str | None = None  # bcrypt hash of the device's MQTT password
    address: str | None = None  # `<source>:<address>` on another convention, chirpstack:a84041ffff123456; None: native
    maintenance_until: datetime | None = None  # rules suppressed by `maintenance` are, until then; wall time


class RuleLayer(msgspec.Struct, frozen=True, kw_only=True):
    """What a place says of the rules and tests of all devices in it: over the profile's, under the device's own.

    Layers lie over each other site, building, zone. What does not fit a device (the rule of another family, a point
    that it does not have) is passed over there.
    """

    scope: Literal["site", "building", "zone"]
    id: str  # of the site, building or zone
    site: str
    rules: dict[str, dict[str, Any] | None] = {}  # None takes a rule away
    quality: dict[str, dict[str, Any] | None] = {}  # by point; None takes its tests away
    revision: int = 0  # of this layer, rising by one with each change


class DrillConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A drill that the cloud issued; its exercise id is known for good, its clock only while it runs."""

    id: str
    state: Literal["running", "paused", "ended"]
    timeline: Timeline


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decided on an alarm; carried out once, never after its expiry.

    `out_of_service` and `into_service` name `<device>:<rule>`, or `<device>:*` for the whole device (in an exercise
    with its id before, as in alerts); their `episode` means nothing. So do `switch_on`, `switch_off` and `hand_back`,
    which name `action:<id>`: a person moves an action and holds it so until `until` (none: until handed back, or for
    `switch_on` its time limit), or leaves it to its alarms again.
    """

    id: str
    verb: Literal[
        "acknowledge", "reset", "shelve", "unshelve", "out_of_service", "into_service",
        "switch_on", "switch_off", "hand_back",
    ]  # fmt: skip
    alarm_id: str
    episode: int
    author: str
    issued_at: datetime
    expires_at: datetime
    until: datetime | None = None  # end of a shelving or of the time out of service; both need one
    note: str = ""  # why; needed for the same two


class DecisionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a decision at the edge."""

    decision: str
    result: Literal["done", "expired", "refused"]
    reason: str = ""  # one sentence
    reported_at: datetime
    code: str = ""  # the same for programs
    params: dict[str, float | str | None] = {}


class EdgeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The list: everything an edge needs, as of one revision."""

    edge: str
    revision: int
    devices: list[DeviceConfig] = []
    timelines: list[Timeline] = []
    drills: list[DrillConfig] = []
    decisions: list[Decision] = []  # pending ones
    layers: list[RuleLayer] = []  # of the sites that its devices are at
    actions: list[ActionConfig] = []  # what it may move by itself


class EdgeChange(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the watch. `value` is None for a deletion; its type follows `kind`.

    The key of a layer is `<scope>:<id>`, as `zone:wh-7-s1-3f`.
    """

    revision: int
    kind: Literal["device", "timeline", "drill", "decision", "layer", "action"]
    key: str
    value: _RawOrNone = None

    def __post_init__(self) -> None:
        """Make an explicit null a deletion too."""
        if self.value is not None and bytes(self.value) == b"null":
            msgspec.structs.force_setattr(self, "value", None)
