"""The condition machine that level and rate rules share: hysteresis, hold, samples, clear hold – all rows at once.

For each level of a rule a row of the judged signal is *high* (at or past enter), *low* (short of exit) or between.

- The condition of a level is held from a high row until a low one. It is *fulfilled* at a high row when the hold,
  counted in event time, and the number of samples are reached. Time across a gap longer than `max_gap` does not
  count: the gap freezes the hold.
- A level is left after rows that are all low for the clear hold, again in event time and without gaps.
- Rows run in two lanes. The first is what arrives in order. The second is what may raise and escalate but never end
  or interrupt anything: late rows (older than the newest of the same point) and rows that are not counted
  (a repeat that cannot be told from its original). A run of the second lane is broken by a low row or by a gap, its
  length is the stretch of event time that it spans.
- A row with a bad flag is passed over unless it is high; what rests on one is suspect. So is a row that may be a
  spike, but what rests on it is suspect only while it is the newest: the next one tells.

Here is what the machine is made of; `rules.judgement` runs it over batches, `rules.alone` over batches that have one
reading a rule. They find the few rows at which something happens; `rules.episode` makes changes of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules.holds import Holds, Late
from rules.scan import Bools, Floats, Ints, broad, roomy

NEVER = -(2**62)
"""Stands for 'no such instant' in arrays."""
LEVELS = 4
MANY = 30_000
LONGEST_MS = 2**31 - 1
"""Holds and clear holds are counted up to this: 24 days."""

RECORD = np.dtype(
    [
        ("newest", "i8"),  # newest event time of a counted row
        ("judged", "i8"),  # event time of the newest judged row of the first lane
        ("opened", "i8"),  # of the episode that is on, or was last
        ("closed", "i8"),  # event time of the row that ended the last episode
        ("late_at", "i8"),  # event time of the last row of the second lane
        ("used", "i8"),  # silence: grace used up
        ("since", "i8", LEVELS),  # arrival of the row that began the hold
        ("held_ms", "i8", LEVELS),
        ("clear_ms", "i8", LEVELS),
        ("late_low", "i8", LEVELS),
        ("late_high", "i8", LEVELS),
        ("samples", "i4", LEVELS),
        ("late_samples", "i4", LEVELS),
        ("held", "?", LEVELS),
        ("met", "?", LEVELS),  # fulfilled in this run
        ("doubt", "?", LEVELS),  # a bad flag in this run
        ("clearing", "?", LEVELS),
        ("cleared", "?", LEVELS),  # below exit for the clear hold
        ("late_held", "?", LEVELS),
        ("late_met", "?", LEVELS),
        ("late_doubt", "?", LEVELS),
        ("rank", "u1"),  # level now, 0 = none
        ("highest", "u1"),
        ("suspect", "?"),
    ],
    align=True,
)
"""One row as it is exported."""

SETTINGS = np.dtype(
    [
        ("enter", "f8", LEVELS),  # of the signed signal: always 'above'; NaN = no such level
        ("exit", "f8", LEVELS),
        ("hold_ms", "i8", LEVELS),
        ("min_samples", "i4", LEVELS),
        ("lowest", "f8"),  # the mildest enter
        ("below", "f8"),  # signal under which every level is low
        ("clear_ms", "i8"),
        ("max_gap_ms", "i8"),
        ("verify_ms", "i8"),
        ("sign", "f8"),
        ("scale", "f8"),  # signal = sign * (value * scale + shift)
        ("shift", "f8"),
        ("at_least", "f8"),  # rate: -inf = no floor
        ("window_ms", "i8"),
        ("rated", "?"),  # the signal is a rate
        ("cooldown_ms", "i8"),
        ("scheduled", "?"),  # may enter only at the times that follow
        ("from_ms", "i8"),
        ("to_ms", "i8"),
        ("days", "i8"),
        ("offset_ms", "i8"),
    ],
    align=True,
)

HELD, MET, DOUBT, CLEARING, CLEARED = (np.uint8(1 << number) for number in range(5))
"""Bits of a level: the hold is on; fulfilled in this run; a bad flag in this run; low; low for the clear hold."""
BITS = {"held": HELD, "met": MET, "doubt": DOUBT, "clearing": CLEARING, "cleared": CLEARED}
HOLDS = ("since", "samples")
_LATE_BITS = {"late_held": HELD, "late_met": MET, "late_doubt": DOUBT}


class State:
    """The state of all rules, a struct of arrays: by slot, or by level and slot. Names are those of `RECORD`."""

    def __init__(self, count: int = 0) -> None:
        self.newest, self.judged, self.opened, self.closed = (np.full(count, NEVER, dtype=np.int64) for _ in range(4))
        self.used = np.zeros(count, dtype=np.int64)
        self.rank, self.highest = (np.zeros(count, dtype=np.uint8) for _ in range(2))
        self.suspect = np.zeros(count, dtype=np.bool_)
        self.run_ms = np.zeros((LEVELS, count), dtype=np.int32)  # of the hold, or of the clear hold: never both are on
        self.bits = np.zeros((LEVELS, count), dtype=np.uint8)
        self.hold_row = np.zeros(count, dtype=np.int32)
        self.holds = Holds(LEVELS)
        self.late_row = np.full(count, -1, dtype=np.int32)
        self.late = Late(LEVELS, NEVER)

    def __len__(self) -> int:
        return len(self.rank)

    def __getitem__(self, number: int) -> "StateRow":
        return StateRow(self, number)

    def grow(self, needed: int) -> None:
        """Make room for slots."""
        if needed <= len(self):
            return
        for name in ("newest", "judged", "opened", "closed"):
            setattr(self, name, roomy(getattr(self, name), needed, NEVER))
        for name in ("used", "rank", "highest", "suspect", "hold_row"):
            setattr(self, name, roomy(getattr(self, name), needed, 0))
        for name in ("run_ms", "bits"):
            setattr(self, name, broad(getattr(self, name), needed))
        self.late_row = roomy(self.late_row, needed, -1)

    def blank(self, number: int) -> None:
        """Forget a slot."""
        for array in (self.newest, self.judged, self.opened, self.closed):
            array[number] = NEVER
        self.used[number] = self.rank[number] = self.highest[number] = 0
        self.suspect[number] = False
        self.bits[:, number] = self.run_ms[:, number] = 0
        if self.hold_row[number]:
            self.holds.release(int(self.hold_row[number]))
            self.hold_row[number] = 0
        if self.late_row[number] >= 0:
            self.late.release(int(self.late_row[number]))
            self.late_row[number] = -1

    def late_rows(self, slots: Ints) -> Ints:
        """Rows of the second lane's memory, made where there are none."""
        for number in slots[self.late_row[slots] < 0].tolist():
            self.late_row[number] = self.late.allot()
        return self.late_row[slots].astype(np.int64)

    def hold_rows(self, slots: Ints) -> Ints:
        """Rows of what is kept of holds, made where there are none; no slot stands twice."""
        fresh = (self.hold_row[slots] == 0).nonzero()[0]
        if len(fresh):
            self.hold_row[slots[fresh]] = self.holds.allot(len(fresh))
        return self.hold_row[slots].astype(np.int64)

    def keep_holds(self, level: int, slots: Ints, since: Ints, samples: Ints) -> None:
        """Write what is known of the holds of a level, of some slots; no slot stands twice."""
        told = (since != 0) | (samples != 0) | (self.hold_row[slots] != 0)
        row = self.hold_rows(slots[told])
        self.holds.since[level, row], self.holds.samples[level, row] = since[told], samples[told]

    def record(self, number: int) -> npt.NDArray[np.void]:
        """One slot, for export."""
        row = np.zeros(1, dtype=RECORD)
        one = row[0]
        for name in ("newest", "judged", "opened", "closed", "used", "rank", "highest", "suspect"):
            one[name] = getattr(self, name)[number]
        for name in HOLDS:
            one[name] = getattr(self.holds, name)[:, self.hold_row[number]]
        for name, bit in BITS.items():
            one[name] = (self.bits[:, number] & bit) != 0
        one["held_ms"] = self.run_ms[:, number] * one["held"]
        one["clear_ms"] = self.run_ms[:, number] * one["clearing"]
        late = int(self.late_row[number])
        one["late_at"] = NEVER
        if late >= 0:
            one["late_at"] = self.late.late_at[late]
            for name in ("late_low", "late_high", "late_samples"):
                one[name] = getattr(self.late, name)[:, late]
            for name, bit in _LATE_BITS.items():
                one[name] = (self.late.bits[:, late] & bit) != 0
        return row

    def take_many(self, slots: Ints, rows: npt.NDArray[Any]) -> None:
        """Take what `record` gave of some slots."""
        for number in slots[self.late_row[slots] >= 0].tolist():
            self.blank(number)
        for name in ("newest", "judged", "opened", "closed", "used", "rank", "highest", "suspect"):
            getattr(self, name)[slots] = rows[name]
        for level in range(LEVELS):
            self.keep_holds(level, slots, rows["since"][:, level], np.minimum(rows["samples"][:, level], MANY))
        run_ms = np.where(rows["held"], rows["held_ms"], np.where(rows["clearing"], rows["clear_ms"], 0))
        self.run_ms[:, slots], self.bits[:, slots] = np.minimum(run_ms, LONGEST_MS).T, _bits(rows, BITS).T
        late = np.flatnonzero(rows["late_at"] != NEVER)  # few ever hear late
        for place, bits in zip(late.tolist(), _bits(rows[late], _LATE_BITS), strict=True):
            one, row = rows[place], self.late.allot()
            self.late_row[slots[place]] = row
            self.late.late_at[row] = one["late_at"]
            for name in ("late_low", "late_high"):
                getattr(self.late, name)[:, row] = one[name]
            self.late.late_samples[:, row] = np.minimum(one["late_samples"], MANY)
            self.late.bits[:, row] = bits


