"""Several incidents at once: who goes where, so that the whole comes out best. Pure and exact.

In this order: as many incidents as can be served, the worst level first; then the sum of what is lost against a
perfect choice, where a minute at a worse incident weighs more. Only people whom a proposal recommends are given away,
so nobody is ever pulled off something. It is an assignment problem, solved exactly by successive shortest paths
(Kuhn 1955, Jonker and Volgenant 1987) on whole numbers: levels stand so far apart that they never trade off.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.dispatch.proposal import Force, Need, Proposal, assess, propose
from wire.level import Level

MOST_NEEDS = 99
"""Beyond it the least urgent wait for the next round: the weights below hold for so many."""
_WEIGHT = {Level.I: 8, Level.II: 4, Level.III: 2, Level.IV: 1}
_TOP_SCORE = 150
_UNSERVED = {Level.IV: 10**7, Level.III: 10**9, Level.II: 10**11, Level.I: 10**13}
_IMPOSSIBLE = 10**16

Ints = npt.NDArray[np.int64]


def matching(cost: Ints) -> list[int]:
    """For each row the column that it gets, so that the sum is least; rows are no more than columns."""
    rows, columns = cost.shape
    if rows > columns:
        raise ValueError(f"{rows} rows, and only {columns} columns")
    far = np.iinfo(np.int64).max // 4
    of_row, of_column = np.zeros(rows + 1, np.int64), np.zeros(columns + 1, np.int64)  # potentials
    holder = np.zeros(columns + 1, np.int64)  # row that has a column; 0: nobody
    for row in range(1, rows + 1):
        came_by = np.zeros(columns + 1, np.int64)
        least, used = np.full(columns + 1, far, np.int64), np.zeros(columns + 1, np.bool_)
        holder[0], column = row, 0
        while True:
            used[column] = True
            at = holder[column]
            reduced = cost[at - 1] - of_row[at] - of_column[1:]
            better = ~used[1:] & (reduced < least[1:])
            least[1:][better], came_by[1:][better] = reduced[better], column
            following = int(np.argmin(np.where(used[1:], far, least[1:]))) + 1
            step = least[following]
            of_row[holder[used]] += step
            of_column[used] -= step
            least[~used] -= step
            column = following
            if holder[column] == 0:
                break
        while column:
            before = int(came_by[column])
            holder[column], column = holder[before], before
    found = [0] * rows
    for column in range(1, columns + 1):
        if holder[column]:
            found[int(holder[column]) - 1] = column - 1
    return found


@dataclass(frozen=True, slots=True)
class Pair:
    """One incident and who goes there."""

    need: Need
    proposal: Proposal
    yields: "Need | None" = None  # its own best goes there instead
    own_best: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Joint:
    """The whole plan."""

    pairs: tuple[Pair, ...]
    unserved: tuple[Need, ...]


def assign(needs: Sequence[Need], forces: Sequence[Force], asked: Mapping[str, Collection[str]] | None = None) -> Joint:
    """Who goes where.

    Args:
        needs: what is asked for; an incident that wants several stands here several times.
        forces: who there is.
        asked: by incident, who has been asked for it already.
    """
    ordered = sorted(needs, key=lambda need: (-need.level.rank, need.incident, sorted(need.roles or ())))
    served, waiting = ordered[:MOST_NEEDS], ordered[MOST_NEEDS:]
    people = sorted(forces, key=lambda force: force.id)
    before = asked or {}
    table = [[_judged(need, force, before.get(need.incident, ())) for force in people] for need in served]
    if not served:
        return Joint((), ())
    cost = np.full((len(served), len(people) + len(served)), _IMPOSSIBLE, np.int64)
    for row, need in enumerate(served):
        cost[row, len(people) + row] = _UNSERVED[need.level]
        for column, proposal in enumerate(table[row]):
            if proposal is not None:
                lost = max(0.0, _TOP_SCORE - proposal.score)
                cost[row, column] = _WEIGHT[need.level] * round(lost * 10)
    given = matching(cost)
    goes = {people[column].id: served[row] for row, column in enumerate(given) if column < len(people)}
    pairs, unserved = [], list(waiting)
    for row, column in enumerate(given):
        if column >= len(people):
            unserved.append(served[row])
            continue
        proposal = table[row][column]
        assert proposal is not None  # the impossible is never cheaper than leaving an incident unserved
        best = propose(served[row], people, asked=before.get(served[row].incident, ())).best
        other = best is not None and best.responder_id != proposal.responder_id
        yields = goes.get(best.responder_id) if best is not None and other else None
        pairs.append(Pair(served[row], proposal, yields, best if other else None))
    return Joint(tuple(pairs), tuple(unserved))


def _judged(need: Need, force: Force, asked: Collection[str]) -> Proposal | None:
    if force.id in asked or (need.roles is not None and force.role not in need.roles):
        return None
    proposal = assess(need, force)
    return proposal if proposal.recommended else None


def why(pair: Pair) -> dict[str, Any]:
    """Why this one and not the one who would suit this incident best alone."""
    if pair.own_best is None:
        return {"code": "best"}
    if pair.yields is None:
        return {"code": "best_together", "name": pair.own_best.name}
    return {
        "code": "yields",
        "name": pair.own_best.name,
        "to": pair.yields.incident,
        "number": pair.yields.number,
        "level": pair.yields.level.value,
    }
