"""What people hand in about households and knock lists."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from cloud.households.order import Flag, Outcome

_NO_NUL = r"^[^\x00]*$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=_NO_NUL)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_NO_NUL)]


class CardBody(BaseModel):
    """The card of a door: what helps there, and no more."""

    model_config = ConfigDict(extra="forbid")
    site_id: Id
    building_id: Id
    section: Annotated[str, Field(max_length=64, description="The stairwell, as its zones name it")] = ""
    floor: Annotated[int, Field(ge=-9, le=200, description="Below 1: basement")]
    door: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20, pattern=_NO_NUL)]
    persons: Annotated[int, Field(ge=0, le=30)] | None = None
    flags: list[Flag] = Field(default_factory=list, description="Need `consent`")
    key_with: Annotated[str, Field(max_length=60, pattern=_NO_NUL, description="The door that has a key, as 601")] = ""
    note: Annotated[str, Field(max_length=120, pattern=_NO_NUL)] = ""
    consent: bool = Field(False, description="The household agreed that its flags are kept")


class ReasonBody(BaseModel):
    """Nothing but the reason."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class ListBody(BaseModel):
    """Whose doors; nothing: what follows from place and hazard."""

    model_config = ConfigDict(extra="forbid")
    buildings: list[Id] = Field(default_factory=list, max_length=50, description="None: the incident's own")
    whole_building: bool = Field(False, description="Every stairwell or façade, not only the one that it is in")


class PartBody(BaseModel):
    """Who gets which doors; whoever is not on the incident yet is sent for it."""

    model_config = ConfigDict(extra="forbid")
    responder_id: Id
    door_ids: list[Id] = Field(min_length=1, max_length=2000)


class SplitBody(BaseModel):
    """Among whom; whoever is not on the incident yet is sent for it."""

    model_config = ConfigDict(extra="forbid")
    responder_ids: list[Id] = Field(min_length=1, max_length=50)


class TapBody(BaseModel):
    """One tap. The phone makes the key; sending it again changes nothing."""

    model_config = ConfigDict(extra="forbid")
    key: Annotated[str, StringConstraints(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    door_id: Id
    outcome: Outcome
    at: AwareDatetime | None = Field(None, description="The phone's own time; the latest of a door stands")
    note: Annotated[str, Field(max_length=200, pattern=_NO_NUL)] = ""


class TapsBody(BaseModel):
    """What a phone has gathered, in any order."""

    model_config = ConfigDict(extra="forbid")
    taps: list[TapBody] = Field(min_length=1, max_length=500)


class ExcuseBody(ReasonBody):
    """Doors that are left as they are, and why."""

    door_ids: list[Id] = Field(min_length=1, max_length=2000)
