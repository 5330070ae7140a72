"""The condition machine once more, one reading at a time: slow, plain, and by reading the rules page only.

It is what the vectorised engine is held against.
"""

import datetime as dt
import math
from dataclasses import dataclass, field

from plain_kinds import PlainKept

from rules.declaration import Rule
from rules.kinds import KINDS

PARTS = 16


@dataclass
class Run:
    held: bool = False
    held_ms: int = 0
    samples: int = 0
    doubt: bool = False
    met: bool = False
    low_run: bool = False
    clear_ms: int = 0
    cleared: bool = False
    late_held: bool = False
    late_low: int = 0
    late_high: int = 0
    late_samples: int = 0
    late_doubt: bool = False
    late_met: bool = False


@dataclass
class PlainRule:
    """One rule on one device; `read` gives (verb, level name or None, at, opened_at, suspect) or None."""

    rule: Rule
    parameters: dict = field(default_factory=dict)

    def __post_init__(self):
        self.sign = 1.0 if self.rule.direction == "above" else -1.0
        self.runs = {level: Run() for level in sorted(self.rule.levels, key=lambda each: each.rank)}
        self.newest = self.judged = self.late_at = self.closed = self.opened = None
        self.kept = []
        self.level = None
        self.highest = None
        self.suspect = False
        self.kind = PlainKept(KINDS[self.rule.kind], self.rule, self.parameters) if self.rule.inputs else None

    def message(self, rows):
        """Rows (point, ts, value, bad, counted) of one message of the device itself; what the judged one brought."""
        names = {point: name for name, (_, point) in self.rule.sources.items()}
        self.kind.message = {}
        for point, ts, value, bad, counted in rows:
            if point in names and point != self.rule.point and not bad and counted and math.isfinite(value):
                self.kind.hear(names[point], ts, value)
        answers = [self.read(ts, value, bad, counted) for point, ts, value, bad, counted in rows
                   if point == self.rule.point]  # fmt: skip
        return answers[0] if answers else None

    def barred(self, ts):
        schedule = self.rule.schedule
        if schedule is None:
            return False
        local = dt.datetime.fromtimestamp((ts + schedule.offset_ms) / 1000, dt.UTC)
        time = (local.hour * 3600 + local.minute * 60 + local.second) * 1000 + local.microsecond // 1000
        today, yesterday = (bool(schedule.days >> (local.weekday() - back) % 7 & 1) for back in (0, 1))
        if schedule.from_ms < schedule.to_ms:
            return not (today and schedule.from_ms <= time < schedule.to_ms)
        return not ((today and time >= schedule.from_ms) or (yesterday and time < schedule.to_ms))

    def cools(self, level, ts):
        """Whether an episode ended too shortly ago for one of this level to open."""
        if self.level is not None or self.closed is None or level.rank > self.highest.rank:
            return False
        return ts < self.closed + round(self.rule.cooldown_s * 1000)

    def signal(self, ts, value, first_lane, bad, fresh):
        rule = self.rule
        if self.kind is not None:
            return self.sign * self.kind.signal(ts, value, bad=bad, in_order=first_lane, fresh=fresh)
        if rule.kind == "level":
            if rule.reference is None:
                return self.sign * value
            base = self.parameters.get(rule.reference)
            return math.nan if not base else self.sign * (value * (100.0 / base) + -100.0)
        window = round(rule.window_s * 1000)
        part = max(window // PARTS, 1)
        if first_lane and not bad and (not self.kept or ts // part > self.kept[-1][0] // part):
            self.kept.append((ts, value))
            self.kept = [each for each in self.kept if each[0] // part > ts // part - PARTS - 2]
        if not first_lane:
            return math.nan
        if rule.at_least is not None and value < rule.at_least:
            return -math.inf
        for then, before in self.kept:
            if then >= ts - window:
                if (ts - then) * 2 < window:
                    return math.nan
                return self.sign * ((value - before) / ((ts - then) / 60_000))
        return math.nan

    def read(self, ts, value, bad=False, counted=True, unsure=False):
        self.lasting = bad  # what the next reading may confirm puts only itself in doubt
        bad = bad or unsure
        if not math.isfinite(value):
            return None
        first_lane = counted and (self.newest is None or ts >= self.newest)
        fresh = first_lane and (self.newest is None or ts > self.newest)
        if first_lane:
            self.newest = ts
        signal = self.signal(ts, value, first_lane, bad, fresh)
        mildest = min(self.sign * bound.enter for bound in self.rule.levels.values())
        self.outside = self.barred(ts)
        if math.isnan(signal) or (bad and (signal < mildest or self.outside)):
            return None
        if first_lane:
            return self.in_order(ts, signal, bad)
        return self.late(ts, signal, bad, counted)

    def in_order(self, ts, signal, bad):
        gap = round(self.rule.max_gap_s * 1000)
        fresh = self.judged is None or ts > self.judged
        elapsed = 0 if self.judged is None or ts - self.judged > gap else ts - self.judged
        self.judged = ts
        reached, left = [], []
        for level, run in self.runs.items():
            bound = self.rule.levels[level]
            high = signal >= self.sign * bound.enter
            low = signal < self.sign * bound.exit and not bad
            high = high and not self.outside
            if high and not run.held:
                run.held, run.held_ms, run.samples, run.doubt, run.met = True, 0, 1, self.lasting, False
            elif low:
                run.held = False
            elif run.held:
                run.held_ms += elapsed
                run.samples += high and fresh
                run.doubt |= high and self.lasting
            enough = run.held_ms >= round(bound.hold_s * 1000) and run.samples >= bound.min_samples
            if high and enough and (not run.met or self.rule.cooldown_s):
                run.met = True
                reached.append((level, run.doubt or bad))
            if low:
                run.clear_ms = run.clear_ms + elapsed if run.low_run else 0
            run.low_run = low
            run.cleared = low and run.clear_ms >= round(self.rule.clear_hold_s * 1000)
            if run.cleared:
                left.append(level)
        if left and self.level is not None and self.level.rank >= left[0].rank:
            milder = [level for level in self.runs if level.rank < left[0].rank]
            self.level = milder[-1] if milder else None
            if self.level is None:
                self.closed = ts
                return ("cleared", None, ts, self.opened, self.suspect)
            return ("deescalated", self.level, ts, self.opened, self.suspect)
        if reached and (self.level is None or reached[-1][0].rank > self.level.rank):
            return None if self.cools(reached[-1][0], ts) else self.rise(*reached[-1], ts)
        return None

    def late(self, ts, signal, bad, counted):
        gap = round(self.rule.max_gap_s * 1000)
        broken = self.late_at is None or abs(ts - self.late_at) > gap
        self.late_at = ts
        reached = []
        for level, run in self.runs.items():
            bound = self.rule.levels[level]
            high = signal >= self.sign * bound.enter
            low = signal < self.sign * bound.exit and not bad
            high = high and not self.outside
            if low or broken:
                run.late_held = False
            if high and not run.late_held:
                run.late_held, run.late_met, run.late_doubt = True, False, self.lasting
                run.late_low = run.late_high = ts
                run.late_samples = int(counted)
            elif run.late_held:
                new = ts < run.late_low or ts > run.late_high
                run.late_low, run.late_high = min(ts, run.late_low), max(ts, run.late_high)
                run.late_samples += high and counted and new
                run.late_doubt |= high and self.lasting
            if (
                high
                and (not run.late_met or self.rule.cooldown_s)
                and run.late_high - run.late_low >= round(bound.hold_s * 1000)
                and max(run.late_samples, 1) >= bound.min_samples
            ):
                run.late_met = True
                reached.append((level, run.late_doubt or bad))
        if not reached:
            return None
        level, doubt = reached[-1]
        if self.closed is not None and ts <= self.closed:
            return None
        if self.level is None:
            if self.cools(level, ts):
                return None
        elif level.rank <= self.highest.rank:
            return None
        return self.rise(level, doubt, ts)

    def rise(self, level, doubt, ts):
        verb = "raised" if self.level is None else "escalated"
        if self.level is None:
            self.opened = ts if self.opened is None or ts > self.opened else self.opened + 1
            self.highest = level
        self.highest = max(self.highest, level, key=lambda each: each.rank)
        self.level = level
        self.suspect = doubt
        return (verb, level, ts, self.opened, doubt)
