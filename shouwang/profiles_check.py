"""`shouwang profiles check`: what is wrong with a profile, and what its users will miss."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from device_profiles.authoring import advice, hints, skeleton
from device_profiles.authoring.advice import Note
from device_profiles.decoder import DecodeError
from device_profiles.error import Problem, ProfileError
from device_profiles.example import Example, mismatches
from device_profiles.library import profile_files
from device_profiles.loading import yaml_source
from device_profiles.loading.load import read_profile
from device_profiles.loading.yaml_source import Source
from device_profiles.profile import Profile
from shouwang.profiles_message import told
from shouwang.profiles_named import WRONG, JsonOption, print_json, usage

LACKING = 3
"""Exit code with --strict: right, but there are notes."""

_SUBJECT = re.compile(r"([a-z][a-z0-9_]*) is ")


def check(
    paths: Annotated[list[Path], typer.Argument(help="Profile files, or folders of them.")],
    strict: Annotated[bool, typer.Option("--strict", help="Notes count too: exit code 3.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Checks profiles and runs their examples.

    Notes say what users will miss, remarks what to look at again. Exit code 0: all are right; 1: something is wrong;
    2: there is nothing to check; 3: with --strict, all are right but there are notes.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise usage(f"there is no file or folder '{path}'")
        files += profile_files(path) if path.is_dir() else [path]
    if not files:
        raise usage(f"no profile (*.yaml) in {', '.join(str(path) for path in paths)}")
    results = [_checked(file) for file in dict.fromkeys(files)]
    wrong = sum(1 for result in results if result["problems"])
    if as_json:
        print_json(results)
    else:
        for result in results:
            _print_checked(result)
        print(f"{len(results) - wrong} of {len(results)} profiles are right")
    if wrong:
        raise typer.Exit(WRONG)
    if strict and any(result["notes"] for result in results):
        raise typer.Exit(LACKING)


def _checked(file: Path) -> dict[str, Any]:
    try:
        profile = read_profile(file)
    except ProfileError as error:
        return {
            "file": str(file),
            "profile": None,
            "problems": [_problem(one) for one in error.problems],
            "notes": [],
            "remarks": [],
        }
    text = file.read_text(encoding="utf-8")
    source = yaml_source.read(text, str(file))
    problems = [
        problem
        for index, example in enumerate(profile.examples)
        for problem in _example_problems(profile, example, index, source)
    ]
    rules, wrong_rules = _rules(profile, source)
    problems += wrong_rules
    noted = advice.notes(profile, rules)
    vendor, model = profile.name.split("/")
    if file.resolve().parts[-2:] not in ((vendor, f"{model}.yaml"), (vendor, f"{model}.yml")):
        noted.append(Note(f"in a library this file stands at {profile.name}.yaml", ("profile",)))
    notes = [_note(source, "note", note) for note in noted]
    todo = [number for number, line in enumerate(text.splitlines(), 1) if number > 1 and skeleton.TODO.search(line)]
    if todo:
        what = f"{len(todo)} lines say TODO: {', '.join(str(number) for number in todo)}"
        notes.append(_note(source, "note", Note(what), todo[0]))
    return {
        "file": str(file),
        "profile": profile.name,
        "examples": len(profile.examples),
        "problems": [_problem(one) for one in problems],
        "notes": notes,
        "remarks": [_note(source, "remark", note) for note in advice.remarks(profile)],
    }


def _example_problems(profile: Profile, example: Example, index: int, source: Source) -> Iterator[Problem]:
    """What of an example does not come true, where it is written, and what was probably meant."""
    said = mismatches(example, profile.decoder(example.parameters))
    if not said:
        return
    guesses = hints.hints(example, profile)
    where = f"example '{example.name}'"
    for what in said:
        subject = _SUBJECT.match(what)
        name = subject[1] if subject else ""
        line = source.line(("examples", index, "values", name)) if name else source.line(("examples", index))
        fix = guesses.get(name, "")
        if "unknown_tag" in what and "unknown_tag" not in example.problems:
            fix = 'a point with this tag, or in the frame its size: skip: {"0c": 2}'
        yield Problem(source.file, line, where, what, fix)
    decoder = profile.decoder(example.parameters)
    try:
        found = told(decoder.decode(example.payload, example.fport), decoder)
    except DecodeError:
        return
    values = ", ".join(f"{one['point']}: {skeleton.number(one['value'])}" for one in found["readings"])
    whole = f"values: {{{values}}}"
    if found.get("states"):
        whole += f", states: {{{', '.join(f'{name}: {text}' for name, text in found['states'].items())}}}"
    if found.get("events"):
        whole += f", events: [{', '.join(found['events'])}]"
    yield Problem(source.file, source.line(("examples", index)), where, f"decodes to {whole}")


def _rules(profile: Profile, source: Source) -> tuple[str, list[Problem]]:
    """The profile's rules and tests over those of its family, as the edge will put them together."""
    from rules import declaration, quality_declaration
    from rules.kinds import KINDS

    points = [point.name for point in profile.points]
    found, problems = "", []
    try:
        resolved = declaration.resolve(profile.hazard, points, profile.cadence_s, dict(profile.rules))
        kinds = {rule.kind for rule in resolved.values()} & set(KINDS)
        found = f"{resolved} {[sorted(getattr(KINDS[kind], 'PARAMETERS', ())) for kind in sorted(kinds)]}"
    except ValueError as error:
        problems.append(Problem(source.file, source.line(("rules",)), "rules", str(error)))
    try:
        quality_declaration.resolve(profile.hazard, points, profile.cadence_s, dict(profile.quality))
    except ValueError as error:
        problems.append(Problem(source.file, source.line(("quality",)), "quality", str(error)))
    return found, problems


def _note(source: Source, kind: str, note: Note, line: int | None = None) -> dict[str, Any]:
    if line is None and note.path:
        line = source.line(note.path)
    place = source.file if line is None else f"{source.file}:{line}"
    where = ".".join(str(step) for step in note.path)
    return {"line": line, "where": where, "what": str(note), "text": f"{place}: {kind}: {note}"}


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "where": problem.where,
        "what": problem.what,
        "fix": problem.fix,
        "text": str(problem),
    }


def _print_checked(result: dict[str, Any]) -> None:
    for problem in result["problems"]:
        print(problem["text"])
    if not result["problems"]:
        print(f"{result['file']}: {result['profile']} is right; {result['examples']} examples came true")
    for note in (*result["notes"], *result["remarks"]):
        print(note["text"])
