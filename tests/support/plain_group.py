"""Who is present, by loops: what `co_occurrence` and `common_mode` are held against."""

from dataclasses import dataclass, field


@dataclass
class PlainGroup:
    """Devices with the event times at which they showed last."""

    last: dict = field(default_factory=dict)
    begun: dict = field(default_factory=dict)

    def show_run(self, name, ts, window):
        """Shows, and begins to if it had not for longer than the window."""
        if name not in self.last or ts > self.last[name] + window:
            self.begun[name] = ts
        self.show(name, ts)

    def together(self, names, mine, ts, window):
        """Those who began with `mine`, and it."""
        begun = self.begun.get(mine)
        if begun is not None and begun - window <= ts <= self.last[mine] + window:
            ts = begun
        return {mine, *(name for name in names if name in self.begun and abs(ts - self.begun[name]) <= window)}

    def show(self, name, ts):
        self.last[name] = max(self.last.get(name, ts), ts)

    def present(self, names, ts, window):
        return sorted(name for name in names if name in self.last and abs(ts - self.last[name]) <= window)
