"""A frame for tests of one kind: plain loops over plain lists, one device, nothing kept between batches."""

from collections.abc import Mapping, Sequence

import numpy as np

from rules.condition import NEVER
from rules.frame import Frame, Input, Window


class PlainFrame(Frame):
    """Readings of one device as a kind would see them.

    Args:
        inputs: of the rule; the first is judged.
        readings: by input name, (ts ms, value) in order of arrival.
        bad: by number of the judged reading.
    """

    def __init__(
        self, inputs: Sequence[Input], readings: Mapping[str, Sequence[tuple[int, float]]], bad: Sequence[int] = ()
    ) -> None:
        own = readings[inputs[0].name]
        count = len(own)
        self._inputs = {each.name: each for each in inputs}
        self._readings = readings
        self._judged = inputs[0].name
        self.slot = np.zeros(count, dtype=np.int64)
        self.setting = np.zeros(count, dtype=np.int64)
        self.first = np.arange(count) == 0
        self.ts = np.array([ts for ts, _ in own], dtype=np.int64)
        self.arrival = self.ts.copy()
        self.value = np.array([value for _, value in own], dtype=np.float64)
        self.bad = np.isin(np.arange(count), list(bad))
        before = np.concatenate(([NEVER], np.maximum.accumulate(self.ts)[:-1])) if count else self.ts
        self.fresh = self.ts > before
        self.usable = ~self.bad & self.fresh

    def latest(self, name: str):
        value, at = np.full(len(self.ts), np.nan), np.full(len(self.ts), NEVER)
        for row, now in enumerate(self.ts.tolist()):
            for ts, each in self._readings.get(name, ()):
                if ts <= now and ts >= at[row]:
                    at[row], value[row] = ts, each
        return value, at

    def window(self, name: str, rows=None) -> Window:
        rows = np.arange(len(self.ts)) if rows is None else rows
        kind = self._inputs[name]
        part = max(kind.window_ms // kind.parts, 1)
        width = kind.parts + 2 + (name == self._judged)
        out_ts, out_value = np.full((len(rows), width), NEVER), np.full((len(rows), width), np.nan)
        for line, row in enumerate(rows.tolist()):
            now = int(self.ts[row])
            kept: dict[int, tuple[int, float]] = {}
            for number, (ts, value) in enumerate(self._readings.get(name, ())):
                if name == self._judged and (number > row or not self.usable[number]):
                    continue
                if ts <= now:
                    kept.setdefault(ts // part, (ts, value))
            line_of = [kept[key] for key in sorted(kept)][-(kind.parts + 2) :]
            line_of = [each for each in line_of if each[0] >= now - kind.window_ms]
            if name == self._judged:
                line_of = [each for each in line_of if each[0] != now] + [(now, float(self.value[row]))]
            for place, (ts, value) in enumerate(line_of, start=width - len(line_of)):
                out_ts[line, place], out_value[line, place] = ts, value
        return Window(out_ts, out_value)
