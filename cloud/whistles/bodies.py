"""What people hand in about whistles."""

from typing import Annotated

from pydantic import Field

from cloud.desk.bodies import Because, Body, Id, Reason, Short, Words
from cloud.whistles.disputes import Code
from cloud.whistles.ratings import REASONS

SaidBy = Annotated[Short, Field(description="Who at the department said so, where the street's desk enters it")]
_Score = Annotated[int, Field(ge=1, le=5, description="5 = very good, 1 = very poor; 1 and 2 need a note")]


class CallBody(Body):
    """Which department, for which cause."""

    department_id: Id
    cause: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="A key of the proposed causes, or of an open whistle; none: the likeliest"
    )
    cause_text: Short = Field("", description="In words; without `cause` these words are the cause")
    note: Words = Field("", description="What is asked of the department")


class AnswerBody(Body):
    """The department's word."""

    said_by: SaidBy = ""


class FinishBody(AnswerBody):
    """What was done."""

    note: Reason


class ReturnBody(AnswerBody):
    """Why it is not theirs."""

    code: Code
    reason: Reason
    suggests: Id | None = Field(None, description="The department that they think is right; it is asked")


class TakeBody(AnswerBody):
    """Which department takes it."""

    department_id: Id


class DeclineBody(TakeBody):
    """Which department does not, and why."""

    reason: Reason


class RuleBody(Because):
    """Whose it is, and why. Binding."""

    department_id: Id


class WithdrawBody(Because):
    """Why; and of which incident only."""

    incident_id: Id | None = None


class RatingBody(Body):
    """How the department did."""

    score: _Score
    reasons: list[str] = Field(default_factory=list, max_length=len(REASONS), description=", ".join(REASONS))
    note: Words = ""
    street: Id | None = Field(None, description="Path of the street, where a person stands for several")


class CorrectionBody(RatingBody):
    """The corrected rating, and why it was wrong."""

    reason: Reason


class DepartmentBody(Body):
    """A department."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    name_en: Annotated[str, Field(max_length=100)] = ""
    trade: Id
    area_path: Id = Field(description="What it serves: everything below this area")
    liaisons: list[Id] = Field(default_factory=list, max_length=50)
    supervisors: list[Id] = Field(max_length=20)
    arbiters: list[Id] = Field(max_length=20)
    phone: Annotated[str, Field(max_length=40, pattern=r"^[0-9+() -]*$")] | None = None
    active: bool = True
