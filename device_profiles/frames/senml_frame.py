"""SenML packs of one device: the newest records are the message, those of other times its `earlier` ones."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from device_profiles.decoder import MAX_EARLIER, Code, DecodeError, Message
from device_profiles.document import SenmlFrame
from device_profiles.frames.cbor_frame import load_cbor
from device_profiles.frames.json_frame import any_json
from device_profiles.frames.keys_frame import keys_of
from device_profiles.frames.plan import Parts
from device_profiles.frames.senml import MAX_RECORDS, Resolved, SenmlError, resolve
from device_profiles.frames.text_frame import Cell, Stamp, TextPlan, convert_point, convert_state, nothing_known
from device_profiles.frames.values import Derivation, shown
from wire.time import LAST_MS

ANY_NAME = "*"
_SEPARATORS = ":./-"


class _Taking(NamedTuple):
    """What of a record goes into a cell."""

    summed: bool
    unit: str | None  # of the records that it takes; None: any
    cell: Cell


class SenmlPlan(TextPlan):
    """A compiled `senml` frame."""

    def __init__(self, frame: SenmlFrame, parts: Parts) -> None:
        super().__init__(parts, frame.ports, frame.other_ports)
        self._encoding = frame.encoding
        self._cells: list[_Taking] = []
        self._places: dict[str, list[int]] = {}  # of a key, among the cells
        for index, point in enumerate(self.points):
            if not point.derived:
                document = parts.documents[point.name]
                cell = Cell(0, index, point.name, convert_point(document))
                taking = _Taking(document.at == "sum", document.sent_unit, cell)
                self._add(keys_of(document, point.name), taking)
        for name, state in parts.states.items():
            cell = Cell(0, -1, name, convert_state(state))
            self._add(keys_of(state, name), _Taking(False, state.sent_unit, cell))

    def _add(self, keys: tuple[str, ...], taking: _Taking) -> None:
        for key in keys:
            self._places.setdefault(key, []).append(len(self._cells))
        self._cells.append(taking)

    def read(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:  # noqa: ARG002
        """Record by record."""
        records = self._resolved(payload)
        # absolute times come before those that count from the arrival
        times: dict[tuple[bool, float], list[Resolved]] = {}
        for record in records:
            time = record.time if record.relative else float(round(record.time * 1000))
            times.setdefault((record.relative, time), []).append(record)
        if len(times) > MAX_EARLIER:
            raise DecodeError(Code.MALFORMED, f"records of {len(times)} times; at most {MAX_EARLIER} are read")
        taking = self._taking({(record.name, record.leaf) for record in records})
        filled = []
        for when in sorted(times):
            row: list[float | None] = [None] * self.width
            texts: dict[str, str] = {}
            problems: list[tuple[str, str, str]] = []
            for record in times[when]:
                for summed, unit, cell in taking[record.name, record.leaf]:
                    if unit is None or unit == record.unit:
                        self.take((cell,), (record.sum if summed else _value(record),), row, texts, problems)
            if texts or problems or row.count(None) < self.width:
                filled.append((when, (row, texts, problems)))
        if not filled:
            nothing: list[float | None] = [None] * self.width
            return self.finish(nothing, {}, [nothing_known(dict.fromkeys(one.name for one in records))], derivation)
        (relative, last), newest = filled.pop()
        earlier = []
        for (counted, time), kept in filled:
            if counted:
                earlier.append(self.finish(*kept, derivation, age_s=last - time))
            else:
                earlier.append(self.finish(*kept, derivation, _stamp(time)))
        if relative:
            age_s = -last if last else None
            return self.finish(*newest, derivation, age_s=age_s, earlier=tuple(earlier))
        return self.finish(*newest, derivation, _stamp(last), earlier=tuple(earlier))

    def _resolved(self, payload: bytes) -> list[Resolved]:
        json = self._encoding == "json" or (self._encoding == "both" and payload.lstrip()[:1] in (b"", b"["))
        found = any_json(payload) if json else load_cbor(payload)
        if found.__class__ is not list:
            raise DecodeError(Code.MALFORMED, f"a list of records was expected, not {shown(found)}")
        if len(found) > MAX_RECORDS:
            raise DecodeError(Code.MALFORMED, f"{len(found)} records; at most {MAX_RECORDS} are read")
        try:
            return resolve(found)
        except SenmlError as error:
            raise DecodeError(Code.MALFORMED, f"not SenML: {error}"[:200]) from None

    def _taking(self, names: set[tuple[str, str]]) -> dict[tuple[str, str], list[_Taking]]:
        """Which cells take the records of each name: those that name it best."""
        fits: list[tuple[int, int, tuple[str, str]]] = []
        for name in names:
            found: dict[int, int] = {}
            for fit, ending in _endings(*name):
                for place in self._places.get(ending, ()):
                    found.setdefault(place, fit)
            fits += [(place, fit, name) for place, fit in found.items()]
        best = dict.fromkeys(range(len(self._cells)), _NO_FIT)
        for place, fit, _ in fits:
            best[place] = min(best[place], fit)
        taking: dict[tuple[str, str], list[_Taking]] = {name: [] for name in names}
        for place, fit, name in fits:
            if fit == best[place]:
                taking[name].append(self._cells[place])
        return taking


_NO_FIT = 3
_MOST_ENDINGS = 8


def _endings(name: str, leaf: str) -> Iterator[tuple[int, str]]:
    """The keys that name a record, the best ones first."""
    yield 0, name
    yield 0, leaf
    at = len(name)
    for _ in range(_MOST_ENDINGS):
        at = max(name.rfind(separator, 0, at) for separator in _SEPARATORS)
        if at < 0:
            break
        yield 1, name[at + 1 :]
    yield 2, ANY_NAME


def _stamp(ms: float) -> Stamp:
    if not 0 <= ms <= LAST_MS:
        return Stamp(None, f"{ms:g} ms is not an instant")
    return Stamp(int(ms))


def _value(record: Resolved) -> Any:
    if record.value is not None:
        return record.value
    if record.flag is not None:
        return record.flag
    return record.data if record.text is None else record.text
