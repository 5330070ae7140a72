"""The live table of `profiles try`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live as LiveScreen
from rich.table import Table
from rich.text import Text

from shouwang.profiles_message import brief, error_line, outside, shown_payload
from shouwang.profiles_source import brief as brief_envelope

if TYPE_CHECKING:
    from shouwang.profiles_try import Listening

_MOST_TOPICS = 8
_MOST_EARLIER = 6


@contextmanager
def screen(listening: "Listening") -> Iterator[Callable[[], None]]:
    """A table that stays in its place; the last one remains when it ends."""
    with LiveScreen(console=Console(), auto_refresh=False, vertical_overflow="visible") as live:

        def draw() -> None:
            live.update(_picture(listening), refresh=True)

        yield draw


def _picture(listening: "Listening") -> RenderableType:
    live = listening.live
    on_disk = live.on_disk
    name = on_disk.profile.name if on_disk.profile else str(on_disk.file)
    counts = f"{live.messages} messages, {live.wrong} wrong"
    parts: list[RenderableType] = [
        Text.assemble((name, "bold"), f"  {', '.join(listening.topics)}  {listening.link}, {counts}")
    ]
    if on_disk.problems:
        parts.append(Text("the profile file cannot be used as it stands:", style="bold red"))
        parts += [Text(problem, style="red") for problem in on_disk.problems]
        if on_disk.profile is not None:
            parts.append(Text("values below are by the last one that could be read", style="red"))
    if live.last is None or live.found is None:
        parts.append(Text("no message yet", style="dim"))
        return Group(*parts)
    parts.append(Text(f"{live.last.at}  {live.last.topic}{'  (retained)' if live.last.retained else ''}"))
    parts += [_values(listening), *_rest(listening)]
    return Group(*parts)


def _values(listening: "Listening") -> Table:
    table = Table(expand=False)
    for title, side in (("point", "left"), ("value", "right"), ("unit", "left"), ("", "left")):
        table.add_column(title, justify="right" if side == "right" else "left")
    found, decoder = listening.live.found or {}, listening.live.on_disk.decoder
    wrong = {error.get("point"): error for error in found.get("errors", [])}
    values = {reading["point"]: reading["value"] for reading in found.get("readings", [])}
    for point in decoder.points if decoder else ():
        label = f"{point.label_zh} / {point.label_en}"
        if point.name in values:
            doubt = outside(point, values[point.name])
            table.add_row(
                point.name, f"{values[point.name]:.6g}", point.unit, label + doubt, style="yellow" if doubt else ""
            )
        elif point.name in wrong:
            table.add_row(point.name, "error", point.unit, wrong[point.name]["message"], style="red")
        else:
            table.add_row(point.name, "–", point.unit, label, style="dim")
    for name, state in found.get("states", {}).items():
        table.add_row(name, state, "", "")
    return table


def _rest(listening: "Listening") -> Iterator[Text]:
    live = listening.live
    found = live.found or {}
    if found.get("events"):
        yield Text("events: " + ", ".join(found["events"]), style="bold yellow")
    for error in found.get("errors", []):
        if "point" not in error:
            yield Text(error_line(error), style="red")
    earlier = found.get("earlier", [])
    for record in earlier[-_MOST_EARLIER:]:
        yield Text(f"earlier, {brief(record)}", style="dim")
    if len(earlier) > _MOST_EARLIER:
        yield Text(f"… and {len(earlier) - _MOST_EARLIER} records before", style="dim")
    if live.last is not None:
        if live.last.envelope:
            yield Text(f"envelope: {brief_envelope(dict(live.last.envelope))}", style="dim")
        shown = shown_payload(live.last.payload)
        yield Text(f"payload: {shown[:400]}{' …' if len(shown) > 400 else ''}", style="dim")
    if len(live.topics) > 1:
        most = sorted(live.topics.items(), key=lambda item: -item[1])[:_MOST_TOPICS]
        yield Text("topics: " + ", ".join(f"{topic} {count}" for topic, count in most), style="dim")
    for line in live.errors:
        yield Text(f"error at {line}", style="red dim")
