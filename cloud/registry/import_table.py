"""Devices from a spreadsheet: text in, rows with what each says of a device out. Pure.

The verdicts (new, changed, same, error) need the registry and are given in `imports.py`.
"""

import csv
import io
import math
from dataclasses import dataclass, field
from typing import Any

from cloud.problems import ProblemError

COLUMNS = ("id", "name", "site", "zone", "profile", "edge")
OPTIONAL = ("address", "timeline", "enabled")
PARAMETERS = ("mounting_height_m", "baseline_frequency_hz")
"""Parameter columns of the template; any other is written `param_<name>`."""
MAX_ROWS = 5000
MAX_CELL = 300
_TRUE, _FALSE = {"1", "true", "yes", "是", "在用"}, {"0", "false", "no", "否", "停用"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `number` is the line that a spreadsheet shows (the header is 1)."""

    number: int
    fields: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    enabled: bool = True
    faults: tuple[ProblemError, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A read table, or why it cannot be read."""

    rows: tuple[Row, ...] = ()
    faults: tuple[ProblemError, ...] = ()


def template() -> str:
    """An empty table for a spreadsheet program (UTF-8 with a byte order mark)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, "address", *PARAMETERS])
    return "\ufeff" + out.getvalue()


def decode(data: bytes) -> str | None:
    """The text of a file: UTF-8 (with or without mark), else GB 18030 as Chinese spreadsheet programs save; or None."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def read(data: bytes) -> Table:
    """Read a CSV file. A fault of the whole file stands in `faults`, one of a line in its row."""
    text = decode(data)
    if text is None or "\0" in text:
        return _broken("not_text", "is neither UTF-8 nor GB 18030 text", "save it as CSV (UTF-8)")
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_delimiter(text)))
    except csv.Error as error:
        return _broken("not_csv", f"is not CSV: {error}", "save it again as CSV (UTF-8)", error=str(error)[:200])
    if not lines:
        return _broken("empty_file", "is empty", "take the template")
    header = [name.strip().lower() for name in lines[0]]
    faults = _faults_of_header(header)
    if len(lines) - 1 > MAX_ROWS:
        rows = len(lines) - 1
        what, fix = f"has {rows} rows", f"at most {MAX_ROWS} at once"
        faults.append(_fault("file", "too_many_rows", what, fix, rows=rows, most=MAX_ROWS))
    if faults:
        return Table(faults=tuple(faults))
    read_rows = [
        _row(number, header, [cell.strip() for cell in line])
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    ]
    return Table(rows=tuple(_mark_doubles(read_rows)))


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _broken(code: str, what: str, fix: str, **params: str) -> Table:
    return Table(faults=(_fault("file", code, what, fix, **params),))


def _fault(where: str, code: str, what: str, fix: str = "", **params: str | float) -> ProblemError:
    return ProblemError(where=where, what=what, fix=fix, code=code, params=dict(params))


def _faults_of_header(header: list[str]) -> list[ProblemError]:
    faults = [
        _fault(name, "column_missing", "this column is missing", "take the template")
        for name in COLUMNS
        if name not in header
    ]
    for name in header:
        if header.count(name) > 1:
            faults.append(_fault(name, "column_twice", "stands twice in the first line", "keep one column"))
        elif name and name not in COLUMNS + OPTIONAL + PARAMETERS and not name.startswith("param_"):
            fix = "write parameters as param_<name>"
            faults.append(_fault(name[:80], "no_column", "is no column of this table", fix))
    return faults


def _row(number: int, header: list[str], line: list[str]) -> Row:
    faults: list[ProblemError] = []
    if len(line) > len(header) and any(line[len(header) :]):
        what, counts = f"has {len(line)} cells, the first line {len(header)}", (len(line), len(header))
        faults.append(_fault("row", "cells", what, "check the commas", cells=counts[0], columns=counts[1]))
    cells = dict(zip(header, line, strict=False))
    fields: dict[str, str] = {}
    parameters: dict[str, float] = {}
    enabled = True
    for name, text in cells.items():
        if len(text) > MAX_CELL:
            faults.append(_fault(name, "cell_length", f"is longer than {MAX_CELL} characters", most=MAX_CELL))
        elif name in PARAMETERS or name.startswith("param_"):
            _number(name, text, parameters, faults)
        elif name == "enabled":
            if text and text.lower() not in _TRUE | _FALSE:
                faults.append(_fault(name, "yes_no", f"'{text}' is neither yes nor no", "1 or 0", value=text))
            enabled = text.lower() not in _FALSE
        elif name:
            fields[name] = text
    faults += [_fault(name, "empty", "is empty") for name in COLUMNS if not fields.get(name)]
    return Row(number, fields, parameters, enabled, tuple(faults))


def _number(name: str, text: str, parameters: dict[str, float], faults: list[ProblemError]) -> None:
    if not text:
        return
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        parameters[name.removeprefix("param_")] = value
    else:
        fix = "digits with a decimal point"
        faults.append(_fault(name, "number", f"'{text}' is not a number", fix, value=text))


def _mark_doubles(rows: list[Row]) -> list[Row]:
    first: dict[str, int] = {}
    marked = []
    for row in rows:
        name = row.fields.get("id", "")
        before = first.setdefault(name, row.number)
        if name and before != row.number:
            what, fix = f"'{name}' stands in row {before} already", "keep one of them"
            fault = _fault("id", "double", what, fix, value=name, row=before)
            row = Row(row.number, row.fields, row.parameters, row.enabled, (*row.faults, fault))  # noqa: PLW2901
        marked.append(row)
    return marked


def write(devices: list[dict[str, Any]]) -> str:
    """Devices as the same table, so that an export can be imported again."""
    names = sorted({name for device in devices for name in device["parameters"]})
    out = io.StringIO()
    writer = csv.writer(out)
    columns = [name if name in PARAMETERS else f"param_{name}" for name in names]
    writer.writerow([*COLUMNS, *OPTIONAL, *columns])
    for device in devices:
        keys = ("id", "name", "site_id", "zone_id", "profile", "edge_id", "address", "timeline")
        fields = [device[key] or "" for key in keys]
        values = [device["parameters"].get(name, "") for name in names]
        writer.writerow([*map(_harmless, fields), int(device["enabled"]), *values])
    return "\ufeff" + out.getvalue()


def _harmless(text: str) -> str:
    """A cell that a spreadsheet program must not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
