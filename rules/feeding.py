"""Which judged rows feed the rules across devices (`co_occurrence`), and the many that pass by: nothing shows.

Who feeds whom follows from the rows alone and is kept with them (`rules.aim`).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import Rows
from rules.evidence import Told
from rules.members import Members
from rules.pick import Pick
from rules.scan import Bools, Floats, Ints, every, some
from rules.table import Table


@dataclass(frozen=True, slots=True)
class Drives:
    """Links that tell of their member even where nothing shows."""

    of: Ints  # among the links
    row: Pick  # that is judged
    link: Ints
    slot: Pick  # of the rule that is fed
    member: Ints
    alone: bool  # no rule is fed twice
    window_ms: Ints


@dataclass(frozen=True, slots=True)
class Feeding:
    """Which of the rows that are judged feed which members."""

    members: npt.NDArray[np.int16]  # of these members
    where: Pick  # row of each link
    link: Ints
    at: Floats
    named: list[Ints]  # by field: links that look at it
    drives: Drives


def find(table: Table, members: Members, rows: Rows) -> Feeding:
    """Which rows feed whom."""
    where, nth = scan.spread(members.feeds[rows.slot].astype(np.int64))
    link = members.feed_start[rows.slot[where]].astype(np.int64) + nth
    drives = members.feed_drives[link].nonzero()[0]
    slot, member = members.feed_slot[link[drives]], members.feed_member[link[drives]]
    return Feeding(
        members=members.feeds,
        where=Pick(where),
        link=link,
        at=members.feed_at[link],
        named=[(members.feed_field[link] == number).nonzero()[0] for number in range(len(members.fields))],
        drives=Drives(
            of=drives, row=Pick(where[drives]), link=link[drives], slot=Pick(slot), member=member,
            alone=table.alone(slot), window_ms=members.window_ms[member],
        ),
    )  # fmt: skip


def name_values(members: Members, rows: Rows, feeding: Feeding, signal: Floats, told: Told) -> None:
    """In place of the signal of some links the number of the evidence that they name."""
    for named, name in zip(feeding.named, members.fields, strict=True):
        signal[named] = np.nan
        if not len(named):
            continue
        of = feeding.where.numbers[named]
        for (_, _, said), place in zip(told.parts, told.places, strict=True):
            value = said.evidence.get(name)
            if value is None or not len(value):
                continue
            if isinstance(place, slice) and place.start <= int(of[0]) and int(of[-1]) < place.stop:
                inside = (of >= place.start) & (of < place.stop)
                if every(inside):
                    found = value[of - place.start]
                    signal[named] = np.where(np.isnan(found), signal[named], found)
                    continue
            known = np.full(len(rows.slot), np.nan)
            known[place] = value
            found = known[of]
            signal[named] = np.where(np.isnan(found), signal[named], found)


def all_still(table: Table, members: Members, rows: Rows, drives: Drives, ordered: Bools, signal: Floats) -> bool:
    """Nothing shows and all rules that are fed lie still: only their newest times move. False: nothing was done."""
    state = table.state
    if not drives.alone:
        return False
    ts, slot = drives.row.of(rows.ts), drives.slot
    if not every(slot.of(table.calm.quiet)) or not every(drives.row.of(ordered)):
        return False
    if not every(ts >= slot.of(state.newest)):
        return False
    if members.lively(int(ts.min())):
        near = np.abs(ts - members.last[drives.member]) <= drives.window_ms
        if some(near):
            return False
    slot.put(table.touched, True)
    slot.put(state.newest, ts)
    sound = ~np.isnan(signal)
    if some(rows.bad):
        sound &= ~drives.row.of(rows.bad)
    if every(sound):
        slot.put(state.judged, ts)
    else:
        state.judged[slot.numbers[sound]] = ts[sound]
    return True
