"""Scores from the system's own timestamps. Pure: facts in, for each objective whether it was met and by how much.

What nothing shows is *not observed* (`met` is None), never failed. People's times are wall times.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cloud.drills.scenario import Objective


class IncidentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one incident of the drill."""

    id: str
    opened_at: datetime
    acknowledged_at: datetime | None = None
    first_offered_at: datetime | None = None
    first_on_scene_at: datetime | None = None


class Score(msgspec.Struct, frozen=True):
    """Outcome of one objective."""

    met: bool | None
    value_s: float | None = None


def score(objective: Objective, incidents: Sequence[IncidentFacts], *, now: datetime, ended: bool) -> Score:
    """Judge one objective.

    Args:
        objective: what was to be shown.
        incidents: those of the drill; the first opened one is what is timed.
        now: the present, or the end of the drill.
        ended: whether anything can still come.
    """
    if not incidents:
        return Score(False if ended and objective.kind == "one_incident" else None)
    first = min(incidents, key=lambda incident: (incident.opened_at, incident.id))
    if objective.kind == "one_incident":
        if len(incidents) > 1:
            return Score(False)
        return Score(True if ended else None)
    assert objective.limit_s is not None
    if objective.kind == "acknowledged_within":
        return _timed(first.opened_at, first.acknowledged_at, objective.limit_s, now, ended=ended)
    if first.first_offered_at is None:
        return Score(None)
    return _timed(first.first_offered_at, first.first_on_scene_at, objective.limit_s, now, ended=ended)


def _timed(start: datetime, reached: datetime | None, limit_s: float, now: datetime, *, ended: bool) -> Score:
    if reached is not None:
        value_s = max(0.0, (reached - start).total_seconds())
        return Score(value_s <= limit_s, round(value_s, 1))
    overdue = (now - start).total_seconds() > limit_s
    return Score(False if overdue or ended else None)
