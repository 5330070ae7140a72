"""JSON Schemas (2020-12) of what goes over the wire: `python -m wire.schema docs/schemas`.

One file a module. The files are committed for integrators and are deterministic; a test holds them up to date.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from wire import action, alert, configuration, event, reading, report

DIALECT = "https://json-schema.org/draft/2020-12/schema"

CONTENTS: dict[str, tuple[str, tuple[type, ...]]] = {
    "reading": ("Readings, alone and as columns", (reading.Reading, reading.TelemetryBlock)),
    "alert": ("One revision of one alarm episode", (alert.Alert,)),
    "event": ("CloudEvents envelopes and the verdicts on them", (event.CloudEvent, event.Verdicts)),
    "report": (
        "What the edge says of devices, of what it refused, and of itself",
        (report.DeviceReport, report.FoundDevice, report.Rejection, report.EdgeReport, action.ActionReport),
    ),
    "configuration": (
        "What goes down to an edge, by list and by watch, and what comes back of decisions",
        (
            configuration.EdgeDocument,
            configuration.EdgeChange,
            configuration.DeviceConfig,
            configuration.RuleLayer,
            configuration.DrillConfig,
            configuration.Decision,
            configuration.DecisionReport,
            action.ActionConfig,
        ),
    ),
}
"""File name to title and the structs that may stand alone."""


def documents() -> dict[str, dict[str, Any]]:
    """Every schema document by file name, without the suffix."""
    result = {}
    for name, (title, structs) in CONTENTS.items():
        references, definitions = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
        result[name] = {
            "$schema": DIALECT,
            "$id": f"urn:shouwang:wire:{name}:v1",
            "title": title,
            "anyOf": list(references),
            "$defs": dict(sorted(definitions.items())),
        }
    return result


def text(document: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    ordered = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(ordered, indent=2).decode() + "\n"


def write(folder: Path) -> list[Path]:
    """Writes every schema into a folder; the answer is the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, document in documents().items():
        file = folder / f"{name}.json"
        file.write_text(text(document), encoding="utf-8")
        files.append(file)
    return files


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m wire.schema FOLDER")
    for written in write(Path(sys.argv[1])):
        print(written)
