"""A plan: what is compiled once per profile and shared by the decoders of all its devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from device_profiles.decoder import Decoder, Point
from device_profiles.document import PointDocument, StateDocument
from device_profiles.frames.arithmetic import Formula
from device_profiles.frames.values import Derivation


class Plan(Protocol):
    """A compiled profile."""

    def decoder(self, derivation: Derivation) -> Decoder:
        """The decoder of one device; cheap. Its `plan` is this object."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What every frame is compiled from, beside its own keys."""

    points: Sequence[Point]
    documents: Mapping[str, PointDocument]  # of the points
    states: Mapping[str, StateDocument]
    formulas: Sequence[tuple[int, Formula]] = ()  # of the derived points, by index
