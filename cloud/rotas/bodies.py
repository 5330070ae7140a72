"""What people hand in about rotas."""

from datetime import date, time
from typing import Annotated, Literal

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from cloud.rotas.pattern import Days, Hours, Member, Pattern, Turn, rotating

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00]*$")]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40, pattern=r"^[^\x00]*$")]
Post = Literal["duty_officer", "duty_leader", "standby", "responder"]


class Body(BaseModel):
    """Anything handed in."""

    model_config = ConfigDict(extra="forbid")


class MemberIn(Body):
    """A 角, and who stands in."""

    id: Id = Field(description="A person; for the post `responder`, a responder")
    deputy: Id | None = Field(None, description="B 角: stands in when the first is away")


class TurnIn(Body):
    """One turn of the cycle."""

    name: Short = ""
    begins: time = Field(description="Wall time, HH:MM")
    ends: time = Field(description="At or before `begins`: on the next day")
    members: Annotated[list[MemberIn], Field(min_length=1, max_length=20)]
    on: Annotated[list[int], Field(max_length=366)] | None = Field(
        None, description="Days of the cycle, from 0; left out: every day"
    )
    days: Days = Field(Days.ANY, description="workday and day_off go by the calendar of public holidays")

    def turn(self) -> Turn:
        """As rotas take it."""
        members = tuple(Member(one.id, one.deputy) for one in self.members)
        begins, ends = self.begins.replace(microsecond=0), self.ends.replace(microsecond=0)
        return Turn(self.name, begins, ends, members, None if self.on is None else tuple(self.on), self.days)


class PatternIn(Body):
    """A rota as it repeats."""

    zone: Annotated[str, Field(max_length=64)] | None = Field(None, description="IANA name; left out: as in settings")
    anchor: date = Field(description="A date that is day 0 of the cycle")
    cycle_days: Annotated[int, Field(ge=1, le=366)] = Field(7, description="1 = every day, 7 = a week")
    turns: Annotated[list[TurnIn], Field(max_length=200)]

    def pattern(self, zone: str) -> Pattern:
        """As rotas take it."""
        return Pattern(self.zone or zone, self.anchor, self.cycle_days, tuple(one.turn() for one in self.turns))


class HoursIn(Body):
    """The hours of one kind of turn."""

    name: Short = ""
    begins: time
    ends: time


class RotationIn(Body):
    """Crews that go through the same sequence: 白、夜、休、休 is `[day, night, null, null]`."""

    zone: Annotated[str, Field(max_length=64)] | None = None
    anchor: date
    crews: Annotated[
        list[Annotated[list[MemberIn], Field(min_length=1, max_length=20)]], Field(min_length=1, max_length=30)
    ]
    sequence: Annotated[list[HoursIn | None], Field(min_length=1, max_length=60)]
    step: Annotated[int, Field(ge=1, le=60)] = Field(1, description="Days by which each crew follows the one before")

    def pattern(self, zone: str) -> Pattern:
        """As rotas take it."""
        crews = [[Member(one.id, one.deputy) for one in crew] for crew in self.crews]
        sequence = [None if one is None else Hours(one.name, one.begins, one.ends) for one in self.sequence]
        return rotating(self.zone or zone, self.anchor, crews, sequence, step=self.step)


class RotaIn(Body):
    """A new rota; its pattern, or a rotation that makes one."""

    area_path: Annotated[str, Field(max_length=300)]
    post: Post
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    pattern: PatternIn | None = None
    rotation: RotationIn | None = None
    since: AwareDatetime | None = Field(None, description="In force from then on; left out: from now on", alias="from")
    reason: Reason


class RevisionIn(Body):
    """Another pattern (or rotation); with neither, the rota is over."""

    pattern: PatternIn | None = None
    rotation: RotationIn | None = None
    since: AwareDatetime | None = Field(None, description="In force from then on; left out: from now on", alias="from")
    expected: int | None = Field(None, description="The revision that one saw; another one answers 409")
    reason: Reason


class DayIn(Body):
    """One date by itself; no turns: nobody works."""

    turns: Annotated[list[TurnIn], Field(max_length=50)]
    reason: Reason


class LeaveIn(Body):
    """请假."""

    person_id: Id | None = Field(None, description="Left out: oneself")
    since: AwareDatetime = Field(alias="from")
    until: AwareDatetime = Field(alias="to")
    reason: Reason


class SwapIn(Body):
    """换班."""

    mine: AwareDatetime = Field(description="An instant within my turn")
    other: Id = Field(description="Who takes it: a person; for the post `responder`, a responder", alias="with")
    theirs: AwareDatetime | None = Field(None, description="An instant within their turn that I take; left out: none")
    reason: Words = ""


class StandInIn(Body):
    """顶班."""

    who: Id
    by: Id
    since: AwareDatetime | None = Field(None, alias="from", description="Left out: from now on")
    until: AwareDatetime = Field(alias="to")
    reason: Reason


class ExtraIn(Body):
    """加班."""

    who: Id
    since: AwareDatetime = Field(alias="from")
    until: AwareDatetime = Field(alias="to")
    reason: Reason


class AnswerIn(Body):
    """In a few words."""

    note: Words = ""


class CalendarDayIn(Body):
    """A date off the week."""

    day: date
    works: bool | None = Field(description="false: public holiday; true: worked in its place; null: ordinary again")
    name: Words = ""


class CalendarIn(Body):
    """Several dates."""

    days: Annotated[list[CalendarDayIn], Field(min_length=1, max_length=400)]


class NeedIn(Body):
    """What must be covered."""

    post: Post
    role: Short | None = Field(None, description="Of responders only: micro_fire_station, security_guard, …")
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    each_grid: bool = Field(False, description="In every grid of the area; of responders only")
    begins: time | None = Field(None, alias="from", description="Wall time; left out: around the clock")
    ends: time | None = Field(None, alias="to")


class NeedsIn(Body):
    """All of an area."""

    area_path: Annotated[str, Field(max_length=300)]
    needs: Annotated[list[NeedIn], Field(max_length=100)]


class ReachIn(Body):
    """A call to somebody, and whether they answered."""

    reached: bool
    way: Literal["phone", "radio", "in_person"] = "phone"
    note: Words = ""
    at: AwareDatetime | None = None


class StampIn(Body):
    """When it was tapped, from a phone without signal."""

    at: AwareDatetime | None = None


def as_builtins(pattern: Pattern) -> object:
    """A pattern as the API shows it."""
    return msgspec.to_builtins(pattern)
