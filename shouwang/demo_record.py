"""What happened in a demo: sensor-to-feed times, alerts, the three stories, as a table and as JSON."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from simulators.api import FeedEvent
from wire.time import parse_instant

ALERT_KINDS = frozenset({"alert_raised", "alert_escalated", "alert_deescalated", "alert_cleared", "alert_suspect"})
DECIDED_BY_READING = frozenset({"alert_raised", "alert_escalated"})
REMEMBERED = 200_000
HOPS = ("device to edge", "edge", "edge to cloud", "cloud to feed")
"""Publish → arrival at the agent → judged and in the journal → in the cloud's timeline → at the feed client."""

STORIES = (("smoke", "flat fire", "住宅火灾"), ("water_level", "flooding underpass", "下穿积水"),
           ("curtain_wall", "loosening panel", "幕墙板块松动"))  # fmt: skip


class Story(msgspec.Struct, kw_only=True):
    """One of the three: from the first alert to the closed incident. Times are wall seconds from the start."""

    hazard: str
    title: str
    title_zh: str
    incident: str | None = None
    number: str | None = None
    where: str | None = None
    level: str | None = None
    alert_s: float | None = None
    acknowledged_s: float | None = None
    dispatched_s: float | None = None
    on_scene_s: float | None = None
    closed_s: float | None = None
    outcome: str | None = None
    responder: str | None = None

    @property
    def made_it(self) -> bool:
        """From a sensor's alert by way of a person on the scene to a closed incident."""
        return None not in (self.alert_s, self.acknowledged_s, self.dispatched_s, self.on_scene_s, self.closed_s)


class Summary(msgspec.Struct, kw_only=True):
    """The whole demo in numbers."""

    seconds: float
    rate: float
    devices: int
    messages: int
    readings: int
    reconnects: int
    alerts: int
    incidents: int
    closed: int
    escalations: int
    rejections: dict[str, int]
    measured: int
    sensor_to_feed_median_ms: float | None
    sensor_to_feed_p99_ms: float | None
    sensor_to_feed_max_ms: float | None
    hops_median_ms: dict[str, float | None]
    puback_p99_ms: float | None
    stories: list[Story]
    made_it: bool


