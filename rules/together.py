"""Rules across devices in a batch: `co_occurrence` fed by its sources, and what `common_mode` tells of others.

Both see the rows of a batch after their signals are known and before they are judged, or told. What lies still costs
one comparison; where somebody shows, `rules.group` counts.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rules import common_mode, group, judgement, scan
from rules.aim import Aim
from rules.co_occurrence import NAMED
from rules.condition import NEVER, Happening, Rows
from rules.episode import Turn
from rules.evidence import Told
from rules.feeding import Feeding, all_still, find, name_values
from rules.group import Asked, Shown
from rules.members import Members
from rules.scan import Bools, Floats, Ints, every, some
from rules.schedule import inside
from rules.table import Table
from rules.watch import Lapse
from wire.alert import Verb

Evidence = dict[str, float | str | None]


class Relevel(NamedTuple):
    """A row at which an alarm that is on may have become common to many."""

    row: int
    slot: int
    ts: int
    present: int


class Together:
    """The rules across devices of one engine."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.members = Members(table)
        self._counted: dict[tuple[int, int], int] = {}  # by slot and row of the batch: how many are present
        self._named: dict[tuple[int, int], Evidence] = {}

    def begin(self) -> None:
        """Before a batch, or a look at the clock."""
        self.members.reindex()
        self._counted.clear()
        self._named.clear()

    # ------------------------------------------------------------ co_occurrence

    @staticmethod
    def in_order(happenings: list[Happening], relevels: list["Relevel"]) -> "list[Happening | Relevel]":
        """Both by row; what happens at a row comes first."""
        both: list[Happening | Relevel] = [*happenings, *relevels]
        return sorted(both, key=lambda each: each.row)

    def gather(self, rows: Rows, ordered: Bools, told: Told, aimed: Aim) -> list[Happening]:
        """Judge the rules that rows of the batch are sources of.

        Args:
            rows: with their signals.
            ordered: which of them are of the first lane.
            told: what rule kinds said of them.
            aimed: how they were found.
        """
        members = self.members
        if not len(members.feed_member):
            return []
        feeding = aimed.feeding
        if not isinstance(feeding, Feeding) or feeding.members is not members.feeds:
            feeding = aimed.feeding = find(self._table, members, rows)
        link = feeding.link
        if not len(link):
            return []
        where, signal = feeding.where.numbers, feeding.where.of(rows.signal)
        if members.fields:
            name_values(members, rows, feeding, signal, told)
        shows = signal >= feeding.at
        if not some(shows):
            quick = feeding.drives
            if not len(quick.link) or all_still(self._table, members, rows, quick, ordered, signal[quick.of]):
                return []
        keep = shows | members.feed_drives[link]
        if not every(keep):
            where, link, signal, shows = where[keep], link[keep], signal[keep], shows[keep]
        if not len(where):
            return []
        stirring = self._pass_by(rows, where, link, ordered, signal, shows)
        if not len(stirring):
            return []
        where, link, signal, shows = where[stirring], link[stirring], signal[stirring], shows[stirring]
        member = members.feed_member[link]
        slot, source = members.slot[member], rows.slot[where]
        at = np.lexsort((rows.row[where], slot))
        slot = slot[at]
        rows = rows.only(where[at])
        rows = rows._replace(
            slot=slot,
            kind=self._table.kind[slot].astype(np.int64),
            signal=signal[at],
            barred=self._barred(slot, rows.ts),
        )
        return self._judge(rows, member[at], shows[at], source[at])

    def _barred(self, slot: Ints, ts: Ints) -> Bools:
        settings, kind = self._table.settings, self._table.kind[slot]
        barred = settings.scheduled[kind]
        if some(barred):
            barred = barred & ~inside(ts, settings, kind.astype(np.int64))
        return np.asarray(barred)

    def _pass_by(self, rows: Rows, where: Ints, link: Ints, ordered: Bools, signal: Floats, shows: Bools) -> Ints:
        """Of rules that lie still only the newest times move; the lines of all others."""
        table, members, state = self._table, self.members, self._table.state
        slot, member = members.feed_slot[link], members.feed_member[link]
        ts, bad, ordered = rows.ts[where], rows.bad[where], ordered[where]
        table.touched[slot] = True
        still = table.calm.quiet[slot] & ordered
        still &= ts >= state.newest[slot]
        still &= ~shows
        if members.lively(int(ts.min())):
            still &= np.abs(ts - members.last[member]) > members.window_ms[member]
        stirring = np.zeros(0, dtype=np.int64)
        if not every(still) or not table.alone(slot):
            marked = np.zeros(len(members.slot), dtype=np.int64)
            np.add.at(marked, member, 1)
            stirs = marked > 1
            stirs[member[~still]] = True
            still = ~stirs[member]
            stirring = np.flatnonzero(~still)
            slot, ts, bad, signal = slot[still], ts[still], bad[still], signal[still]
        state.newest[slot] = ts
        sound = ~bad & ~np.isnan(signal)
        if every(sound):
            state.judged[slot] = ts
        else:
            state.judged[slot[sound]] = ts[sound]
        return stirring

    def _judge(self, rows: Rows, member: Ints, shows: Bools, source: Ints) -> list[Happening]:
        """Count, and judge the counts; rows sorted by rule and arrival."""
        table, members = self._table, self.members
        taught = shows & ~rows.bad
        shown = Shown(member[taught], rows.row[taught], rows.ts[taught])
        window_ms = members.window_ms[member]
        own = group.newest_shown(members.last, member, rows.ts, taught)
        known = np.abs(rows.ts - own) <= window_ms
        number = self._present(shown, member, rows.row, rows.ts, known | shows)
        number = number + np.where(known & (members.group[member] >= 0), 0, 1)
        signal = np.where(known | shows, number, np.where(np.isnan(rows.signal), np.nan, 0.0))
        rows = rows._replace(signal=signal)
        alone = table.alone(rows.slot)
        ordered = judgement.lanes(rows, table.state, table.state.newest[rows.slot], alone=alone)
        happenings = judgement.judge(rows, ordered, table.state, table.settings, table.calm, alone=alone)
        if happenings:
            self._name(rows, shows, source, shown, happenings)
        members.moved |= group.learn(members.last, shown)
        return happenings

    def _name(self, rows: Rows, shows: Bools, source: Ints, shown: Shown, happenings: list[Happening]) -> None:
        """Keep the evidence of what happened."""
        members = self.members
        crowds = group.Crowds(members.last, members.group, shown)
        span = int(rows.row.max()) + 1
        # of the lines of one row the first that shows
        order = np.lexsort((~shows, rows.slot * span + rows.row))
        keys = (rows.slot * span + rows.row)[order]
        for happening in happenings:
            fed_by = self._table.slots[int(source[order[np.searchsorted(keys, happening.slot * span + happening.row)]])]
            evidence: Evidence = {"count": happening.signal}
            if fed_by is not None:
                evidence |= {"point": fed_by.rule.point, "source": fed_by.rule.id}
            if happening.signal:
                one = int(members.gatherer[happening.slot])
                groups = [int(members.group[one]), *members.more.get(one, ())]
                here = crowds.who(groups, happening.row, happening.ts, int(members.window_ms[one])).tolist()
                if one not in here:
                    here.append(one)
                evidence["devices"] = ", ".join(members.names[each][1] for each in here[:NAMED])
            self._named[happening.slot, happening.row] = evidence

    def _present(self, shown: Shown, member: Ints, order: Ints, ts: Ints, asks: Bools) -> Ints:
        """How many are present at the rows that ask, in all groups that count for the member; 0 for the others."""
        members = self.members
        at = asks.nonzero()[0]
        groups = members.group[member[at]]
        more = np.flatnonzero(members.has_more[member[at]])
        for line in more.tolist():
            others = members.more[int(member[at[line]])]
            at, groups = np.concatenate((at, np.full(len(others), at[line]))), np.concatenate((groups, others))
        asked = Asked(order[at], ts[at], members.window_ms[member[at]], groups)
        total = np.zeros(len(member), dtype=np.int64)
        np.add.at(total, at, group.present(members.last, members.group, shown, asked))
        return total

    def evidence(self, happening: Happening) -> Evidence:
        """Who was there, of a happening that `gather` gave; nothing for others."""
        return self._named.get((happening.slot, happening.row), {})

    # ------------------------------------------------------------ common_mode

    def common(self, rows: Rows, ordered: Bools, happenings: Iterable[Happening]) -> list[Relevel]:
        """Count for the alarms that are on or come on: for each happening, and where a level is to be told anew."""
        members, table = self.members, self._table
        if not members.judges_common:
            return []
        member = members.commoner[rows.slot].astype(np.int64)
        at = np.flatnonzero(member >= 0)
        if not len(at):
            return []
        member = member[at]
        taught = (rows.signal[at] >= members.at[member]) & ~rows.bad[at]
        begins = self._begins(rows, at, member, taught)
        shown = Shown(member[begins], rows.row[at[begins]], rows.ts[at[begins]])
        watched = np.zeros(len(table.kind), dtype=np.bool_)
        happened = [each for each in happenings if members.commoner[each.slot] >= 0]
        watched[[each.slot for each in happened]] = True
        looked_at = (table.state.rank[rows.slot[at]] > 0) | watched[rows.slot[at]]
        found: list[Relevel] = []
        if some(looked_at):
            looked = looked_at.nonzero()[0]
            looked = looked[np.lexsort((rows.row[at[looked]], member[looked]))]
            onset, known = self._onsets(rows.ts[at[looked]], member[looked], begins[looked], taught[looked])
            everywhere = np.ones(len(looked), dtype=np.bool_)
            number = self._present(shown, member[looked], rows.row[at[looked]], onset, everywhere) + ~known
            found = self._look(rows.only(at[looked]), ordered[at[looked]], member[looked], number, happened)
        members.moved |= group.learn(members.last, shown)
        members.moved |= some(taught)
        np.maximum.at(members.run, member[taught], rows.ts[at[taught]])
        return found

    def _begins(self, rows: Rows, at: Ints, member: Ints, taught: Bools) -> Bools:
        """The rows at which members begin to show: they did not within the window before."""
        members = self.members
        begins = np.zeros(len(at), dtype=np.bool_)
        where = taught.nonzero()[0]
        if len(where):
            where = where[np.lexsort((rows.row[at[where]], member[where]))]
            of, ts = member[where], rows.ts[at[where]]
            newest = group.newest_shown(members.run, of, ts, np.ones(len(of), dtype=np.bool_))
            before = scan.previous(newest, scan.firsts(of), members.run[of])
            begins[where] = ts > before + members.window_ms[of]  # NEVER is long ago
        return begins

    def _onsets(self, ts: Ints, member: Ints, begins: Bools, taught: Bools) -> tuple[Ints, Bools]:
        """By row, sorted by member and arrival: when what it shows began, and whether its member is counted by that."""
        members = self.members
        window_ms = members.window_ms[member]
        onset = group.newest_shown(members.last, member, ts, begins)
        newest = group.newest_shown(members.run, member, ts, taught)
        on = (onset != NEVER) & (ts >= onset - window_ms) & (ts <= newest + window_ms)
        return np.where(on, onset, ts), on & (members.group[member] >= 0)

    def _look(self, rows: Rows, ordered: Bools, member: Ints, number: Ints, happened: list[Happening]) -> list[Relevel]:
        members = self.members
        place = {(int(rows.slot[line]), int(rows.row[line])): line for line in range(len(member))} if happened else {}
        for each in happened:
            self._counted[each.slot, each.row] = int(number[place[each.slot, each.row]])
        line = np.flatnonzero(ordered & ~rows.bad & ~np.isnan(rows.signal))
        if not len(line):
            return []
        is_common = number >= members.need[member]
        first = scan.firsts(member[line])
        turns = first.copy()
        turns[1:] |= is_common[line[1:]] != is_common[line[:-1]]
        if happened:
            # after a happening of the second lane the next row of the first is looked at, whatever the one before was
            after = np.searchsorted(line, [place[each.slot, each.row] for each in happened])
            turns[after[after < len(line)]] = True
        return [
            Relevel(int(rows.row[each]), int(rows.slot[each]), int(rows.ts[each]), int(number[each]))
            for each in line[turns].tolist()
        ]

    def silences(self, lapses: Iterable[Lapse]) -> None:
        """Count who fell silent with whom, for the lapses of silence rules."""
        members, table = self.members, self._table
        fell = [each.happening.slot for each in lapses]
        if not some(members.silent) or not fell:
            return
        fell = [number for number in fell if members.commoner[number] >= 0 and members.silent[members.commoner[number]]]
        silent = members.silent & (table.state.rank[members.slot] > 0)
        silent[members.commoner[fell]] = True
        who = np.flatnonzero(silent & (members.group >= 0))
        seen = table.seen[table.entity_of_slot[members.slot]]
        times = np.unique(seen[who])
        key = np.sort(members.group[who] * (len(times) + 1) + np.searchsorted(times, seen[who]))
        for number in fell:
            member = int(members.commoner[number])
            window_ms, base = int(members.window_ms[member]), int(members.group[member]) * (len(times) + 1)
            low = base + np.searchsorted(times, seen[member] - window_ms)
            high = base + np.searchsorted(times, seen[member] + window_ms, side="right")
            count = int(np.searchsorted(key, high) - np.searchsorted(key, low))
            self._counted[number, -1] = count if base >= 0 else 1

    def tell(self, number: int, turn: Turn, at: int, row: int) -> tuple[Turn | None, Evidence]:
        """What to tell of a turn, and with which evidence; None: what is told stays as it was.

        Args:
            number: the slot.
            turn: with the level that was reached.
            at: event time.
            row: of the batch; -1 = by time.
        """
        members = self.members
        member = int(members.commoner[number]) if number < len(members.commoner) else -1
        if member < 0:
            return turn, {}
        before = 0 if turn.verb is Verb.RAISED else int(members.told[member])
        count = self._counted.get((number, row))
        if count is None:
            count = self._count_now(member, at)
        was_common = bool(members.common[member]) and turn.verb is not Verb.RAISED
        is_common = bool(count >= members.need[member]) or was_common
        after = common_mode.told(turn.rank, common=is_common)
        members.common[member] = is_common and turn.rank > 0
        members.told[member] = after
        members.moved = True
        evidence: Evidence = {"common_mode": float(count)} if is_common and turn.rank else {}
        if after == before:
            return None, evidence
        verb = Verb.CLEARED if not after else Verb.RAISED if not before else _way(before, after)
        return Turn(verb, after), evidence

    def relevel(self, each: Relevel) -> tuple[Turn | None, Evidence]:
        """What to tell at a row at which the alarm became common."""
        rank = int(self._table.state.rank[each.slot])
        member = int(self.members.commoner[each.slot])
        before = int(self.members.told[member])
        if not rank or each.present < self.members.need[member]:
            return None, {}  # what was common once stays so while it is on
        self.members.common[member] = self.members.moved = True
        after = common_mode.told(rank, common=True)
        if after == before:
            return None, {}
        self.members.told[member] = after
        return Turn(_way(before, after), after), {"common_mode": float(each.present), "relevelled": "common_mode"}

    def _count_now(self, member: int, at: int) -> int:
        members = self.members
        if members.group[member] < 0:
            return 1
        onset, newest, window_ms = members.last[member], members.run[member], members.window_ms[member]
        if onset != NEVER and onset - window_ms <= at <= newest + window_ms:
            at = int(onset)
        near = np.abs(at - members.last) <= window_ms
        near &= (members.group == members.group[member]) & (members.last != NEVER)
        near[member] = True
        return int(near.sum())


def _way(before: int, after: int) -> Verb:
    return Verb.ESCALATED if after > before else Verb.DEESCALATED
