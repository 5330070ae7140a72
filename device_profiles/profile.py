"""A device profile: what a model of sensor is, and the decoder made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from device_profiles.arithmetic import Formula
from device_profiles.binary_frame import StructDecoder, TlvDecoder
from device_profiles.decoder import Decoder, Point, State
from device_profiles.document import JsonFrame, Maintenance, PointDocument, ProfileDocument, StateDocument, StructFrame
from device_profiles.example import Example
from device_profiles.json_frame import JsonDecoder
from device_profiles.values import Derivation
from wire.alert import Hazard


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that belongs to the place where a device hangs, as its mounting height."""

    name: str
    unit: str
    label_zh: str
    label_en: str
    default: float | None


@dataclass(frozen=True, slots=True)
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

    @property
    def frame(self) -> str:
        """The kind of frame: json, struct or tlv."""
        return self.document.frame.kind

    def point(self, name: str) -> Point:
        """A point by name; KeyError where there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(name)

    def decoder(self, parameters: Mapping[str, float] = {}) -> Decoder:
        """Compiles the decoder of one device.

        Args:
            parameters: the device's own numbers (`mounting_height_m` …); others than the profile's are ignored, and
                what is missing without a default is told by `Decoder.missing`.
        """
        given = {parameter.name: parameter.default for parameter in self.parameters if parameter.default is not None}
        names = {parameter.name for parameter in self.parameters}
        given.update({name: float(value) for name, value in parameters.items() if name in names})
        derivation = Derivation(self.points, self.formulas, given)
        frame = self.document.frame
        points: Mapping[str, PointDocument] = self.document.points
        states: Mapping[str, StateDocument] = self.document.states
        if isinstance(frame, JsonFrame):
            return JsonDecoder(frame, self.points, points, states, derivation)
        if isinstance(frame, StructFrame):
            return StructDecoder(frame, self.points, points, states, derivation)
        return TlvDecoder(frame, self.points, points, states, derivation)
