"""The engine: holds the rules of many devices and their state, and steps them over columns of readings.

It has no clock and does no I/O. What it decides does not depend on how a stream is cut into batches, nor on its state
being exported and restored in between. One engine, one caller at a time.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from rules import aim, episode, export, judgement, kind_step, outline, presence, quality, rate, scan, schedule, stream
from rules.adopt import adopt, exercises, orphan
from rules.aim import Aim
from rules.beside import Beside, gather
from rules.columns import Change, Columns
from rules.condition import NEVER, Happening, Rows
from rules.episode import Turn
from rules.evidence import Told, gathered
from rules.furnish import furnish
from rules.keys import row_key
from rules.quality import Doubt
from rules.scan import Bools, Floats
from rules.table import DeviceRules, Entity, Table
from rules.telling import tell
from rules.together import Relevel, Together
from rules.watch import Watch
from wire.alert import Verb

__all__ = ["Change", "Columns", "DeviceRules", "Engine"]

SETTLE_S = 60.0


class Engine:
    """Rules of many devices, stepped together."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        """An empty engine.

        Args:
            settle_s: rows of which only the newest time moved are exported (`dirty`) no oftener, in scenario time;
                spares flash. 0 exports every row that was touched.
        """
        scan.keep_heap()
        self._settle_ms = round(settle_s * 1000)
        self._table = Table()
        self._watch = Watch(self._table)
        self._together = Together(self._table)
        self._waiting: dict[str, bytes] = {}  # restored rows of what is not known yet
        self._gone: set[str] = set()
        self.unreadable: list[str] = []
        """Keys of restored rows that could not be read."""

    def configure(self, devices: Iterable[DeviceRules]) -> list[Change]:
        """Take the whole table of devices; the state of what did not change is kept.

        A rule that changed keeps its episode and starts its holds anew.

        Returns:
            A `cleared` for each alarm whose rule or device is gone: nothing else would ever clear it.
        """
        table = self._table
        news = {each.device: each for each in devices}
        changes: list[Change] = []
        for entity in list(table.entities.values()):
            after = news.get(entity.device)
            for rule_id in list(entity.slots):
                if after is None or rule_id not in after.rules:
                    changes.extend(self._dismiss(entity, rule_id))
            if after is None:
                self._gone.update(table.drop(entity))
        before, table.devices = table.devices, news
        new: list[tuple[Entity, DeviceRules]] = []
        for name, each in news.items():
            if before.get(name) == each:
                continue
            if (None, name) not in table.entities:
                table.admit(None, name)
            for entity in table.lives(name):
                self._gone.update(table.untested(entity, before.get(name), each))
                if entity.slots:
                    self._furnish(entity, each)
                else:
                    new.append((entity, each))
            if name in before:
                table.measure(each)
        furnish(table, new)
        self.unreadable.extend(adopt(table, [entity for entity, _ in new], self._waiting))
        self._wake_exercises()
        changes.extend(self._clear_orphans())
        table.tidy()
        return changes

    def forget_exercise(self, exercise: str) -> None:
        """Drop all state of an exercise; its rows come out of `dirty` once more, empty."""
        for entity in [each for each in self._table.entities.values() if each.exercise == exercise]:
            self._gone.update(self._table.drop(entity))
        self._together.members.forget_exercise(exercise)
        for key in [key for key in self._waiting if key.startswith(f"{exercise}/")]:
            del self._waiting[key]
            self._gone.add(key)

    def channel(self, device: str, point: str, exercise: str | None = None) -> int:
        """The number that stands for a point of a device in `Columns.channel`; -1 = not known.

        A device gets rows of its own in an exercise at the first call. The number stays while the process lives.
        """
        known = self._table.devices.get(device)
        if known is None or point not in known.points:
            return -1
        if (exercise, device) not in self._table.entities:
            self._furnish(self._table.admit(exercise, device), known)
            self._table.tidy()
        return self._table.channel(exercise, known, point)

    @property
    def blind(self) -> dict[tuple[str, str], str]:
        """Rules that cannot judge, by device and rule, and why."""
        self._table.reindex()
        return {**self._table.unlinked, **self._table.blind}

    @property
    def learning(self) -> dict[tuple[str, str], int | None]:
        """Rules that judge nothing before they have learnt what is usual, by device and rule.

        With the event time, ms, until which that takes at the earliest; None while nothing was heard.
        """
        found: dict[tuple[str, str], int | None] = {}
        for store in self._table.stores:
            for number, until in store.learning():
                slot = self._table.slots[number]
                entity = self._table.by_index[slot.entity] if slot is not None else None
                if slot is not None and entity is not None and entity.exercise is None:
                    found[(entity.device, slot.rule.id)] = None if until == NEVER else until
        return found

    def assess(self, columns: Columns, pace: Floats | None = None) -> Columns:
        """The columns with quality flags, the tests that spoke, and arrival time where a clock is wrong.

        What the tests remember moves on, so each batch comes once, in order. Columns with `tests` come back as they
        are: a caller who wants the flags assesses first and steps with the result.

        Args:
            columns: readings in order of arrival.
            pace: how fast the timeline of each reading runs, 1 and more: delays are longer by as much. None: as real.
        """
        if columns.tests is not None:
            return columns
        table = self._table
        table.reindex()
        count = len(table.channels)
        low, high = table.low[:count], table.high[:count]
        assessed = quality.assess(columns, low, high, outline.of(table, columns.channel).spans)
        assessed = assessed._replace(tests=quality.first_bits(columns, assessed, low, high))
        return stream.examine(assessed, table.memory, table.net, pace)

    def step(self, columns: Columns) -> list[Change]:
        """Judge a batch; the changes in the order of the readings that decided.

        Columns that were not assessed yet are assessed first.
        """
        table = self._table
        table.reindex()
        columns = self.assess(columns)
        self._together.begin()
        shape = outline.of(table, columns.channel)
        if not len(shape.index):
            return []
        said = shape.messages(columns)
        changes = presence.heard(table, self._watch, said.signs, said.firsts(columns.arrival), said.begin)
        doubt, finite = Doubt.of(columns), np.isfinite(columns.value)
        beside = None
        if table.pairs is not None:
            beside = gather(table.pairs, columns, shape, said, finite, doubt.any)
        aimed = aim.take(table, columns, shape, finite)
        if len(aimed.row):
            if beside is not None and aimed is not shape.aim:
                beside = beside._replace(later=None)
            changes.extend(self._judge(columns, doubt, aimed, beside))
        elif beside is not None:
            kind_step.pass_by(table, beside)
        changes.sort(key=lambda change: change.decided_by)
        return changes

    def _judge(self, columns: Columns, doubt: Doubt, aimed: Aim, beside: Beside | None) -> list[Change]:
        table = self._table
        alone, slot = aimed.alone, aimed.slot
        value = aimed.row.of(columns.value)
        rows = self._rows(columns, doubt, aimed, value)
        slot.put(table.touched, True)
        known = slot.of(table.state.newest)
        ordered = judgement.lanes(rows, table.state, known, slot, alone=alone)
        self._rates(rows, aimed, value, ordered)
        told = Told()
        if table.stores:
            fresh = judgement.fresh(rows, ordered, known, alone=alone)
            kind_step.signals(table, rows, aimed.places, value, ordered, fresh, beside, told)
        sight = judgement.Sight(slot, aimed.said.below, aimed.said.lowest)
        happenings = judgement.judge(rows, ordered, table.state, table.settings, table.calm, alone=alone, sight=sight)
        happenings += self._together.gather(rows, ordered, told, aimed)
        changes = []
        for each in self._together.in_order(happenings, self._together.common(rows, ordered, happenings)):
            change = self._relevel(each, columns) if isinstance(each, Relevel) else self._turn(each, columns, told)
            if change is not None:
                changes.append(change)
        return changes

    def _rows(self, columns: Columns, doubt: Doubt, aimed: Aim, value: Floats) -> Rows:
        settings = self._table.settings
        row, kind, count = aimed.row, aimed.kind, len(aimed.row)
        ts = row.of(columns.ts)
        barred = np.zeros(count, dtype=np.bool_)
        if aimed.said.scheduled:
            barred = settings.scheduled[kind]
            barred[barred] = ~schedule.inside(ts[barred], settings, kind[barred])
        return Rows(
            slot=aimed.slot.numbers,
            kind=kind,
            ts=ts,
            arrival=ts if columns.arrival is columns.ts else row.of(columns.arrival),
            signal=aimed.signal(value),
            bad=row.of(doubt.any) if doubt.some else np.zeros(count, dtype=np.bool_),
            unsure=row.of(doubt.unsure) if doubt.some else np.zeros(count, dtype=np.bool_),
            counted=row.of(columns.counted),
            row=row.numbers,
            barred=barred,
        )

    def _rates(self, rows: Rows, aimed: Aim, value: Floats, ordered: Bools) -> None:
        table, where = self._table, aimed.said.rated
        if len(where):
            rings = table.ring[rows.slot[where]].astype(np.int64)
            rows.signal[where] = rate.signal(
                rows.only(where), value[where], ordered[where], rings, table.settings, table.rings, alone=aimed.alone
            )

    def _turn(self, happening: Happening, columns: Columns, told: Told) -> Change | None:
        table = self._table
        slot = table.slots[happening.slot]
        if slot is None:
            return None
        state = table.state[happening.slot]
        if happening.leaves:
            turn = episode.leave(state, happening, slot.ranks)
        else:
            turn = episode.fulfil(state, happening, table.cooldown_ms(happening.slot))
        if turn is None:
            return None
        table.calm.quiet[happening.slot] = False
        evidence = gathered(slot.rule, happening, columns, told) | self._together.evidence(happening)
        tells, common = self._together.tell(happening.slot, turn, happening.ts, happening.row)
        if tells is None:
            return None
        return tell(self._table, happening.slot, tells, happening.ts, happening.row, evidence | common)

    def _relevel(self, each: Relevel, columns: Columns) -> Change | None:
        slot = self._table.slots[each.slot]
        tells, common = self._together.relevel(each)
        if slot is None or tells is None:
            return None
        evidence: dict[str, float | str | None] = {"point": slot.rule.point, "value": float(columns.value[each.row])}
        return tell(self._table, each.slot, tells, each.ts, each.row, evidence | common)

    def restless(self, channel: npt.NDArray[np.int32]) -> Bools:
        """For each channel number whether a rule that judges it does not lie still: over its clear level, on, or held.

        A channel that no rule judges lies still.
        """
        table = self._table
        table.reindex()
        found = np.zeros(len(channel), dtype=np.bool_)
        known = np.flatnonzero((channel >= 0) & (channel < len(table.start) - 1))
        row, offset = scan.spread(table.number[channel[known]].astype(np.int64))
        if len(row):
            slot = table.target[table.start[channel[known[row]]] + offset].astype(np.int64)
            stirs = ~table.calm.quiet[slot] & (table.state.newest[slot] != NEVER)  # one that judges nothing lies still
            found[known[row[stirs]]] = True
        return found

    def seen(self, device: str, at: int, exercise: str | None = None) -> list[Change]:
        """A sign of life that is not a reading (a status, an event); ends a silence. `at`: scenario ms of arrival."""
        table = self._table
        table.reindex()
        entity = table.entities.get((exercise, device))
        if entity is None:
            return []
        signs = presence.Signs(table, np.array([entity.index]))
        return presence.heard(table, self._watch, signs, np.array([at]), np.array([-1]))

    def last_seen(self, device: str, exercise: str | None = None) -> int | None:
        """Arrival of the last sign of life, scenario ms; None = never."""
        entity = self._table.entities.get((exercise, device))
        if entity is None or self._table.seen[entity.index] == NEVER:
            return None
        return int(self._table.seen[entity.index])

    def resume(self, now: Mapping[str, int]) -> None:
        """Nobody could be heard until now (a lost broker, a process that stood still): as at a restart.

        Devices that are not heard from here on are called silent when their rule's grace is over, not before. Grace
        that they have used already is not given again, so that losses in a row add up to one grace.

        Args:
            now: scenario time by timeline name, as for `tick`.
        """
        self._table.reindex()
        self._watch.resume(now)

    def tick(self, now: Mapping[str, int], *, deaf: bool = False) -> list[Change]:
        """Let time pass: silence, and holds that silence cut off.

        Args:
            now: scenario time by timeline name; an exercise's under its drill id. Timelines that are not named stand
                still.
            deaf: nobody can be heard now. No device is called silent then, and no grace is used up; a hold that is cut
                off surfaces all the same: what we lost may have burnt. `resume` when it is over.
        """
        self._table.reindex()
        changes: list[Change] = []
        self._together.begin()
        lapses = list(self._watch.passed(now, deaf=deaf))
        self._together.silences(lapses)
        for lapse in lapses:
            number, happening = lapse.happening.slot, lapse.happening
            slot, state = self._table.slots[number], self._table.state[number]
            if slot is None:
                continue
            if happening.leaves:
                turn = episode.leave(state, happening, slot.ranks)
            else:
                turn = episode.fulfil(state, happening, self._table.cooldown_ms(number))
            self._table.touched[number] = True
            self._table.calm.quiet[number] = False
            if turn is None:
                continue
            tells, common = self._together.tell(number, turn, happening.ts, -1)
            if tells is not None:
                changes.append(tell(self._table, number, tells, happening.ts, -1, {**lapse.evidence, **common}))
        return changes

    def dirty(self) -> dict[str, bytes]:
        """State rows touched since the last call, by key; an empty value means that the row is to be deleted.

        Keys are `<exercise or nothing>/<device>/<rule or nothing>`.
        """
        self._table.reindex()
        out = dict.fromkeys(self._gone, b"")
        self._gone.clear()
        out.update(export.collect(self._table, self._settle_ms))
        self._together.members.reindex()
        out.update(self._together.members.collect(self._settle_ms))
        return out

    def state_bytes(self) -> int:
        """Memory of the arrays that hold thresholds, states and what the quality tests remember."""
        self._table.reindex()
        return self._table.bytes() + self._together.members.bytes()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take rows that `dirty` gave, before or after `configure`; rows of what is not known wait for it."""
        self._waiting.update({key: row for key, row in state.items() if row})
        self.unreadable.extend(self._together.members.restore(self._waiting))
        self.unreadable.extend(adopt(self._table, list(self._table.entities.values()), self._waiting))
        self._wake_exercises()

    def _furnish(self, entity: Entity, device: DeviceRules) -> None:
        self._table.furnish(entity, device)
        self.unreadable.extend(adopt(self._table, [entity], self._waiting))

    def _wake_exercises(self) -> None:
        """Give the rows of running exercises their entities back, so that time passes for them too."""
        for exercise, device in exercises(self._waiting):
            known = self._table.devices.get(device)
            if known is not None and (exercise, device) not in self._table.entities:
                self._furnish(self._table.admit(exercise, device), known)

    def _clear_orphans(self) -> list[Change]:
        """Restored alarms whose rule or device is not in the table any more: nothing would ever clear them."""
        if not self._table.devices:
            return []  # nothing is known yet
        changes = []
        for key in list(self._waiting):
            changes.extend(orphan(key, self._waiting.pop(key)))
            self._gone.add(key)
        return changes

    def _dismiss(self, entity: Entity, rule_id: str) -> list[Change]:
        table = self._table
        number = entity.slots[rule_id]
        slot, state = table.slots[number], table.state[number]
        changes = []
        if slot is not None and state["rank"]:
            at = max(int(state["newest"]), int(state["opened"]))
            evidence = {"because": "the rule was taken away"}
            changes.append(tell(self._table, number, Turn(Verb.CLEARED, 0), at, -1, evidence))
        table.release(entity, rule_id)
        self._gone.add(row_key(entity.exercise, entity.device, rule_id))
        return changes
