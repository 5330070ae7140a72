"""Who is present, by loops: what `co_occurrence` and `common_mode` are held against."""

from dataclasses import dataclass, field


@dataclass
class PlainGroup:
    """Devices with the event times at which they showed last."""

    last: dict = field(default_factory=dict)

    def show(self, name, ts):
        self.last[name] = max(self.last.get(name, ts), ts)

    def present(self, names, ts, window):
        return sorted(name for name in names if name in self.last and abs(ts - self.last[name]) <= window)