def _bits(rows: npt.NDArray[Any], names: Mapping[str, np.uint8]) -> npt.NDArray[np.uint8]:
    found = np.zeros((len(rows), LEVELS), dtype=np.uint8)
    for name, bit in names.items():
        found |= rows[name] * bit
    return found


class StateRow:
    """One slot of the state, read and written by name."""

    __slots__ = ("_number", "_state")

    def __init__(self, state: State, number: int) -> None:
        self._state = state
        self._number = number

    def __getitem__(self, name: str) -> Any:
        if name in HOLDS:
            return getattr(self._state.holds, name)[:, self._state.hold_row[self._number]]
        return getattr(self._state, name)[..., self._number]

    def __setitem__(self, name: str, value: Any) -> None:
        getattr(self._state, name)[self._number] = value


class Settings:
    """Rules in arrays, one entry for each distinct rule: thousands of devices share them."""

    def __init__(self) -> None:
        self.enter, self.exit = (np.full((LEVELS, 0), np.nan) for _ in range(2))
        self.hold_ms = np.zeros((LEVELS, 0), dtype=np.int64)
        self.min_samples = np.zeros((LEVELS, 0), dtype=np.int32)
        for name in _ONE:
            setattr(self, name, np.zeros(0, dtype=SETTINGS[name]))
        self._uses: list[int] = []
        self._free: list[int] = []
        self._known: dict[bytes, int] = {}
        self._digests: list[bytes] = []
        self._idle: dict[int, bytes] = {}  # entries that nobody used at some time since `tidy`

    lowest: Floats
    below: Floats  # signal under which every level is low
    clear_ms: Ints
    max_gap_ms: Ints
    verify_ms: Ints
    sign: Floats
    scale: Floats
    shift: Floats
    at_least: Floats
    window_ms: Ints
    rated: Bools
    cooldown_ms: Ints
    scheduled: Bools
    from_ms: Ints
    to_ms: Ints
    days: Ints
    offset_ms: Ints

    def admit(self, row: Any, digest: bytes) -> int:
        """The entry for a row of `SETTINGS`; rules of one digest share it."""
        known = self._known.get(digest)
        if known is not None:
            return known
        if self._free:
            number = self._free.pop()
        else:
            number = len(self._uses)
            self._uses.append(0)
            self._digests.append(digest)
            for name in ("enter", "exit", "hold_ms", "min_samples"):
                setattr(self, name, broad(getattr(self, name), number + 1))
            for name in _ONE:
                setattr(self, name, roomy(getattr(self, name), number + 1, 0))
        self._known[digest] = number
        self._digests[number] = self._idle[number] = digest
        for name in ("enter", "exit", "min_samples"):
            getattr(self, name)[:, number] = row[name]
        self.hold_ms[:, number] = np.minimum(row["hold_ms"], LONGEST_MS)
        for name in _ONE:
            getattr(self, name)[number] = row[name]
        self.clear_ms[number] = min(int(row["clear_ms"]), LONGEST_MS)
        return number

    def hold(self, number: int, count: int = 1) -> None:
        """So many slots more use an entry."""
        self._uses[number] += count

    def let_go(self, number: int) -> None:
        """One slot less."""
        self._uses[number] -= 1
        if not self._uses[number]:
            self._idle[number] = self._digests[number]

    def tidy(self) -> None:
        """Entries that nobody uses are free again."""
        for number, digest in self._idle.items():
            if not self._uses[number]:
                del self._known[digest]
                self._free.append(number)
        self._idle.clear()


