"""Kind `shock`: something hit a panel; and whether the panel answered afterwards.

`judge: peak` (default): the signal is the largest acceleration of a record in g (9.80665 m/s²). Levels 2, 5, 10 g [P].

`judge: breakage`: after a record of at least `from_g` (5) the panel must be heard again. The signal is 1 for the record
of the shock and for each later one that misses the panel, 0 for one that finds it and where there was no shock, unknown
where a record cannot tell:

- it finds the panel: it has a frequency (of a device that never had one: its RMS is not gone);
- it misses the panel: no frequency, though there is wind enough to see one (`windy_m_s` 3), or an RMS below a fifth
  (`gone` 0.2) of the median of the last day;
- it cannot tell: no frequency in a calm.

One level I, entered at 0.5 with three samples, is then a shock and two records without the panel [P]. If the device
falls silent instead, the hold is cut off and surfaces as suspect after `max_verify_delay_s`. What is not decided
`within_s` (6 h) after the shock is let go [P].

Keys: `judge`, `unit` of the point (`m/s2` or `g`), `from_g`, `windy_m_s`, `gone`, `within_s`.
Source: DOMAIN C4. A burst of 3 to 8 kHz as breaking glass makes it [K] is not in what these devices send.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, recent, scan
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal, fresh
from rules.scan import Bools, Floats, some

KEYS = frozenset({"judge", "unit", "from_g", "windy_m_s", "gone", "within_s"})
GRAVITY = 9.80665
DAY_MS = 86_400_000
JUDGES = ("peak", "breakage")
UNITS = {"m/s2": GRAVITY, "g": 1.0}

SETTINGS = np.dtype(
    [("scale", "f8"), ("from_g", "f8"), ("windy", "f8"), ("gone", "f8"), ("within_ms", "i8"), ("age_ms", "i8"),
     ("breakage", "?")],
    align=True,
)  # fmt: skip
DEPENDS: tuple[str, ...] = ()
MEMORY = np.dtype([("shock_at", "i8")])


@dataclass(frozen=True, slots=True)
class Options:
    """The keys, and the cadence."""

    judge: str
    unit: str
    from_g: float
    windy_m_s: float
    gone: float
    within_s: float
    cadence_s: float


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""

    def number(key: str, usual: float) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), 0.0)

    return Options(
        parts.choice(f"{where}.judge", declaration.get("judge", "peak"), JUDGES),
        parts.choice(f"{where}.unit", declaration.get("unit", "m/s2"), UNITS),
        number("from_g", 5.0),
        number("windy_m_s", 3.0),
        number("gone", 0.2),
        number("within_s", 21_600.0),
        cadence_s,
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The peak; for a breakage what shows that the panel is there."""
    peak = Input("peak")
    if options.judge == "peak":
        return (peak,)
    return (
        peak,
        Input("rms", window_ms=DAY_MS, parts=12, optional=True),
        Input("frequency", optional=True),
        Input("wind", optional=True),
    )


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    row["scale"], row["breakage"] = 1 / UNITS[options.unit], options.judge == "breakage"
    row["from_g"], row["windy"], row["gone"] = options.from_g, options.windy_m_s, options.gone
    row["within_ms"], row["age_ms"] = round(options.within_s * 1000), round(options.cadence_s * 500)
    return None


def blank() -> Any:
    """No shock."""
    row = np.zeros(1, dtype=MEMORY)[0]
    row["shock_at"] = NEVER
    return row


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """g, or whether the panel is missed since a shock."""
    peak = np.abs(frame.value) * settings["scale"][frame.setting]
    breakage = settings["breakage"][frame.setting]
    if not some(breakage):
        return Signal(peak, {"peak_g": peak})
    struck = breakage & (peak >= settings["from_g"][frame.setting])
    value = np.where(breakage, np.where(struck, 1.0, 0.0), peak)
    carried = memory["shock_at"][frame.slot]
    since = np.where(carried == NEVER, NEVER, frame.ts - carried).astype(np.float64)
    if some(struck) or some(carried != NEVER):
        since = _missed(frame, settings, memory, struck, value)
    return Signal(value, {"peak_g": peak, "since_shock_s": np.where(since >= 0, since / 1000, np.nan)})


def _missed(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any], struck: Bools, value: Floats) -> Floats:
    """Write what the rows after a shock say; the milliseconds since the shock that is not resolved, else -1."""
    count = len(value)
    found, missing = _heard(frame, settings, count)
    strike = struck & frame.usable
    resolve = found & frame.usable & ~struck
    changed = strike | resolve | frame.first
    carried = memory["shock_at"][frame.slot]
    state = np.where(strike, frame.ts, np.where(resolve, NEVER, carried))
    # a row that neither strikes nor resolves keeps what the row before it had
    after = state[scan.marked_before(changed)] if count else state
    before = scan.previous(after, frame.first, carried)
    within = (before != NEVER) & (frame.ts - before <= settings["within_ms"][frame.setting]) & ~struck
    value[within & missing] = 1.0
    value[within & ~missing & ~found] = np.nan
    end = np.flatnonzero(scan.lasts(frame.first))
    memory["shock_at"][frame.slot[end]] = after[end]
    return np.where(struck, 0, np.where(within, frame.ts - np.where(within, before, 0), -1)).astype(np.float64)


def _heard(frame: Frame, settings: npt.NDArray[Any], count: int) -> tuple[Bools, Bools]:
    """Rows that find the panel, and rows that miss it."""
    age = settings["age_ms"][frame.setting]
    frequency, at = frame.latest("frequency")
    wind = fresh(*frame.latest("wind"), frame.ts, age)
    rms = fresh(*frame.latest("rms"), frame.ts, age)
    told = at != NEVER
    here = ~np.isnan(fresh(frequency, at, frame.ts, age))
    rows = np.flatnonzero(~np.isnan(rms))
    gone = np.zeros(count, dtype=np.bool_)
    if len(rows):
        usual = recent.median(frame.window("rms", rows).value)
        gone[rows] = rms[rows] < settings["gone"][frame.setting][rows] * usual
    found = np.where(told, here, ~np.isnan(rms) & ~gone)
    missing = ~found & (gone | (told & (wind >= settings["windy"][frame.setting])))
    return np.asarray(found, dtype=np.bool_), np.asarray(missing, dtype=np.bool_)
