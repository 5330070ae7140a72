"""How often one may try a password."""

from collections import OrderedDict, deque

MAX_NAMES = 10_000


class LoginThrottle:
    """Counts failed sign-ins by name and by address in a sliding window; memory is bounded.

    A success forgets the failures of that name, not those of the address.
    """

    def __init__(self, failures: int, window_s: float) -> None:
        self._failures = failures
        self._window_s = window_s
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, now: float, *keys: str) -> float:
        """Seconds until a next try is allowed; 0 = now."""
        return max((self._wait_of(now, key) for key in keys), default=0.0)

    def _wait_of(self, now: float, key: str) -> float:
        times = self._seen.get(key)
        if times is None:
            return 0.0
        while times and times[0] <= now - self._window_s:
            times.popleft()
        if not times:
            del self._seen[key]
            return 0.0
        return times[0] + self._window_s - now if len(times) >= self._failures else 0.0

    def failed(self, now: float, *keys: str) -> None:
        """Record a failure. Beyond `MAX_NAMES` names the longest untouched is forgotten."""
        for key in keys:
            self._seen.setdefault(key, deque(maxlen=self._failures)).append(now)
            self._seen.move_to_end(key)
            if len(self._seen) > MAX_NAMES:
                self._seen.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of a name."""
        self._seen.pop(key, None)
