"""Which readings go up at once and which may wait for their minute. Arrays by series and by device.

At once: a doubt that begins, changes or ends (flag and tests; one that lasts is in its aggregates); what moved beyond
its dead band; everything of a device whose rules do not lie still (over a clear level, a hold in progress), that has
an alarm, or stands in the zone of one, and some minutes after; everything of exercises and of other timelines. What
waits is held in the journal (`Lane.HELD`), so that the minutes before a device stirs can still go up in full.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from edge.reduce_bands import band
from edge.sources import Sources
from edge.table import Table
from edge.thinning import flagged
from rules.columns import Columns
from wire.reading import Series
from wire.time import REAL

AFTER_MS = 5 * 60_000
"""A device goes up in full so long after it last stirred."""
NEVER = np.iinfo(np.int64).min // 2

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Stirring:
    """What is known of each series and device; only ever called between batches.

    Args:
        sources: gives series their numbers.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._device: dict[str, int] = {}
        self._zones: dict[str, list[int]] = {}
        self._of = np.zeros(0, dtype=np.int64)  # by series: number of its device
        self._band = np.zeros(0)
        self._always = np.zeros(0, dtype=np.bool_)
        self._sent = np.zeros(0)
        self._doubt = np.zeros(0, dtype=np.int64)  # by series: flag and tests of the newest reading; 0: none
        self._stirred = np.zeros(0, dtype=np.int64)  # by device: wall time when it last did
        self._table: Table | None = None

    def use(self, table: Table) -> None:
        """Take another table: dead bands, zones, timelines."""
        self._table = table
        self._zones.clear()
        for name, device in table.devices.items():
            if device.config.zone is not None:
                self._zones.setdefault(f"{device.config.site}/{device.config.zone}", []).append(self._number(name))
        self._of = self._of[:0]  # furnished anew; what was sent is remembered
        self._furnish()

    def at_once(self, series: npt.NDArray[np.int32], columns: Columns, live: Bools, restless: Bools, at: int) -> Bools:
        """True for readings that go up now.

        Args:
            series: of each reading.
            columns: assessed.
            live: False for history, which goes up as it comes.
            restless: rules on its point do not lie still.
            at: wall time.
        """
        assert columns.tests is not None
        self._furnish()
        device = self._of[series]
        flag, tests = columns.flag.astype(np.int64), columns.tests.astype(np.int64)
        doubt = np.where(flagged(flag), flag << 16 | tests, 0)
        spoke = (doubt != self._doubt[series]) & live
        self._doubt[series[live]] = doubt[live]
        self._stirred[device[spoke | (restless & live)]] = at
        now = self._always[series] | ~live | spoke
        now |= at - self._stirred[device] <= AFTER_MS
        value = columns.value
        before = self._sent[series]
        now |= ~(np.abs(value - before) <= self._band[series])  # NaN: nothing was sent yet
        if len(series) > 1:  # a jump and back within one batch
            order = np.argsort(series, kind="stable")
            step = np.abs(np.diff(value[order])) > self._band[series[order[1:]]]
            now[order[1:][step & (np.diff(series[order]) == 0)]] = True
        self._sent[series[now]] = value[now]
        return np.asarray(now)

    def alarms(self, devices: Collection[str], at: int) -> None:
        """Devices that have an alarm now: they and their zones go up in full."""
        assert self._table is not None
        for name in devices:
            device = self._table.devices.get(name)
            if device is None:
                continue
            numbers = self._zones.get(f"{device.config.site}/{device.config.zone}") if device.config.zone else None
            self._stirred[numbers if numbers is not None else [self._number(name)]] = at

    def since(self, table: Sequence[Series], at: int) -> Bools:
        """By series of a block: whether its device stirred at an instant or after it."""
        numbers = np.array([self._device.get(each.device, -1) for each in table], dtype=np.int64)
        stirred = np.append(self._stirred, np.int64(NEVER))[numbers]
        return np.asarray(stirred >= at)

    def _number(self, device: str) -> int:
        number = self._device.setdefault(device, len(self._device))
        if number >= len(self._stirred):
            more = np.full(max(64, len(self._stirred)), NEVER, dtype=np.int64)
            self._stirred = np.concatenate([self._stirred, more])
        return number

    def _furnish(self) -> None:
        """Series that are new since the last call."""
        known, series = len(self._of), self._sources.series
        if known == len(series) or self._table is None:
            return
        of, bands, always = [], [], []
        for each in series[known:]:
            device = self._table.devices.get(each.device)
            own = None
            if device is not None:
                own = next((point.dead_band for point in device.decoder.points if point.name == each.point), None)
            of.append(self._number(each.device))
            bands.append(band(each.point, each.unit, own))
            always.append(each.exercise is not None or (device is not None and device.config.timeline != REAL))
        self._of = np.concatenate([self._of, np.array(of, dtype=np.int64)])
        self._band = np.concatenate([self._band[:known], np.array(bands)])
        self._always = np.concatenate([self._always[:known], np.array(always, dtype=np.bool_)])
        fresh = len(series) - len(self._sent)
        self._sent = np.concatenate([self._sent, np.full(fresh, np.nan)])
        self._doubt = np.concatenate([self._doubt, np.zeros(fresh, dtype=np.int64)])
