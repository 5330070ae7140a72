"""A rule kind fed one reading at a time: what it keeps are plain lists, its frame has one row."""

import numpy as np

from rules.condition import NEVER
from rules.frame import Frame, Window


class OneRow(Frame):
    """One reading of the judged input and what is known beside it."""

    def __init__(self, kept, ts, value, *, bad, in_order, fresh):
        self.kept, self.in_order = kept, in_order
        self.slot = self.setting = np.zeros(1, dtype=np.int64)
        self.first = np.ones(1, dtype=np.bool_)
        self.ts = self.arrival = np.array([ts], dtype=np.int64)
        self.value = np.array([value])
        self.bad, self.usable = np.array([bad]), np.array([fresh and not bad])

    def latest(self, name):
        ts, value = self.kept.beside(name, int(self.ts[0]), self.in_order)
        return np.array([value]), np.array([ts], dtype=np.int64)

    def window(self, name, rows=None):
        width = self.kept.inputs[name].parts + 3 if name in self.kept.inputs else 1
        ts, value = np.full((1, width), NEVER), np.full((1, width), np.nan)
        own = name == self.kept.judged
        now = int(self.ts[0])
        found = [each for each in self.kept.window(name, now) if each[0] < now or not own]
        if own:
            found.append((now, float(self.value[0])))
        for place, each in enumerate(reversed(found), start=1):
            ts[0, -place], value[0, -place] = each
        chosen = slice(None) if rows is None else rows
        return Window(ts[chosen], value[chosen])


class PlainKept:
    """What one rule of a kind keeps on one device."""

    def __init__(self, module, rule, parameters):
        self.module = module
        self.inputs = {each.name: each for each in rule.inputs}
        self.judged = rule.inputs[0].name
        self.latest = dict.fromkeys(self.inputs, (NEVER, float("nan")))
        self.rings = {name: [] for name in self.inputs}
        self.message = {}
        self.settings = np.zeros(1, dtype=module.SETTINGS)
        self.blind = module.settings(rule.options, parameters, self.settings[0]) is not None
        self.memory = np.zeros(1, dtype=module.MEMORY)
        if self.memory.dtype.itemsize:
            self.memory[:] = module.blank()

    def hear(self, name, ts, value):
        """A sound reading of another input."""
        if name not in self.inputs:
            return
        self.message[name] = (ts, value)
        if ts >= self.latest[name][0]:
            self.latest[name] = (ts, value)
            self._ring(name, ts, value)

    def beside(self, name, now, in_order):
        if name not in self.inputs:
            return NEVER, float("nan")
        if in_order:
            return self.latest[name]
        if name in self.message and self.message[name][0] == now:
            return self.message[name]
        if self.latest[name][0] <= now:
            return self.latest[name]
        return max(self.window(name, now), default=(NEVER, float("nan")))

    def window(self, name, now):
        if name not in self.inputs or not self.inputs[name].window_ms:
            return []
        return [each for each in self.rings[name] if now - self.inputs[name].window_ms <= each[0] <= now]

    def _ring(self, name, ts, value):
        each, ring = self.inputs[name], self.rings[name]
        if not each.window_ms:
            return
        part = max(each.window_ms // each.parts, 1)
        if not ring or ts // part > ring[-1][0] // part:
            ring.append((ts, float(np.float32(value))))
            ring[:] = [old for old in ring if old[0] // part > ts // part - each.parts - 2]

    def signal(self, ts, value, *, bad, in_order, fresh):
        """Of one judged reading, in the unit of the thresholds."""
        if self.blind:
            return float("nan")
        frame = OneRow(self, ts, value, bad=bad, in_order=in_order, fresh=fresh)
        signal = float(self.module.signal(frame, self.settings, self.memory).value[0])
        if fresh and not bad:
            self._ring(self.judged, ts, value)
        return signal
