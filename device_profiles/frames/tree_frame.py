"""Frames whose payload is a tree of objects and lists, values found by path: json, cbor, codec."""

from collections.abc import Sequence
from typing import Any

from device_profiles.decoder import MAX_EARLIER, Code, DecodeError, Message
from device_profiles.document import CborFrame, CodecFrame, JsonFrame, TextRecords
from device_profiles.frames.paths import Path, is_there, path_of, reach
from device_profiles.frames.plan import Parts
from device_profiles.frames.text_frame import (
    Cell,
    Clock,
    Header,
    Stamp,
    TextPlan,
    convert_point,
    convert_state,
    nothing_known,
)
from device_profiles.frames.values import Derivation, shown


class TreePlan(TextPlan):
    """A compiled frame of paths; the frames give `load`."""

    form = "an object"

    def __init__(
        self,
        frame: JsonFrame | CborFrame | CodecFrame,
        parts: Parts,
        ports: Sequence[int] | None = None,
        other_ports: Sequence[int] = (),
    ) -> None:
        super().__init__(parts, ports, other_ports)
        self.paths: list[Path] = []
        cells = []
        for index, point in enumerate(self.points):
            if not point.derived:
                document = parts.documents[point.name]
                cells.append(Cell(len(self.paths), index, point.name, convert_point(document)))
                self.paths.append(path_of(document.at, point.name))
        for name, state in parts.states.items():
            cells.append(Cell(len(self.paths), -1, name, convert_state(state)))
            self.paths.append(path_of(state.at, name))
        self.cells = tuple(cells)
        self.header = Header(frame, self.paths)
        self._reaches = tuple(reach(path) for path in self.paths)
        self._records = None if frame.records is None else _Records(frame.records, self.cells, self.paths)

    def load(self, payload: bytes, fport: int | None) -> Any:
        """The tree of a payload.

        Raises:
            DecodeError: where it is none.
        """
        raise NotImplementedError

    def read(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:
        """Value by value."""
        found = self.load(payload, fport)
        if found.__class__ is not dict and (self._records is None or found.__class__ is not list):
            raise DecodeError(Code.MALFORMED, f"{self.form} was expected, not {shown(found)}")
        raw = [find(found) for find in self._reaches]
        row: list[float | None] = [None] * self.width
        texts: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        self.take(self.cells, raw, row, texts, problems)
        stamp = self.header.of(raw, problems)
        if self._records is not None:
            return self._records.message(self, found, (row, texts, problems), stamp, derivation)
        if not texts and not problems and row.count(None) == self.width and self.is_strange(found):
            problems.append(nothing_known(found))
        return self.finish(row, texts, problems, derivation, stamp)

    def is_strange(self, found: Any) -> bool:
        """Whether no key of the profile, time and counter included, is there."""
        return found.__class__ is dict and not any(is_there(found, path) for path in self.paths)


_MOST_VALUES = 3072
_LEAST_RECORDS = 16
_Kept = tuple[list[float | None], dict[str, str], list[tuple[str, str, str]]]


class _Records:
    """The list of earlier measurements in a tree."""

    def __init__(self, written: TextRecords, cells: Sequence[Cell], paths: Sequence[Path]) -> None:
        self._path = path_of(written.at, "")
        self._at = reach(self._path)
        self._clock = Clock(written.ts)
        self._ts = None if self._clock.at is None else reach(path_of(self._clock.at, ""))
        self._every_s = written.every_s
        self._newest_first = written.newest_first
        chosen = [cell for cell in cells if written.points is None or cell.name in written.points]
        places = [
            path_of(written.points[cell.name], "") if written.points is not None else paths[cell.slot]
            for cell in chosen
        ]
        self._reaches = tuple(reach(place) for place in places)
        self._most = min(MAX_EARLIER, max(_LEAST_RECORDS, _MOST_VALUES // max(1, len(chosen))))
        self._cells = tuple(cell._replace(slot=slot) for slot, cell in enumerate(chosen))

    def message(self, plan: TreePlan, found: Any, kept: _Kept, stamp: Stamp, derivation: Derivation) -> Message:
        """The message that carries the records; the newest of them is part of it where it holds none of its own."""
        listed = self._at(found)
        row, texts, problems = kept
        if listed.__class__ is dict:
            listed = [listed]
        if listed.__class__ is not list:
            listed = []
        if len(listed) > self._most:
            raise DecodeError(Code.MALFORMED, f"{len(listed)} records; at most {self._most} are read")
        read = self._ordered([entry for item in listed if (entry := self._entry(plan, item)) is not None])
        own = any(row[cell.place] is not None if cell.place >= 0 else cell.name in texts for cell in self._cells)
        if read and not own:
            newest, (values, words, flaws) = read.pop()
            row[:] = [old if new is None else new for old, new in zip(row, values, strict=True)]
            texts.update(words)
            problems += flaws
            if newest.ts is not None or newest.ts_problem is not None:
                stamp = stamp._replace(ts=newest.ts, ts_problem=newest.ts_problem)
        empty = not (texts or problems or read) and row.count(None) == plan.width
        if empty and not is_there(found, self._path) and plan.is_strange(found):
            problems.append(nothing_known(found))
        count = len(read)
        earlier = tuple(
            plan.finish(*entry, derivation, when, None if self._every_s is None else (count - place) * self._every_s)
            for place, (when, entry) in enumerate(read)
        )
        return plan.finish(row, texts, problems, derivation, stamp, earlier=earlier)

    def _entry(self, plan: TextPlan, item: Any) -> tuple[Stamp, _Kept] | None:
        kept: _Kept = ([None] * plan.width, {}, [])
        plan.take(self._cells, [find(item) for find in self._reaches], *kept)
        if not kept[1] and not kept[2] and kept[0].count(None) == plan.width:
            return None
        ts, ts_problem = self._clock.instant(self._ts(item) if self._ts is not None else None)
        if self._ts is not None and ts is None and ts_problem is None:
            ts_problem = "a record without a time"
        return Stamp(ts, ts_problem), kept

    def _ordered(self, read: list[tuple[Stamp, _Kept]]) -> list[tuple[Stamp, _Kept]]:
        """Oldest first."""
        if self._newest_first:
            read.reverse()
        if self._ts is not None:
            read.sort(key=lambda entry: -1 if entry[0].ts is None else entry[0].ts)
        return read