_ONE = tuple(name for name in SETTINGS.names or () if not SETTINGS[name].shape)


class Rows(NamedTuple):
    """Judged rows, sorted by slot, in order of arrival inside a slot; in any order where no slot stands twice."""

    slot: Ints
    kind: Ints  # entry of the settings
    ts: Ints
    arrival: Ints
    signal: Floats
    bad: Bools  # in doubt: passed over unless high
    unsure: Bools  # of those, what the next reading may confirm: in doubt for itself only, not for the run
    counted: Bools
    row: Ints  # index of the reading in the batch
    barred: Bools  # outside the rule's schedule: never high, and low only if the signal is

    def only(self, keep: Bools | Ints) -> "Rows":
        """The rows that are kept."""
        where = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep
        return Rows(*(column[where] for column in self))  # type: ignore[arg-type]


class Happening(NamedTuple):
    """One row at which a level was fulfilled or left."""

    row: int
    slot: int
    rank: int
    leaves: bool  # the level is left; otherwise it is fulfilled
    late: bool  # of the second lane
    ts: int
    doubt: bool
    signal: float
    held_s: float
    samples: int


def emit(
    happenings: list[Happening],
    rows: Rows,
    where: Ints,
    rank: int,
    *,
    leaves: bool,
    late: bool,
    doubt: Bools,
    held_ms: Ints,
    samples: Ints,
    aligned: bool = False,
) -> None:
    """Add a happening for each of some rows; `doubt`, `held_ms`, `samples` are by row, or by `where` if aligned."""
    for number, index in enumerate(where.tolist()):
        at = number if aligned else index
        happenings.append(
            Happening(
                row=int(rows.row[index]),
                slot=int(rows.slot[index]),
                rank=rank,
                leaves=leaves,
                late=late,
                ts=int(rows.ts[index]),
                doubt=bool(doubt[at]),
                signal=float(rows.signal[index]),
                held_s=float(held_ms[at]) / 1000,
                samples=int(samples[at]),
            )
        )
