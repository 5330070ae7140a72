"""Scenarios as data: what happens when, what the controller simulates, what is to be shown."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).parent / "scenarios"
_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Kind = Literal["sensor", "fault", "phone", "message", "note"]
SIMULATED = ("sensor", "fault")
"""Kinds that the drill controller carries out; the others a trainer does, and says so."""


class ScenarioError(ValueError):
    """A scenario file that cannot be used; says where and why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Label(_Part):
    """A text in both languages."""

    zh: Annotated[str, Field(min_length=1, max_length=500)]
    en: Annotated[str, Field(min_length=1, max_length=500)]


class Inject(_Part):
    """One scripted event (情景信息) at a second of exercise time."""

    id: _Id
    at_s: Annotated[float, Field(ge=0, le=86_400)]
    kind: Kind
    label: Label
    zone: str | None = Field(default=None, description="Where; sensor injects need it")
    device: str | None = Field(default=None, description="Which device; fault injects need it")
    params: dict[str, Any] = {}

    @model_validator(mode="after")
    def _located(self) -> "Inject":
        if self.kind == "sensor" and not (self.zone and self.params.get("phenomenon")):
            raise ValueError(f"inject {self.id}: a sensor inject needs `zone` and `params.phenomenon`")
        if self.kind == "fault" and not self.device:
            raise ValueError(f"inject {self.id}: a fault inject needs `device`")
        return self


class Objective(_Part):
    """Something that the system's own timestamps prove or disprove (`scoring.py`)."""

    id: _Id
    kind: Literal["one_incident", "acknowledged_within", "arrived_within"]
    label: Label
    limit_s: Annotated[float | None, Field(gt=0, le=86_400)] = None

    @model_validator(mode="after")
    def _limited(self) -> "Objective":
        if (self.limit_s is None) != (self.kind == "one_incident"):
            raise ValueError(
                f"objective {self.id}: `limit_s` belongs to the kinds with a time limit, and to those only"
            )
        return self


class Draught(_Part):
    """Air that moves from one room to another."""

    source: str = Field(alias="from")
    to: str
    m3_s: Annotated[float, Field(gt=0, le=100)]


class World(_Part):
    """What the controller simulates: rooms named by zone."""

    rooms: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    draughts: tuple[Draught, ...] = ()


class Scenario(_Part):
    """A script (演练脚本)."""

    id: _Id
    version: Annotated[int, Field(ge=1)]
    name: Label
    description: Label
    duration_s: Annotated[float, Field(gt=0, le=86_400)]
    hazard: Literal["smoke", "water_level", "curtain_wall"]
    site: str
    section: str | None = None
    world: World
    injects: Annotated[tuple[Inject, ...], Field(min_length=1, max_length=500)]
    objectives: tuple[Objective, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Scenario":
        for kind, ids in (("inject", [i.id for i in self.injects]), ("objective", [o.id for o in self.objectives])):
            doubles = {one for one in ids if ids.count(one) > 1}
            if doubles:
                raise ValueError(f"{kind} ids stand twice: {', '.join(sorted(doubles))}")
        for inject in self.injects:
            if inject.at_s > self.duration_s:
                raise ValueError(f"inject {inject.id}: at_s lies after the end ({self.duration_s:g} s)")
            if inject.kind == "sensor" and inject.zone not in self.world.rooms:
                raise ValueError(f"inject {inject.id}: zone {inject.zone} is not among world.rooms")
        for draught in self.world.draughts:
            if not {draught.source, draught.to} <= set(self.world.rooms):
                raise ValueError(f"draught {draught.source} → {draught.to}: both must be among world.rooms")
        return self


def read(path: Path) -> Scenario:
    """A scenario file.

    Raises:
        ScenarioError: naming file and key.
    """
    try:
        return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path.name}: not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{path.name}: {where or 'scenario'}: {first['msg']}") from None


@lru_cache(maxsize=4)
def library(folder: Path = FOLDER) -> dict[str, Scenario]:
    """Every scenario of a folder, by id.

    Raises:
        ScenarioError: for a broken file, or an id that stands twice.
    """
    found: dict[str, Scenario] = {}
    for path in sorted(folder.glob("*.yaml")):
        one = read(path)
        if one.id in found:
            raise ScenarioError(f"{path.name}: there is a scenario '{one.id}' already")
        found[one.id] = one
    return found
