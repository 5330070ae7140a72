"""MQTT topics of the native convention, real and exercise."""

import re

import msgspec

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Sites, devices and drills: no '.', '/', '+', '#', '$', so that a name is one level of a topic in every broker."""

CHANNELS = frozenset({"telemetry", "event", "status", "command"})
REAL_FILTER = "sensors/#"
EXERCISE_FILTER = "exercise/#"


class DeviceTopic(msgspec.Struct, frozen=True):
    """The parts of a native device topic; `exercise` is the drill's id, None = real."""

    site: str
    device: str
    channel: str
    exercise: str | None = None

    def __str__(self) -> str:
        """The topic as published."""
        real = f"sensors/{self.site}/{self.device}/{self.channel}"
        return f"exercise/{self.exercise}/{real}" if self.exercise else real


def is_identifier(text: str) -> bool:
    """Whether a site, device or drill may be called so."""
    return IDENTIFIER.fullmatch(text) is not None


def parse_topic(topic: str) -> DeviceTopic | None:
    """The parts of a native topic, or None for anything else."""
    parts = topic.split("/")
    exercise = None
    if len(parts) == 6 and parts[0] == "exercise":
        exercise = parts[1]
        parts = parts[2:]
    if len(parts) != 4 or parts[0] != "sensors" or parts[3] not in CHANNELS:
        return None
    if not (is_identifier(parts[1]) and is_identifier(parts[2]) and (exercise is None or is_identifier(exercise))):
        return None
    return DeviceTopic(site=parts[1], device=parts[2], channel=parts[3], exercise=exercise)
