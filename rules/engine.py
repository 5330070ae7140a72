"""The engine: holds the rules of many devices and their state, and steps them over columns of readings.

It has no clock and does no I/O. What it decides does not depend on how a stream is cut into batches, nor on its state
being exported and restored in between. One engine, one caller at a time.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from rules import episode, export, judgement, level, quality, rate, scan, stream
from rules.columns import Change, Columns
from rules.condition import NEVER, Happening, Rows
from rules.episode import Turn
from rules.scan import Ints
from rules.table import DeviceRules, Entity, Slot, Table, row_key
from rules.watch import Watch
from wire.alert import Verb
from wire.level import Level

__all__ = ["Change", "Columns", "DeviceRules", "Engine"]

SETTLE_S = 60.0


class Engine:
    """Rules of many devices, stepped together."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        """An empty engine.

        Args:
            settle_s: rows of which only the newest time moved are exported (`dirty`) no oftener than this, in
                scenario time; spares flash. 0 exports every row that was touched.
        """
        self._settle_ms = round(settle_s * 1000)
        self._table = Table()
        self._watch = Watch(self._table)
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
        for name, each in news.items():
            if before.get(name) == each:
                continue
            if None not in table.lives.get(name, {}):
                table.admit(None, name)
            for entity in table.lives[name].values():
                self._gone.update(table.untested(entity, before.get(name), each))
                self._furnish(entity, each)
            table.measure(each)
        self._wake_exercises()
        changes.extend(self._clear_orphans())
        table.tidy()
        return changes

    def forget_exercise(self, exercise: str) -> None:
        """Drop all state of an exercise; its rows come out of `dirty` once more, empty."""
        for entity in [each for each in self._table.entities.values() if each.exercise == exercise]:
            self._gone.update(self._table.drop(entity))
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
        return dict(self._table.blind)

    def assess(self, columns: Columns) -> Columns:
        """The columns with quality flags, the tests that spoke, and arrival time where a clock is wrong.

        What the tests remember moves on, so each batch comes once, in order. Columns with `tests` come back as they
        are: a caller who wants the flags assesses first and steps with the result.
        """
        if columns.tests is not None:
            return columns
        table = self._table
        table.reindex()
        count = len(table.channels)
        low, high = table.low[:count], table.high[:count]
        assessed = quality.assess(columns, low, high)
        assessed = assessed._replace(tests=quality.first_bits(columns, assessed, low, high))
        return stream.examine(assessed, table.memory, table.net)

    def step(self, columns: Columns) -> list[Change]:
        """Judge a batch; the changes in the order of the readings that decided.

        Columns that were not assessed yet are assessed first.
        """
        table = self._table
        table.reindex()
        columns = self.assess(columns)
        index = np.flatnonzero((columns.channel >= 0) & (columns.channel < len(table.start) - 1))
        if not len(index):
            return []
        channel = columns.channel if len(index) == len(columns.channel) else columns.channel[index]
        changes = self._heard(channel, columns, index)
        start = table.start[channel]
        number = table.start[channel + 1] - start
        finite = np.isfinite(columns.value)
        if not finite.all():
            number = np.where(finite[index], number, 0)
        if int(number.min()) == int(number.max()) == 1:
            changes.extend(self._judge(columns, index, table.target[start]))
        elif number.any():
            row, offset = scan.spread(number)
            changes.extend(self._judge(columns, index[row], table.target[start[row] + offset]))
        changes.sort(key=lambda change: change.decided_by)
        return changes

    def _judge(self, columns: Columns, row: Ints, slot: Ints) -> list[Change]:
        table = self._table
        alone = table.alone(slot)
        if not alone:
            order = np.argsort(slot, kind="stable")
            row, slot = row[order], slot[order]
        kind = table.kind[slot].astype(np.int64)
        value = columns.value[row]
        bad = quality.is_bad(columns)
        unsure = quality.is_unsure(columns) & ~bad
        bad |= unsure
        rows = Rows(
            slot=slot,
            kind=kind,
            ts=columns.ts[row],
            arrival=columns.arrival[row],
            signal=level.signal(kind, value, table.settings),
            bad=bad[row],
            unsure=unsure[row],
            counted=columns.counted[row],
            row=row,
        )
        table.touched[slot] = True
        ordered = judgement.lanes(rows, table.state, alone=alone)
        rated = table.settings.rated[kind]
        if rated.any():
            where = np.flatnonzero(rated)
            rings = table.ring[slot[where]].astype(np.int64)
            rows.signal[where] = rate.signal(
                rows.only(where), value[where], ordered[where], rings, table.settings, table.rings,
                alone=alone,
            )  # fmt: skip
        changes = []
        for happening in judgement.judge(rows, ordered, table.state, table.settings, table.calm, alone=alone):
            change = self._turn(happening, columns)
            if change is not None:
                changes.append(change)
        return changes

    def _turn(self, happening: Happening, columns: Columns) -> Change | None:
        slot = self._table.slots[happening.slot]
        if slot is None:
            return None
        state = self._table.state[happening.slot]
        turn = episode.leave(state, happening, slot.ranks) if happening.leaves else episode.fulfil(state, happening)
        if turn is None:
            return None
        self._table.calm.quiet[happening.slot] = False
        rule = slot.rule
        evidence: dict[str, float | str | None] = {"point": rule.point, "value": float(columns.value[happening.row])}
        sign = 1.0 if rule.direction == "above" else -1.0
        if rule.kind == "rate":
            evidence["rate"] = sign * happening.signal if np.isfinite(happening.signal) else None
        elif rule.reference is not None:
            evidence["percent"] = sign * happening.signal
        bound = rule.levels.get(Level.of_rank(happening.rank) or Level.IV)
        if bound is not None:
            evidence["threshold"] = bound.exit if happening.leaves else bound.enter
        evidence["held_s"] = happening.held_s
        if not happening.leaves:
            evidence["samples"] = happening.samples
        if happening.late:
            evidence["lane"] = "late"
        if columns.tests is not None and columns.tests[happening.row]:
            evidence["tests"] = quality.names(int(columns.tests[happening.row]))
        return self._told(happening.slot, slot, turn, happening.ts, happening.row, evidence)

    def _told(
        self,
        number: int,
        slot: Slot,
        turn: Turn,
        at: int,
        decided_by: int,
        evidence: Mapping[str, float | str | None],
    ) -> Change:
        entity, state = self._table.by_index[slot.entity], self._table.state[number]
        assert entity is not None
        return Change(
            device=entity.device,
            exercise=entity.exercise,
            rule=slot.rule.id,
            hazard=slot.rule.hazard,
            verb=turn.verb,
            level=Level.of_rank(turn.rank),
            at=at,
            opened_at=int(state["opened"]),
            suspect=bool(state["suspect"]),
            decided_by=decided_by,
            evidence=evidence,
        )

    def _heard(self, channel: npt.NDArray[np.int32], columns: Columns, index: Ints) -> list[Change]:
        table = self._table
        entity = table.entity_of[channel]
        live = entity >= 0
        if not live.all():
            entity, index = entity[live], index[live]
        arrival = columns.arrival[index]
        np.maximum.at(table.seen, entity, arrival)
        table.touched_seen[entity] = table.heard[entity] = True
        return self._end_silences(entity, arrival, index)

    def _end_silences(self, entity: Ints, arrival: Ints, index: Ints) -> list[Change]:
        table = self._table
        if not len(table.state):
            return []
        slots = table.silent_slot[entity]
        waiting = ((table.state.rank[slots] > 0) | (table.state.used[slots] > 0)) & (slots >= 0)
        changes = []
        for where in np.flatnonzero(waiting).tolist():
            number = int(slots[where])
            state, slot = table.state[number], table.slots[number]
            if slot is None or not (state["rank"] or state["used"]):
                continue
            state["used"] = 0
            self._watch.heard(number)
            table.touched[number] = True
            if state["rank"]:
                at = max(int(arrival[where]), int(state["opened"]))
                state["rank"], state["closed"] = 0, at
                evidence = {"silent_s": (at - int(state["opened"])) / 1000}
                changes.append(self._told(number, slot, Turn(Verb.CLEARED, 0), at, int(index[where]), evidence))
        return changes

    def seen(self, device: str, at: int, exercise: str | None = None) -> list[Change]:
        """A sign of life that is not a reading (a status, an event); ends a silence. `at`: scenario ms of arrival."""
        table = self._table
        table.reindex()
        entity = table.entities.get((exercise, device))
        if entity is None:
            return []
        table.seen[entity.index] = max(int(table.seen[entity.index]), at)
        table.touched_seen[entity.index] = table.heard[entity.index] = True
        return self._end_silences(np.array([entity.index]), np.array([at]), np.array([-1]))

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
        for lapse in self._watch.passed(now, deaf=deaf):
            number = lapse.happening.slot
            slot = self._table.slots[number]
            turn = episode.fulfil(self._table.state[number], lapse.happening)
            self._table.touched[number] = True
            self._table.calm.quiet[number] = False
            if slot is not None and turn is not None:
                changes.append(self._told(number, slot, turn, lapse.happening.ts, -1, lapse.evidence))
        return changes

    def dirty(self) -> dict[str, bytes]:
        """State rows touched since the last call, by key; an empty value means that the row is to be deleted.

        Keys are `<exercise or nothing>/<device>/<rule or nothing>`.
        """
        self._table.reindex()
        out = dict.fromkeys(self._gone, b"")
        self._gone.clear()
        out.update(export.collect(self._table, self._settle_ms))
        return out

    def state_bytes(self) -> int:
        """Memory of the arrays that hold thresholds, states and what the quality tests remember."""
        self._table.reindex()
        return self._table.bytes()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take rows that `dirty` gave, before or after `configure`; rows of what is not known wait for it."""
        self._waiting.update({key: row for key, row in state.items() if row})
        for entity in self._table.entities.values():
            self.unreadable.extend(export.adopt(self._table, entity, self._waiting))
        self._wake_exercises()

    def _furnish(self, entity: Entity, device: DeviceRules) -> None:
        self._table.furnish(entity, device)
        self.unreadable.extend(export.adopt(self._table, entity, self._waiting))

    def _wake_exercises(self) -> None:
        """Give the rows of running exercises their entities back, so that time passes for them too."""
        for exercise, device in export.exercises(self._waiting):
            known = self._table.devices.get(device)
            if known is not None and (exercise, device) not in self._table.entities:
                self._furnish(self._table.admit(exercise, device), known)

    def _clear_orphans(self) -> list[Change]:
        """Restored alarms whose rule or device is not in the table any more: nothing would ever clear them."""
        if not self._table.devices:
            return []  # nothing is known yet
        changes = []
        for key in list(self._waiting):
            changes.extend(export.orphan(key, self._waiting.pop(key)))
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
            changes.append(self._told(number, slot, Turn(Verb.CLEARED, 0), at, -1, evidence))
        table.release(entity, rule_id)
        self._gone.add(row_key(entity.exercise, entity.device, rule_id))
        return changes
