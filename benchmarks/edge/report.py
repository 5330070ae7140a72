"""Figures as JSON and as tables, beside what was asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- edge bench: begin -->", "<!-- edge bench: end -->"
NAMES = {
    "gmqtt": "floor: gmqtt that only acknowledges",
    "receive": "our receive path, only acknowledging",
    "agent": "**agent**: decode, quality, rules, journal, uplink",
    "alone": "agent without a cloud",
}


def markdown(result: dict[str, Any]) -> str:
    """Everything that was measured."""
    machine = result["machine"]
    lines = [
        (
            f"{machine['processor']} ({machine['machine']}), {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"Python {machine['python']}; {machine['date']}; load average before: {machine['load_before']}."
        ),
        "",
    ]
    for sends, values in (("water", 1), ("smoke", 6)):
        if sends in result:
            lines += [*_throughput(result[sends], values, result), ""]
    if "alerts" in result:
        lines += [*_alerts(result["alerts"]), ""]
    if "soak" in result:
        lines += [*_soak(result["soak"]), ""]
    lines += [f"**Failed**: {each}" for each in result.get("failed", ())]
    wanted = list(targets(result))
    if wanted:
        lines += ["| asked for | measured | |", "|---|---|---|"]
        lines += [f"| {what} | {measured} | {'yes' if met else '**no**'} |" for what, measured, met in wanted]
        lines.append("")
    return "\n".join(lines)


def _throughput(found: dict[str, Any], values: int, result: dict[str, Any]) -> Iterator[str]:
    yield (
        f"**{values} value{'s' if values > 1 else ''} a message**, QoS 1, acknowledged after the commit; medians of "
        f"{result['rounds']} rounds of {result['seconds']:g} s in turn; latency at {result['steady']:,.0f} messages/s."
    )
    yield ""
    yield (
        "| devices | subject | messages/s | CPU us a message | broker us | latency ms: median | p99 | longest |"
        " MB | start s |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for devices, subjects in found.items():
        for kind, one in subjects.items():
            late = one["late_ms"]
            yield (
                f"| {int(devices):,} | {NAMES[kind]} | {one['messages_s']:,.0f} | {one['cpu_us']:.1f} | "
                f"{one['broker_us']:.1f} | {_ms(late['50'])} | {_ms(late['99'])} | {_ms(late['100'])} | "
                f"{one['resident_mb']:.0f} | {one['start_s']:.1f} |"
            )


def _alerts(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"**Alarms**: {found['rate']:g} messages/s of 6 values from {found['devices']} devices for"
        f" {found['seconds']:g} s, {found['alarms']} alarms, a real cloud (SQLite) on the same cores."
    )
    yield ""
    yield "| from the sensor's publishing to | median ms | p99 | longest |"
    yield "|---|---|---|---|"
    for what, key in (("the alert in the journal, synced", "durable_ms"), ("the cloud's verdict", "cloud_ms")):
        late = found[key]
        yield f"| {what} | {_ms(_share(late, 0.5))} | {_ms(_share(late, 0.99))} | {_ms(late[-1] if late else None)} |"
    yield ""
    yield f"CPU a message: edge {found['edge_cpu_us']:.0f} us, cloud {found['cloud_cpu_us']:.0f} us."


def _soak(found: dict[str, Any]) -> Iterator[str]:
    yield (
        f"**Soak**: {found['rate']:,.0f} readings/s from {found['devices']:,} devices for {found['minutes']:g} minutes;"
        f" over the second half memory moves by {found['mb_per_minute']:+.2f} MB a minute."
    )
    yield ""
    yield "| minute | resident MB | readings/s | CPU us | journal MB |"
    yield "|---|---|---|---|---|"
    samples = found["samples"]
    for one in samples[:: max(1, len(samples) // 10)]:
        yield (
            f"| {one['minute']:.1f} | {one['resident_mb']:.1f} | {one['rate']:,.0f} | {one['cpu_us']:.1f} | "
            f"{one['journal_mb']:.1f} |"
        )


def targets(result: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """What was asked for, what was measured, whether it is met; only what was measured."""
    water = result.get("water", {})
    for devices, subjects in water.items():
        agent, floor = subjects.get("agent"), subjects.get("gmqtt")
        if agent is None:
            continue
        where = f"{int(devices):,} devices"
        if floor is not None:
            share = agent["messages_s"] / floor["messages_s"]
            yield f"at least 0.8 of the floor's readings/s, {where}", f"{share:.2f}", share >= 0.8
        yield f"at least 25,000 readings/s, {where}", f"{agent['messages_s']:,.0f}", agent["messages_s"] >= 25_000
        yield f"at most 28 us CPU a reading, {where}", f"{agent['cpu_us']:.1f}", agent["cpu_us"] <= 28
    if "10000" in water and "agent" in water["10000"]:
        agent = water["10000"]["agent"]
        yield "at most 90 MB resident at 10,000 devices", f"{agent['resident_mb']:.0f} MB", agent["resident_mb"] <= 90
        for when, key in (("with nothing in the journal", "start"), ("again, with their state", "again")):
            if f"{key}_s" in agent:
                seconds, cpu = agent[f"{key}_s"], agent[f"{key}_cpu_s"]
                yield (
                    f"started with 10,000 devices in under 2 s, {when}",
                    f"{seconds:.1f} s ({cpu:.1f} s CPU)",
                    seconds < 2,
                )
    costs = [each["agent"]["cpu_us"] for each in water.values() if "agent" in each]
    if len(costs) > 1:
        spread = max(costs) / min(costs) - 1
        yield "cost a reading flat within 20 % over device counts", f"{spread:.0%}", spread <= 0.2
    if alerts := result.get("alerts"):
        for what, key, share, most in (
            ("sensor to durable alert, median at most 5 ms", "durable_ms", 0.5, 5.0),
            ("sensor to durable alert, p99 at most 25 ms", "durable_ms", 0.99, 25.0),
            ("alert in the cloud's database, p99 at most 60 ms", "cloud_ms", 0.99, 60.0),
        ):
            late = _share(alerts[key], share)
            yield what, f"{_ms(late)} ms", late is not None and late <= most
    if soak := result.get("soak"):
        flat = abs(soak["mb_per_minute"]) <= 0.1
        yield "memory flat (0.1 MB a minute)", f"{soak['mb_per_minute']:+.2f} MB a minute", flat


def _share(ordered: list[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else None


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def write(folder: Path, result: dict[str, Any]) -> None:
    """edge.json and edge.md; parts that were not run now stay as they were."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "edge.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    merged = {**kept, **result}
    file.write_text(json.dumps(merged, indent=1) + "\n")
    (folder / "edge.md").write_text(markdown(merged))


def into_docs(page: Path, result: dict[str, Any]) -> None:
    """Write the tables between the markers of a page."""
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{page} has no '{BEGIN}' … '{END}'")
    page.write_text(f"{before}{BEGIN}\n\n{markdown(result)}\n{END}{after}", encoding="utf-8")