@dataclass(slots=True)
class Record:
    """Listens to the publishers and to one feed client."""

    started: float = 0.0  # wall seconds since the epoch
    messages: int = 0
    readings: int = 0
    alerts: int = 0
    escalations: int = 0
    delays_s: list[float] = field(default_factory=list)
    hops_s: dict[str, list[float]] = field(default_factory=lambda: {hop: [] for hop in HOPS})
    incidents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    stories: dict[str, Story] = field(
        default_factory=lambda: {h: Story(hazard=h, title=en, title_zh=zh) for h, en, zh in STORIES}
    )
    on_line: Callable[[str], None] | None = None
    _sent: OrderedDict[tuple[str, int], float] = field(default_factory=OrderedDict)

    def sent(self, device: str, ts: int, points: int, wall_s: float) -> None:
        """A reading's publish began."""
        self.messages += 1
        self.readings += points
        self._sent.setdefault((device, ts), wall_s)
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def event(self, event: FeedEvent) -> None:
        """An event arrived at the feed client."""
        value = event.data.get("value") or {}
        if event.name == "incident":
            self.incidents[value["id"]] = value
            self._follow(value, event.at)
        elif event.name == "timeline":
            self._line(value, event.at)

    def _line(self, line: Mapping[str, Any], at: float) -> None:
        kind, params = line["kind"], line["params"]
        if kind in ALERT_KINDS:
            self.alerts += 1
        if kind == "escalated":
            self.escalations += 1
        if kind in DECIDED_BY_READING and params.get("changed_at"):
            published = self._sent.get((params["device"], parse_instant(params["changed_at"])))
            if published is not None:
                self.delays_s.append(at - published)
                self._measure(published, line, at)
        if self.on_line is not None:
            number = (self.incidents.get(line["incident_id"]) or {}).get("number", "")
            detail = params.get("device_name") or params.get("responder") or line["actor"]["name"]
            self.on_line(f"{at - self.started:6.1f} s  {number or '         '}  {kind:18} {detail}")

    def _measure(self, published: float, line: Mapping[str, Any], at: float) -> None:
        """The same time hop by hop; all clocks are this machine's."""
        params = line["params"]
        stamps = [params.get("reading_at"), params.get("recorded_at"), line.get("at")]
        if all(stamps):
            moments = [published, *(parse_instant(stamp) / 1000 for stamp in stamps), at]
            for hop, (start, end) in zip(HOPS, itertools.pairwise(moments), strict=True):
                self.hops_s[hop].append(end - start)

    def _follow(self, incident: Mapping[str, Any], at: float) -> None:
        story = self.stories.get(incident["hazard"])
        if story is None or incident["exercise"] or incident["origin"] != "sensor":
            return
        if story.incident not in (None, incident["id"]):
            return
        elapsed = round(at - self.started, 1)
        if story.incident is None:
            story.incident, story.alert_s = incident["id"], elapsed
        story.number, story.where = incident["number"], incident["place"]["text"]
        story.level, story.outcome = incident["highest_level"], incident["outcome"]
        if incident["acknowledged_at"] and story.acknowledged_s is None:
            story.acknowledged_s = elapsed
        for assignment in incident["assignments"]:
            story.dispatched_s = elapsed if story.dispatched_s is None else story.dispatched_s
            if assignment.get("on_scene_at"):
                story.on_scene_s = elapsed if story.on_scene_s is None else story.on_scene_s
                story.responder = assignment["responder"]["name"]
        if incident["state"] == "closed" and story.closed_s is None:
            story.closed_s = elapsed

    def summary(
        self, *, now: float, rate: float, devices: int, reconnects: int, rejections: dict[str, int],
        puback_p99_ms: float | None,
    ) -> Summary:  # fmt: skip
        """The demo so far."""
        delays = sorted(self.delays_s)
        stories = list(self.stories.values())
        return Summary(
            seconds=round(now - self.started, 1),
            rate=rate,
            devices=devices,
            messages=self.messages,
            readings=self.readings,
            reconnects=reconnects,
            alerts=self.alerts,
            incidents=len(self.incidents),
            closed=sum(incident["state"] == "closed" for incident in self.incidents.values()),
            escalations=self.escalations,
            rejections=rejections,
            measured=len(delays),
            sensor_to_feed_median_ms=_at(delays, 0.5),
            sensor_to_feed_p99_ms=_at(delays, 0.99),
            sensor_to_feed_max_ms=_at(delays, 1.0),
            hops_median_ms={hop: _at(sorted(times), 0.5) for hop, times in self.hops_s.items()},
            puback_p99_ms=puback_p99_ms,
            stories=stories,
            made_it=all(story.made_it for story in stories),
        )


def _at(ordered: list[float], share: float) -> float | None:
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else None


def show(summary: Summary, console: Console) -> None:
    """The summary as tables."""
    table = Table(title=f"Shouwang demo: {summary.seconds:.0f} s of wall time, world at ×{summary.rate:g}")
    for column in ("", "incident", "level", "alert", "acknowledged", "dispatched", "on scene", "closed", "outcome"):
        table.add_column(column)
    for story in summary.stories:
        times = (story.alert_s, story.acknowledged_s, story.dispatched_s, story.on_scene_s, story.closed_s)
        table.add_row(
            f"{story.title} {story.title_zh}",
            story.number or "–",
            story.level or "–",
            *(f"{seconds:.1f} s" if seconds is not None else "–" for seconds in times),
            (story.outcome or "–") if story.made_it else "[bold red]did not make it[/]",
        )
    console.print(table)
    figures = Table(show_header=False)
    rejected = ", ".join(f"{reason} {count}" for reason, count in sorted(summary.rejections.items())) or "none"
    for name, value in (
        ("devices", f"{summary.devices}"),
        ("messages / readings", f"{summary.messages} / {summary.readings}"),
        ("alerts", f"{summary.alerts}"),
        ("incidents (closed)", f"{summary.incidents} ({summary.closed})"),
        ("escalations", f"{summary.escalations}"),
        ("rejections", rejected),
        (
            "sensor to feed",
            (
                f"median {_ms(summary.sensor_to_feed_median_ms)}, p99 {_ms(summary.sensor_to_feed_p99_ms)}, "
                f"longest {_ms(summary.sensor_to_feed_max_ms)} of {summary.measured} alerts"
            ),
        ),
        ("  by hop, median", ", ".join(f"{hop} {_ms(value)}" for hop, value in summary.hops_median_ms.items())),
        ("publish to PUBACK", f"p99 {_ms(summary.puback_p99_ms)}"),
    ):
        figures.add_row(name, value)
    console.print(figures)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} ms"
