"""A device profile: what a model of sensor is, and the decoder made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from device_profiles.decoder import Decoder, Point, State
from device_profiles.document import (
    CborFrame,
    CodecFrame,
    JsonFrame,
    KeysFrame,
    Maintenance,
    ProfileDocument,
    RegistersFrame,
    SenmlFrame,
    StructFrame,
    TlvFrame,
)
from device_profiles.example import Example
from device_profiles.frames.arithmetic import Formula
from device_profiles.frames.cbor_frame import CborPlan
from device_profiles.frames.codec_frame import CodecPlan
from device_profiles.frames.json_frame import JsonPlan
from device_profiles.frames.keys_frame import KeysPlan
from device_profiles.frames.plan import Parts, Plan
from device_profiles.frames.registers_frame import registers_plan
from device_profiles.frames.senml_frame import SenmlPlan
from device_profiles.frames.struct_frame import StructPlan
from device_profiles.frames.tlv_frame import TlvPlan
from device_profiles.frames.values import IDLE, Derivation
from wire.alert import Hazard

Frame = JsonFrame | CborFrame | KeysFrame | SenmlFrame | CodecFrame | StructFrame | RegistersFrame | TlvFrame


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that belongs to the place where a device hangs, as its mounting height."""

    name: str
    unit: str
    label_zh: str
    label_en: str
    default: float | None


@dataclass(frozen=True)
class Profile:
    """One model of device. Made by `load.read_profile`, which checks everything that `decoder` relies on."""

    name: str  # vendor/model
    aliases: tuple[str, ...]
    vendor_zh: str
    vendor_en: str
    model_zh: str
    model_en: str
    hazard: Hazard
    cadence_s: float
    points: tuple[Point, ...]
    states: tuple[State, ...]
    parameters: tuple[Parameter, ...]
    rules: Mapping[str, Mapping[str, Any] | None]  # over the defaults of the hazard's family; None takes one away
    maintenance: Maintenance
    examples: tuple[Example, ...]
    documentation: str | None
    file: str
    document: ProfileDocument = field(repr=False)
    formulas: tuple[tuple[int, Formula], ...] = field(repr=False, default=())
    quality: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)  # by point, over the family's tests

    @property
    def frame(self) -> str:
        """The kind of frame: json, cbor, keys, struct, tlv, registers, senml or codec."""
        return self.document.frame.kind

    def point(self, name: str) -> Point:
        """A point by name; KeyError where there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(name)

    @cached_property
    def plan(self) -> Plan:
        """What is compiled once, at the first device, and shared by all of them."""
        return _plan(self.document.frame, Parts(self.points, self.document.points, self.document.states, self.formulas))

    def decoder(self, parameters: Mapping[str, float] = {}) -> Decoder:
        """The decoder of one device.

        Args:
            parameters: the device's own numbers (`mounting_height_m` …); others than the profile's are ignored, and
                what is missing without a default is told by `Decoder.missing`.
        """
        return self.plan.decoder(self._derivation(parameters) if self.formulas else IDLE)

    def _derivation(self, parameters: Mapping[str, float]) -> Derivation:
        given = {parameter.name: parameter.default for parameter in self.parameters if parameter.default is not None}
        names = {parameter.name for parameter in self.parameters}
        given.update({name: float(value) for name, value in parameters.items() if name in names})
        return Derivation(self.points, self.formulas, given)


def _plan(frame: Frame, parts: Parts) -> Plan:
    """Compiles a frame of a checked profile."""
    match frame:
        case JsonFrame():
            return JsonPlan(frame, parts)
        case CborFrame():
            return CborPlan(frame, parts)
        case KeysFrame():
            return KeysPlan(frame, parts)
        case SenmlFrame():
            return SenmlPlan(frame, parts)
        case CodecFrame():
            return CodecPlan(frame, parts)
        case StructFrame():
            return StructPlan(frame, parts)
        case RegistersFrame():
            return registers_plan(frame, parts)
        case TlvFrame():
            return TlvPlan(frame, parts)
