"""Alarm floods of one edge, by site and over all: fed with what is announced, kept in the journal, told in reports."""

from collections.abc import Mapping

import msgspec

from edge.lane import Transaction
from edge.metrics import ALARM_FLOODS, FLOODS_BEGUN
from rules.alarm.flood import Flood, Turn, announced, passed
from wire.report import AlarmFlood
from wire.time import to_datetime

PREFIX = "#flood/"
"""Of the rows of floods beside those of alarms; no device is named so."""
Key = tuple[str, str]  # exercise or nothing, site or nothing (the whole edge)
_FLOOD = msgspec.json.Decoder(Flood)


class Floods:
    """Counts what people were told, in wall time; exercises apart."""

    def __init__(self) -> None:
        self._floods: dict[Key, Flood] = {}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what the journal kept; rows of other things are passed over."""
        for name, row in rows.items():
            if name.startswith(PREFIX):
                exercise, _, site = name.removeprefix(PREFIX).partition("/")
                self._floods[exercise, site] = _FLOOD.decode(row)
        self._measure()

    def announced(self, exercise: str | None, site: str, now_ms: int, into: Transaction) -> None:
        """One more alarm was announced."""
        for area in ("", site):
            key = exercise or "", area
            flood, turn = announced(self._floods.get(key, Flood()), now_ms)
            self._keep(key, flood, turn, into)

    def passed(self, now_ms: int, into: Transaction) -> None:
        """Let time pass."""
        for key, before in list(self._floods.items()):
            flood, turn = passed(before, now_ms)
            if flood is not before:
                self._keep(key, flood, turn, into)

    def forget_exercise(self, exercise: str, into: Transaction) -> None:
        """Drop what a drill that has ended left."""
        for key in [key for key in self._floods if key[0] == exercise]:
            self._keep(key, Flood(), None, into)
        self._measure()

    def running(self) -> list[AlarmFlood]:
        """Floods that run, the longest first."""
        found = [
            AlarmFlood(area=site, began_at=to_datetime(flood.began), alarms=flood.alarms, exercise=exercise or None)
            for (exercise, site), flood in self._floods.items()
            if flood.began is not None
        ]
        return sorted(found, key=lambda each: (each.began_at, each.area))

    def notes(self) -> list[str]:
        """One sentence for each flood that runs, exercises left out."""
        return [
            f"alarm flood {f'at site {each.area}' if each.area else 'over the whole edge'} since "
            f"{each.began_at.isoformat(timespec='seconds')}: {each.alarms} alarms"
            for each in self.running()
            if each.exercise is None
        ]

    def _keep(self, key: Key, flood: Flood, turn: Turn | None, into: Transaction) -> None:
        name = f"{PREFIX}{key[0]}/{key[1]}"
        if flood.idle:
            self._floods.pop(key, None)
            into.alarms[name] = None
        else:
            self._floods[key] = flood
            into.alarms[name] = msgspec.json.encode(flood)
        if turn is Turn.BEGAN:
            FLOODS_BEGUN.labels(exercise=str(bool(key[0])).lower()).inc()
        if turn is not None:
            self._measure()

    def _measure(self) -> None:
        ALARM_FLOODS.set(sum(flood.began is not None for key, flood in self._floods.items() if not key[0]))
