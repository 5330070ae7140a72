"""Small profiles for tests, as text: a valid one of each frame, to be broken in one place at a time."""

from device_profiles.loading.load import parse_profile
from device_profiles.profile import Profile

HEAD = """\
profile: acme/probe
vendor: {zh: 顶点, en: Acme}
model: {zh: 探头, en: Probe}
hazard: water_level
cadence_s: 60
"""

JSON = (
    HEAD
    + """\
frame: {kind: json, ts: ts, seq: seq, boot: boot}
points:
  level: {unit: m}
examples:
  - name: one
    json: {level: 0.2}
    values: {level: 0.2}
"""
)

STRUCT = (
    HEAD
    + """\
frame: {kind: struct, length: 4}
points:
  level: {at: 0, type: u16, scale: 0.001, unit: m}
  battery: {at: 2, type: u8, unit: "%"}
examples:
  - name: one
    hex: "00 C8 5A 00"
    values: {level: 0.2, battery: 90}
"""
)

TLV = (
    HEAD
    + """\
frame: {kind: tlv, tag_bytes: 1}
points:
  level: {tag: "01", type: u16, scale: 0.001, unit: m}
examples:
  - name: one
    hex: "01 00 C8"
    values: {level: 0.2}
"""
)


def profile(text: str) -> Profile:
    """Reads a profile from its text."""
    return parse_profile(text, "probe.yaml")


def with_frame(frame: str, points: str) -> Profile:
    """A profile of a frame and some points; its one example expects an error, so that nothing need fit."""
    return profile(f"{HEAD}frame: {frame}\npoints:\n{points}\nexamples:\n  - {{name: a, text: 'x', values: {{}}}}\n")
