"""From a YAML file to a checked source document; every problem with file, line and fix."""

import difflib
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from device_profiles.error import Problem, ProfileError
from device_profiles.loading import yaml_source
from device_profiles.loading.yaml_source import Source as Yaml
from device_profiles.sources.source_document import (
    BatteryDocument,
    EventDocument,
    LinkDocument,
    PayloadDocument,
    RefuseDocument,
    SourceDocument,
    StatusDocument,
    TimeDocument,
    TopicDocument,
)
from device_profiles.sources.topic_pattern import PatternError, TopicPattern, names_of

MAX_FILE_BYTES = 256 * 1024
_MODELS: dict[str, type[BaseModel]] = {
    "topics": TopicDocument,
    "payload": PayloadDocument,
    "ts": TimeDocument,
    "link": LinkDocument,
    "battery": BatteryDocument,
    "status": StatusDocument,
    "refuse": RefuseDocument,
}


class SourceFileError(ProfileError):
    """A source file can't be used; `problems` says why, file and line each."""


def read_source(file: Path) -> SourceDocument:
    """Reads and checks one source file.

    Raises:
        SourceFileError: with all its problems.
    """
    text, problem = yaml_source.text_of(file, "a source", MAX_FILE_BYTES)
    if problem is not None:
        raise SourceFileError(problem)
    return parse_source(text, str(file))


def parse_source(text: str, file: str) -> SourceDocument:
    """Checks the text of one source; `file` is only for messages.

    Raises:
        SourceFileError: with all its problems.
    """
    written = yaml_source.read(text, file)
    if written.problems:
        raise SourceFileError(*written.problems)
    try:
        document = SourceDocument.model_validate_json(msgspec.json.encode(written.data))
    except ValidationError as error:
        found = [_problem(written, dict(each)) for each in error.errors(include_url=False)]
        raise SourceFileError(*dict.fromkeys(found)) from None
    if problems := _check(document, written):
        raise SourceFileError(*problems)
    return document


def _problem(written: Yaml, found: dict[str, Any]) -> Problem:
    """One pydantic error in the words of the author."""
    path: list[str | int] = []
    here: Any = written.data
    for step in found["loc"]:  # a location names members of unions too; they stand in no file
        if isinstance(here, dict) and (step in here or step == found["loc"][-1]):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            continue
        path.append(step)
    line = written.line(tuple(path))
    where = ".".join(str(step) for step in path)
    if found["type"] == "extra_forbidden":
        known = list(_model(path).model_fields)
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        fix = f"did you mean '{near[0]}'?" if near else f"known here are {', '.join(known)}"
        return Problem(written.file, line, where, "unknown key", fix)
    if found["type"] == "missing":
        return Problem(written.file, line, where, "is missing", "add it")
    message = str(found["msg"])
    given = found.get("input")
    shown = "" if isinstance(given, dict | list) else f" ({given!r} stands there)"
    fix = "write it in quotes" if found["type"] == "string_type" else "see device_profiles/sources for examples"
    return Problem(written.file, line, where, message[:1].lower() + message[1:] + shown, fix)


def _model(path: list[str | int]) -> type[BaseModel]:
    for step in reversed(path[:-1]):
        if isinstance(step, str) and step in _MODELS:
            return _MODELS[step]
    return EventDocument if len(path) > 2 and path[0] == "events" else SourceDocument


def _check(document: SourceDocument, written: Yaml) -> list[Problem]:
    """What hangs together: patterns that are ones, events that exist, names that the topics have."""
    problems: list[Problem] = []

    def wrong(path: tuple[str | int, ...], what: str, fix: str) -> None:
        where = ".".join(str(step) for step in path)
        problems.append(Problem(written.file, written.line(path), where, what, fix))

    captured = _check_topics(document, wrong)
    for name, event in document.events.items():
        _check_event(name, event, document, captured[name], wrong)
    for key in ("subscribe", "own", "own_hears", "bridge_publishes", "bridge_hears"):
        for index, template in enumerate(getattr(document, key)):
            try:
                names = set(TopicPattern(template.removeprefix("/")).names)
            except PatternError as error:
                wrong((key, index), str(error), "as {address}/events/rpc")
            else:
                if key.startswith("own") and "address" not in names:
                    wrong((key, index), "is not the device's own", "put {address} into it")
    return problems


def _check_topics(document: SourceDocument, wrong: Any) -> dict[str, list[set[str]]]:
    """The names that the patterns of each event hold."""
    events = document.events
    captured: dict[str, list[set[str]]] = {name: [] for name in events}
    for index, topic in enumerate(document.topics):
        place: tuple[str | int, ...] = ("topics", index)
        try:
            names = set(TopicPattern(topic.pattern).names)
        except PatternError as error:
            wrong((*place, "pattern"), str(error), "as application/{application}/device/{address}/event/{event}")
            continue
        if (topic.event is None) == (topic.choose is None):
            wrong(place, "says not which event it is", "give either `event` or `choose`")
        for key, name in (("event", topic.event), ("otherwise", topic.otherwise)):
            if name is not None and name not in events:
                near = difflib.get_close_matches(name, events, n=1)
                fix = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(events)}"
                wrong((*place, key), f"there is no event '{name}'", fix)
        for name in _names(topic.choose) - names:
            wrong((*place, "choose"), f"the pattern has no {{{name}}}", "name what the pattern has")
        fixed = {each.event for each in document.topics} | {each.otherwise for each in document.topics}
        for name in [topic.event] if topic.event else events.keys() - fixed:
            if name in captured:
                captured[name].append(names)
    return captured


def _check_event(
    name: str, event: EventDocument, document: SourceDocument, captured: list[set[str]], wrong: Any
) -> None:
    place = ("events", name)
    if event.kind == "ignored" or (document.teaches and event.kind == "announce"):
        return
    address = event.address or document.address
    if address is None:
        wrong(place, "has no address", 'say where it is, here or for the whole source: `address: "{address}"`')
    for key, places in (("address", address), ("fport", event.fport), ("seq", event.seq), ("name", event.name)):
        for missing in _names(places):
            if any(missing not in names for names in captured):
                wrong((*place, key), f"a pattern of this event has no {{{missing}}}", "name what every pattern has")
    if event.kind == "up" and event.payload is None:
        wrong(place, "has no payload", "`payload: {}` hands the whole message to the profile")
    if event.each is not None and event.kind != "announce":
        wrong((*place, "each"), "only announcements hold several devices", "take it out")
    if event.format != "json" and event.kind == "announce":
        wrong((*place, "format"), "announcements are JSON", "take it out")
    if event.kind == "status" and event.status is None and event.battery is None and event.link is None:
        wrong(place, "says nothing", "give status, battery or link")


def _names(places: str | list[str] | None) -> set[str]:
    listed = [places] if isinstance(places, str) else places or []
    return {name for each in listed for name in names_of(each)}
