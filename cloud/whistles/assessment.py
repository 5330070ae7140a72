"""How a department is assessed: the street's rating and the facts, with a stated weight. Pure.

街道评价 has a share of at least 30 % (S000, published practice of 街道吹哨部门报到); the rest is what the stamps say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_SHARE = 30.0
BEST = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """One time of being responsible, as the overview needs it."""

    in_time: bool | None  # reported in within the limit; None: the limit has not passed and no answer is owed yet
    returned: bool = False
    ruled_against: bool = False  # sent back, and the ruling said that it was theirs
    missed: int = 0  # limits passed


@dataclass(frozen=True, slots=True)
class Assessment:
    """A department's figures over a span."""

    turns: int
    answered_in_time: int
    answered_late_or_not: int
    waiting: int
    returned: int
    ruled_against: int
    limits_missed: int
    ratings: int
    rating_mean: float | None
    street_share_percent: float
    street_score: float | None  # 0–100
    facts_score: float | None  # 0–100
    score: float | None  # 0–100, None until both are known


def assess(turns: Sequence[Turn], ratings: Sequence[int], street_share_percent: float) -> Assessment:
    """Weigh the street's word and the facts.

    Args:
        turns: of the department in the span.
        ratings: scores 1 to 5 that stand, one a street and whistle.
        street_share_percent: weight of the rating, 30 to 100.

    Raises:
        ValueError: the share is below its floor.
    """
    if not LEAST_SHARE <= street_share_percent <= 100:
        raise ValueError(f"the street's share is at least {LEAST_SHARE:g} %, at most 100 %")
    judged = [turn for turn in turns if turn.in_time is not None]
    in_time = sum(turn.in_time is True for turn in judged)
    street = round(100 * (sum(ratings) / len(ratings) - 1) / (BEST - 1), 1) if ratings else None
    # a return that the ruling refused cost the street time: it counts as not answered in time
    good = sum(turn.in_time is True and not turn.ruled_against for turn in judged)
    facts = round(100 * good / len(judged), 1) if judged else None
    share = street_share_percent / 100
    return Assessment(
        turns=len(turns),
        answered_in_time=in_time,
        answered_late_or_not=len(judged) - in_time,
        waiting=len(turns) - len(judged),
        returned=sum(turn.returned for turn in turns),
        ruled_against=sum(turn.ruled_against for turn in turns),
        limits_missed=sum(turn.missed for turn in turns),
        ratings=len(ratings),
        rating_mean=round(sum(ratings) / len(ratings), 2) if ratings else None,
        street_share_percent=street_share_percent,
        street_score=street,
        facts_score=facts,
        score=round(share * street + (1 - share) * facts, 1) if street is not None and facts is not None else None,
    )
