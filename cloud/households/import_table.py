"""Household cards from a spreadsheet: text in, rows with what each says of a door out. Pure.

The same manners as the import of devices (`cloud/registry/import_table.py`): template, dry run, a verdict per row, all
rows or none.
"""

import csv
import io
import re
from dataclasses import dataclass

from cloud.households.order import WORDS, Flag
from cloud.problems import ProblemError
from cloud.registry.import_table import decode

COLUMNS = ("building", "stairwell", "floor", "door", "persons", "flags")
OPTIONAL = ("key_with", "note", "consent")
MAX_ROWS = 5000
MOST_PERSONS = 30
_YES, _NO = {"1", "true", "yes", "是", "同意"}, {"", "0", "false", "no", "否", "未同意"}
_BY_WORD = {word: flag for flag, words in WORDS.items() for word in (flag.value, *words)} | {
    "高龄": Flag.OVER_80, "独居老人": Flag.LIVES_ALONE, "行走不便": Flag.MOBILITY, "聋哑": Flag.DEAF,
    "盲人": Flag.BLIND, "孕": Flag.PREGNANT, "婴儿": Flag.INFANT, "失智": Flag.CONFUSED,
}  # fmt: skip
_PERSONAL = re.compile(r"\d{11}|\d{17}[\dXx]|(?:姓名|身份证|电话|手机)")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `number` is the line that a spreadsheet shows (the first is 1)."""

    number: int
    building: str = ""
    stairwell: str = ""
    floor: int = 0
    door: str = ""
    persons: int | None = None
    flags: tuple[Flag, ...] = ()
    key_with: str = ""
    note: str = ""
    consent: bool = False
    faults: tuple[ProblemError, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A read table, or why it cannot be read."""

    rows: tuple[Row, ...] = ()
    faults: tuple[ProblemError, ...] = ()


def template() -> str:
    """An empty table for a spreadsheet program, with one line that shows how."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, *OPTIONAL])
    return "\ufeff" + out.getvalue()


def fault(where: str, code: str, what: str, fix: str = "", **params: str | int) -> ProblemError:
    """One fault of a cell."""
    return ProblemError(where=where, what=what, fix=fix, code=code, params=dict(params))


def read(data: bytes) -> Table:
    """Read a CSV file. A fault of the whole file stands in `faults`, one of a line in its row."""
    text = decode(data)
    if text is None or "\0" in text:
        return Table(
            faults=(fault("file", "not_text", "is neither UTF-8 nor GB 18030 text", "save it as CSV (UTF-8)"),)
        )
    try:
        delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter))
    except csv.Error as error:
        return Table(faults=(fault("file", "not_csv", f"is not CSV: {error}", "save it again as CSV (UTF-8)"),))
    if not lines:
        return Table(faults=(fault("file", "empty_file", "is empty", "take the template"),))
    header = [name.strip().lower() for name in lines[0]]
    faults = [
        fault(name, "column_missing", "this column is missing", "take the template")
        for name in COLUMNS
        if name not in header
    ]
    faults += [
        fault(name[:80], "no_column", "is no column of this table: names, numbers and illnesses are not kept")
        for name in header
        if name and name not in COLUMNS + OPTIONAL
    ]
    faults += [
        fault(name, "column_twice", "stands twice in the first line", "keep one column")
        for name in dict.fromkeys(header)
        if name and header.count(name) > 1
    ]
    if len(lines) - 1 > MAX_ROWS:
        faults.append(fault("file", "too_many_rows", f"has {len(lines) - 1} rows", f"at most {MAX_ROWS} at once"))
    if faults:
        return Table(faults=tuple(faults))
    rows = [
        _row(number, dict(zip(header, (cell.strip() for cell in line), strict=False)))
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    ]
    return Table(rows=tuple(_doubles(rows)))


def _row(number: int, cells: dict[str, str]) -> Row:
    faults = [
        fault(name, "cell_length", f"is longer than {most} characters", "shorten it", most=most)
        for name, most in (("building", 64), ("stairwell", 64), ("door", 20), ("key_with", 60), ("note", 120))
        if len(cells.get(name, "")) > most
    ]
    faults += [fault(name, "empty", "is empty") for name in ("building", "floor", "door") if not cells.get(name)]
    floor = _whole("floor", cells.get("floor", ""), -9, 200, faults)
    persons = _whole("persons", cells.get("persons", ""), 0, MOST_PERSONS, faults)
    flags = flags_of(cells.get("flags", ""), faults)
    consent = cells.get("consent", "").lower()
    if consent not in _YES | _NO:
        faults.append(
            fault("consent", "yes_no", f"'{consent[:40]}' is neither yes nor no", "1 or 0", value=consent[:40])
        )
    faults += personal_faults({name: cells.get(name, "") for name in ("door", "key_with", "note")})
    if flags and consent not in _YES:
        what = "the household has not agreed that its flags are kept"
        faults.append(fault("consent", "no_consent", what, "ask them and write 1, or leave the flags empty"))
    return Row(
        number,
        cells.get("building", ""),
        cells.get("stairwell", ""),
        floor or 0,
        cells.get("door", ""),
        persons,
        flags,
        cells.get("key_with", ""),
        cells.get("note", ""),
        consent in _YES,
        tuple(faults),
    )


def personal_faults(fields: dict[str, str]) -> list[ProblemError]:
    """What looks like a name's, a card's or a telephone's field: it does not belong on a card."""
    what, fix = "holds a telephone or identity number, or a name", "write only what helps at the door"
    return [fault(name, "personal", what, fix) for name, text in fields.items() if _PERSONAL.search(text)]


def _whole(name: str, text: str, least: int, most: int, faults: list[ProblemError]) -> int | None:
    if not text:
        return None
    if re.fullmatch(r"-?\d{1,4}", text) and least <= int(text) <= most:
        return int(text)
    what = f"'{text[:40]}' is not a whole number from {least} to {most}"
    faults.append(fault(name, "number", what, "digits only; basements are 0 and below", value=text[:40]))
    return None


def flags_of(text: str, faults: list[ProblemError]) -> tuple[Flag, ...]:
    """Flags from words in either language, parted by comma, semicolon, 、 or space-less slash."""
    found: dict[Flag, None] = {}
    for word in filter(None, (part.strip() for part in re.split(r"[;,/、；，]", text))):
        flag = _BY_WORD.get(word) or _BY_WORD.get(word.lower())
        if flag is None:
            known = "、".join(zh for zh, _ in WORDS.values())
            faults.append(fault("flags", "no_flag", f"'{word[:40]}' is none", f"one of: {known}", value=word[:40]))
        else:
            found[flag] = None
    return tuple(found)


def _doubles(rows: list[Row]) -> list[Row]:
    first: dict[tuple[str, str, str], int] = {}
    marked = []
    for row in rows:
        before = first.setdefault((row.building, row.stairwell, row.door), row.number)
        if before != row.number:
            double = fault(
                "door", "double", f"this door stands in row {before} already", "keep one of them", row=before
            )
            row = Row(**{name: getattr(row, name) for name in row.__slots__} | {"faults": (*row.faults, double)})  # noqa: PLW2901
        marked.append(row)
    return marked
