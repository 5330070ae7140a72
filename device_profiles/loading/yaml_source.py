"""Strict YAML: what a person wrote, with the line of every key, and none of YAML 1.1's surprises.

Plain scalars follow the YAML 1.2 core schema. Whatever YAML 1.1 and 1.2 read differently (`off`, `no`, `0175`,
`12e5`, `1:30`) is an error that says how to write it; so are duplicate keys, anchors, tags and further documents.
"""

import math
import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from device_profiles.error import Problem

Path = tuple[str | int, ...]

_TRAP_BOOLEAN = re.compile(r"(?i:yes|no|on|off)")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"[-+]?(0[0-9]+|0o[0-7]+|0b[01]+)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+][0-9]+")
_BARE_EXPONENT = re.compile(r"[-+]?[0-9]+[eE][0-9]+")
_BASE_SIXTY = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)")
_MAX_DEPTH = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Source:
    """The content of one file as plain data; keys are always text (`0x10` and `16` are the same key)."""

    file: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """Line of a path, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def text_of(file: pathlib.Path, what: str, most_bytes: int) -> tuple[str, Problem | None]:
    """The text of a file of bounded size, or why it cannot be had.

    Args:
        file: to read.
        what: how messages call it, as "a profile".
        most_bytes: longer files are not read.
    """
    try:
        size = file.stat().st_size
        if size > most_bytes:
            fix = f"{what} has at most {most_bytes // 1024} KiB"
            return "", Problem(str(file), None, "", f"the file has {size} bytes", fix)
        return file.read_text(encoding="utf-8"), None
    except UnicodeDecodeError as error:
        return "", Problem(str(file), None, "", f"is not UTF-8 text: {error}", "save it as UTF-8")
    except OSError as error:
        return "", Problem(str(file), None, "", f"cannot be read: {error.strerror}")


def read(text: str, file: str) -> Source:
    """Reads one YAML document; what is wrong with it stands in `problems`, nothing is raised."""
    source = Source(file)
    try:
        _Builder(source, yaml.parse(text, Loader=_LOADER)).build_document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark is not None else None
        what = " ".join(part for part in (error.context, error.problem) if part)
        source.problems.append(Problem(file, line, "", f"is not YAML: {what}", _yaml_fix(text, line, what)))
    except (yaml.YAMLError, UnicodeError) as error:
        source.problems.append(Problem(file, None, "", f"is not YAML: {str(error).splitlines()[0]}"))
    except _TooDeepError as error:
        what = f"is nested deeper than {_MAX_DEPTH} levels"
        source.problems.append(Problem(file, error.line, "", what, "a profile is flat"))
    return source


def _yaml_fix(text: str, line: int | None, what: str) -> str:
    """What people mostly did when a file is no YAML at all."""
    lines = text.splitlines()
    written = lines[line - 1] if line is not None and 0 < line <= len(lines) else ""
    if re.match(r"\s*\t", written):
        return "lines are indented with blanks, never with tabs"
    if found := re.search(r"[:,\[{]\s*([%@`][^,}\]]*)", written):
        return f'put it in quotes: "{found[1].strip()}"'
    if "flow" in what:
        return "close every { and [; a text with ': ', ',' or brackets in it goes in quotes"
    if "mapping" in what or "block" in what:
        return "keys of one level begin at the same column; a text with ': ' in it goes in quotes"
    return ""


class _TooDeepError(Exception):
    """Stops reading: the rest could only go deeper."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


class _Builder:
    """Turns parse events into plain data and notes every problem on the way."""

    def __init__(self, source: Source, events: Iterator[Any]) -> None:
        self.source = source
        self.events = events

    def build_document(self) -> None:
        """The one document of the file."""
        next(self.events)  # start of the stream
        if isinstance(next(self.events), yaml.StreamEndEvent):
            fix = "`shouwang profiles show … --source` prints one to copy"
            self.source.problems.append(Problem(self.source.file, 1, "", "the file is empty", fix))
            return
        self.source.data = self.build(next(self.events), ())
        next(self.events)  # end of the document
        further = next(self.events)
        if not isinstance(further, yaml.StreamEndEvent):
            self.problem(further, (), "a second document begins", "one profile a file")

    def problem(self, event: Any, path: Path, what: str, fix: str) -> None:
        """Notes a problem at an event."""
        where = ".".join(str(part) for part in path)
        self.source.problems.append(Problem(self.source.file, _line(event), where, what, fix))

    def build(self, event: Any, path: Path) -> Any:
        """The data of a node that begins with an event."""
        line = _line(event)
        self.source.lines.setdefault(path, line)
        if len(path) > _MAX_DEPTH:
            raise _TooDeepError(line)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self.problem(event, path, "anchors (&) and aliases (*) are not used in profiles", "write it out")
        if isinstance(event, yaml.AliasEvent):
            return None
        if event.tag is not None:
            self.problem(event, path, f"tags ({event.tag}) are not used in profiles", "remove it")
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(child := next(self.events), yaml.SequenceEndEvent):
                items.append(self.build(child, (*path, len(items))))
            return items
        return self.scalar(event, path)

    def mapping(self, path: Path) -> dict[str, Any]:
        """A mapping after its start."""
        result: dict[str, Any] = {}
        while not isinstance(key_event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(key_event, yaml.ScalarEvent):
                self.problem(key_event, path, "a key must be one word", "write it as text")
                self.build(key_event, (*path, "?"))
                self.build(next(self.events), (*path, "?"))
                continue
            key = _key_text(self.scalar(key_event, path))
            value_event = next(self.events)
            if key in result:
                first = self.source.lines.get((*path, key))
                self.problem(key_event, (*path, key), f"the key stands twice (first on line {first})", "keep one")
                self.build(value_event, (*path, key))
                continue
            self.source.lines[(*path, key)] = _line(key_event)
            result[key] = self.build(value_event, (*path, key))
        return result

    def scalar(self, event: Any, path: Path) -> Any:
        """The value of a scalar: text when quoted, the YAML 1.2 core schema when plain."""
        text = str(event.value)
        if event.style:
            return text
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) <= 20 else text
        if _HEXADECIMAL.fullmatch(text):
            return int(text, 16) if len(text) <= 20 else text
        if _FLOAT.fullmatch(text):
            return float(text) if math.isfinite(float(text)) else text
        for pattern, what, fix in _TRAPS:
            if pattern.fullmatch(text):
                self.problem(event, path, what.format(text), fix.format(text))
                break
        return text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


_TRAPS = (
    (
        _TRAP_BOOLEAN,
        "'{0}' means true or false to some YAML readers and text to others",
        'write "{0}" in quotes for the text, or true / false',
    ),
    (_OCTAL, "'{0}' is an octal or binary number to some YAML readers", 'write bytes in quotes: "{0}"'),
    (_BARE_EXPONENT, "'{0}' is a number to some YAML readers and text to others", 'for bytes write "{0}"'),
    (_BASE_SIXTY, "'{0}' is a base-60 number to some YAML readers", 'write "{0}" in quotes'),
    (_NOT_FINITE, "'{0}' is not a finite number", "leave the key out, or write a number"),
)


def _key_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "null" if value is None else str(value)
