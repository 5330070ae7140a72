"""The quality tests once more, one reading at a time, from the rules page: what `rules.stream` is held to."""

import math
import statistics
from dataclasses import dataclass, field

import numpy as np

from rules.quality_declaration import Limits

SKEW, WRONG, STEADY, ZONE, FUTURE = 5_000, 120_000, 30_000, 28_800_000, 30_000
BLOCK = 21_600_000


@dataclass
class PlainChannel:
    limits: Limits
    valid: tuple[float, float] | None = None
    newest: int | None = None
    sound: int | None = None
    last: list = field(default_factory=list)
    code: int = 0
    delays: list = field(default_factory=list)
    arrivals: list = field(default_factory=list)
    verdict: str = "right"
    stretches: dict = field(default_factory=dict)
    said: dict = field(default_factory=dict)  # by number of the link: (value, ts)
    stirred: dict = field(default_factory=dict)
    blocks: dict = field(default_factory=dict)
    listeners: list = field(default_factory=list)  # (channel, number of its link)

    def read(self, ts, arrival, value, flag=2, counted=True):
        """(flag, tests as words, ts)"""
        tests = set()
        flag, clock = self.static(ts, arrival, value, flag, tests)
        if clock:
            ts = arrival
        if counted and not clock:
            clock = self.clock(ts, arrival, tests)
            if clock:
                ts = arrival
                flag = max(flag, 3)
        fresh = counted and (self.newest is None or ts > self.newest)
        if counted and self.newest is not None:
            if ts < self.newest:
                tests.add("order")
            elif ts == self.newest:
                tests.add("duplicate")
            elif ts - self.newest > round(self.limits.gap_s * 1000):
                tests.add("gap")
        if fresh:
            self.newest = ts
        doubted = flag >= 3 and not (clock and flag == 3 and not tests & {"range", "not_finite"})
        sound = fresh and math.isfinite(value) and not doubted
        if value < self.limits.user_low or value > self.limits.user_high:
            tests.add("user_range")
            flag = max(flag, 3)
        elif flag == 2 and self.limits.user_low <= value <= self.limits.user_high:
            flag = 1
        if sound:
            flag = self.remember(ts, value, flag, tests)
        return flag, tests, ts

    def static(self, ts, arrival, value, flag, tests):
        flag = flag or 2
        low, high = self.valid or (math.nan, math.nan)
        if math.isnan(value):
            flag = 9
            tests.add("not_finite")
        elif math.isinf(value):
            flag = max(flag, 4)
            tests.add("not_finite")
        elif self.valid and low <= value <= high and flag == 2:
            flag = 1
        if value < low or value > high:
            flag = max(flag, 4)
            tests.add("range")
            if not math.isinf(value):
                tests.discard("not_finite")
        clock = ts > arrival + FUTURE or (ts < 1_577_836_800_000 <= arrival)
        if clock:
            tests.add("clock")
            flag = max(flag, 3)
            if abs(ts - arrival - ZONE) <= 300_000:
                tests.add("zone")
        return flag, clock

    def clock(self, ts, arrival, tests):
        delay = max(min(arrival - ts, 2**31 - 1), -(2**31 - 1))
        if abs(delay) <= SKEW:
            self.delays, self.arrivals, self.verdict = [], [], "right"
            return False
        if len(self.delays) == 100:
            self.delays, self.arrivals = [], []
        self.delays.append(delay)
        self.arrivals.append(arrival)
        if len(self.delays) >= 10 and arrival - self.arrivals[0] >= 60_000:
            least = min(self.delays)
            if max(self.delays) - least > STEADY:
                self.verdict = "right"
            elif least < WRONG:
                self.verdict = "skew"
            else:
                self.verdict = "zone" if abs(least - ZONE) <= 300_000 else "clock"
        if self.verdict != "right":
            tests.add(self.verdict)
        if self.verdict in {"zone", "clock"}:
            tests.add("clock")
            return True
        return False

    def remember(self, ts, value, flag, tests):
        limits = self.limits
        apart, stirred, rained = self.ask(ts, value)
        for asker, number in self.listeners:
            asker.hear(number, ts, value)
        if apart is not None and abs(apart) > limits.neighbour_suspect:
            tests.add("neighbour")
            flag = max(flag, 4 if abs(apart) > limits.neighbour_fail else 3)
        flag = self.windows(ts, value, flag, tests, stirred)
        believed = rained is not None and rained >= ts - round(limits.witness_s * 1000)
        anew = self.sound is None or ts - self.sound > round(limits.gap_s * 1000)
        if anew:
            self.last, self.code = [], 0
        sign, full = 0, len(self.last) == 5
        if full:
            median = statistics.median(self.last)
            scatter = statistics.median(abs(each - median) for each in self.last)
            off = value - median
            if abs(off) > limits.spike and abs(off) > limits.spike_mad * 1.4826 * scatter:
                sign = 1 if off > 0 else -1
        sign_before = (self.code > 0) - (self.code < 0)
        candidate = sign != 0 and sign_before != sign and not believed
        after = abs(self.code) == 2 and sign_before != sign
        if candidate:
            tests.add("spike")
        if after:
            tests.add("after_spike")
        tested = not (anew or candidate or after or math.isnan(limits.rate) or (believed and sign))
        if tested and abs(value - self.last[-1]) > limits.rate * ((ts - self.sound) / 60_000):
            tests.add("rate")
            flag = max(flag, 3)
        if flag == 2 and full and not math.isnan(limits.spike):
            flag = 1
        if candidate:
            flag = max(flag, 2)
        self.code = sign * (2 if candidate else 1)
        self.sound = ts
        self.last = [*self.last, value][-5:]
        return flag

    def windows(self, ts, value, flag, tests, stirred):
        limits = self.limits
        spans = {"attenuated": limits.attenuated_s, "flat": limits.flat_suspect_s, "fail": limits.flat_fail_s}
        longest = max((each for each in spans.values() if not math.isnan(each)), default=0)
        if not longest:
            return flag
        part = max(-(-round(longest * 1000) // 7), 1)
        single = float(np.float32(value))
        bucket = ts // part
        low, high = self.stretches.get(bucket, (single, single))
        self.stretches[bucket] = (min(low, single), max(high, single))
        self.stretches = {key: each for key, each in self.stretches.items() if key >= bucket - 8}
        witnessed = stirred is not None and stirred >= ts - 8 * part
        for name, span in spans.items():
            if math.isnan(span):
                continue
            back = -(-round(span * 1000) // part) + 1
            found = [self.stretches.get(bucket - each) for each in range(back + 1)]
            if None in found:
                continue
            width = np.float32(max(each[1] for each in found)) - np.float32(min(each[0] for each in found))
            needs = limits.attenuated_witnessed if name == "attenuated" else limits.flat_witnessed
            bound = limits.attenuated if name == "attenuated" else limits.flat_band
            if width < bound and (witnessed or not needs):
                tests.add("attenuated" if name == "attenuated" else "flat")
                flag = max(flag, 4 if name == "fail" else 3)
        return flag

    def hear(self, number, ts, value):
        link = self.limits.links[number]
        self.said[number] = (value, ts)
        if value >= link.at_least:
            self.stirred[number] = ts
        if not math.isnan(link.moved):
            block, single = ts // BLOCK, float(np.float32(value))
            known, low, high = self.blocks.get(number, (None, single, single))
            low, high = (min(low, single), max(high, single)) if known == block else (single, single)
            self.blocks[number] = (block, low, high)
            if np.float32(high) - np.float32(low) >= link.moved:
                self.stirred[number] = ts

    def ask(self, ts, value):
        apart, stirred, rained = [], None, None
        for number, link in enumerate(self.limits.links):
            if number in self.said and not math.isnan(link.bias):
                other, then = self.said[number]
                if abs(ts - then) <= round(self.limits.neighbour_age_s * 1000):
                    apart.append(value - other - link.bias)
            if number in self.stirred:
                stirred = max(stirred or -(2**62), self.stirred[number])
                if not math.isnan(link.at_least):
                    rained = max(rained or -(2**62), self.stirred[number])
        return (statistics.median(apart) if apart else None), stirred, rained


def connect(channels):
    """Links between channels: {(device, point): PlainChannel}."""
    for (device, _), channel in channels.items():
        for number, link in enumerate(channel.limits.links):
            other = channels.get((link.device or device, link.point))
            if other is not None:
                other.listeners.append((channel, number))
