"""The side table: what was not taken, or not as it said, with the reason. Visible at once, counted when it repeats."""

import base64
from dataclasses import dataclass

import msgspec

from edge.metrics import REJECTED
from wire.report import Reason, Rejection
from wire.time import to_datetime

INTERVAL_MS = 10_000
MOST_KINDS = 2_000
EXCERPT = 1024


@dataclass(slots=True)
class _Open:
    first: Rejection
    since_ms: int
    count: int = 0  # beyond the one reported at once
    last_ms: int = 0


class Rejections:
    """Folds repeats: the first of a kind goes out at once, further ones as one row with a count every 10 s.

    A kind is (topic, reason, point). Beyond 2,000 kinds in an interval only a sum by reason is kept.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, Reason, str | None], _Open] = {}
        self._ready: list[Rejection] = []
        self.total = 0
        self.recent: list[Rejection] = []  # the last 50, for /status

    def add(
        self,
        reason: Reason,
        detail: str,
        *,
        topic: str,
        at_ms: int,
        payload: bytes = b"",
        device: str | None = None,
        point: str | None = None,
    ) -> None:
        """One message or reading that was not taken."""
        self.total += 1
        REJECTED.labels(reason=reason.value).inc()
        key = (topic, reason, point)
        known = self._open.get(key)
        if known is None and len(self._open) >= MOST_KINDS:
            topic, device, point, payload, detail = "#", None, None, b"", "of many topics"
            key = (topic, reason, point)
            known = self._open.get(key)
        if known is not None and at_ms - known.since_ms < INTERVAL_MS:
            known.count += 1
            known.last_ms = at_ms
            return
        if known is not None:
            self._close(known)
        rejection = Rejection(
            received_at=to_datetime(at_ms),
            topic=topic[:512],
            reason=reason,
            detail=detail[:500],
            device=device,
            point=point,
            payload_b64=base64.b64encode(payload[:EXCERPT]).decode(),
        )
        self._open[key] = _Open(rejection, at_ms)
        self._say(rejection)

    def take(self) -> list[Rejection]:
        """What is to be reported now; it is not given twice."""
        ready, self._ready = self._ready, []
        return ready

    def close_old(self, at_ms: int) -> None:
        """Report the counts of intervals that are over."""
        old = [key for key, known in self._open.items() if at_ms - known.since_ms >= INTERVAL_MS]
        for key in old:
            self._close(self._open.pop(key))

    def _close(self, known: _Open) -> None:
        if known.count:
            self._say(msgspec.structs.replace(known.first, received_at=to_datetime(known.last_ms), count=known.count))

    def _say(self, rejection: Rejection) -> None:
        self._ready.append(rejection)
        self.recent.append(rejection)
        del self.recent[:-50]
