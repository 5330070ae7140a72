"""`shouwang profiles`: what device profiles there are, whether one is right, and what a payload means."""

import base64
import binascii
import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from device_profiles import advice
from device_profiles.decoder import DecodeError, Decoder, Message
from device_profiles.error import Problem, ProfileError
from device_profiles.example import mismatches
from device_profiles.library import Library, profile_files
from device_profiles.load import read_profile
from device_profiles.profile import Profile
from wire.time import format_instant

app = typer.Typer(no_args_is_help=True, help="Device profiles: list, show, check, decode.")

USAGE = 2

_Folder = Annotated[
    list[Path] | None, typer.Option("--folder", help="A folder of further profiles. May be given several times.")
]
_Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]


@app.command("list")
def list_profiles(
    hazard: Annotated[str | None, typer.Option(help="smoke, water_level, curtain_wall or device only.")] = None,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Lists every profile."""
    profiles = [profile for profile in _library(folder) if hazard is None or profile.hazard == hazard]
    if as_json:
        _print_json([_summary(profile) for profile in profiles])
        return
    for profile in profiles:
        points = ", ".join(point.name for point in profile.points)
        print(f"{profile.name:<24} {profile.hazard:<13} {profile.model_en}")
        print(f"{'':<24} {profile.vendor_zh} {profile.model_zh}: {points}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="vendor/model, or the path of a profile file.")],
    source: Annotated[bool, typer.Option("--source", help="The YAML as written, to copy from.")] = False,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Shows one profile: points, units, cadence, rules, care."""
    profile = _profile(name, folder)
    if source:
        print(Path(profile.file).read_text(encoding="utf-8"), end="")
        return
    if as_json:
        _print_json(_detail(profile))
        return
    print(f"{profile.name}   {profile.vendor_zh} {profile.model_zh} / {profile.vendor_en} {profile.model_en}")
    print(f"hazard {profile.hazard}, frame {profile.frame}, a message every {profile.cadence_s:g} s")
    if profile.aliases:
        print(f"also called {', '.join(profile.aliases)}")
    for point in profile.points:
        span = "" if point.valid is None else f"   {point.valid[0]:g} … {point.valid[1]:g}"
        derived = "   derived" if point.derived else ""
        print(f"  {point.name:<20} {point.unit:<8} {point.label_zh} / {point.label_en}{span}{derived}")
    for state in profile.states:
        print(f"  {state.name:<20} {'(words)':<8} {state.label_zh} / {state.label_en}")
    for parameter in profile.parameters:
        default = "" if parameter.default is None else f"   default {parameter.default:g}"
        print(f"  parameter {parameter.name} in {parameter.unit}: {parameter.label_zh} / {parameter.label_en}{default}")
    for rule, declaration in profile.rules.items():
        print(f"  rule {rule}: {json.dumps(declaration, ensure_ascii=False)}")
    care = profile.maintenance.model_dump(exclude_none=True, exclude={"note"})
    if care:
        print("  care: " + ", ".join(f"{key} {value}" for key, value in care.items()))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Profile files, or folders of them.")],
    as_json: _Json = False,
) -> None:
    """Checks profiles and runs their examples. Exit code 1 when something is wrong; notes alone are no error."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise _usage(f"there is no file or folder '{path}'")
        files += profile_files(path) if path.is_dir() else [path]
    if not files:
        raise _usage(f"no profile (*.yaml) in {', '.join(str(path) for path in paths)}")
    results = [_checked(file) for file in files]
    wrong = sum(1 for result in results if result["problems"])
    if as_json:
        _print_json(results)
    else:
        for result in results:
            _print_checked(result)
        print(f"{len(results) - wrong} of {len(results)} profiles are right")
    if wrong:
        raise typer.Exit(1)


@app.command()
def decode(
    name: Annotated[str, typer.Argument(help="vendor/model, or the path of a profile file.")],
    hex_: Annotated[str | None, typer.Option("--hex", help="The payload as hexadecimal digits.")] = None,
    base64_: Annotated[str | None, typer.Option("--base64", help="The payload as base64.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The payload as text (JSON).")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="The payload in a file; - for standard input.")] = None,
    fport: Annotated[int | None, typer.Option("--fport", min=0, max=255, help="The LoRaWAN port.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=NUMBER, as mounting_height_m=4.5.")
    ] = None,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Says what a payload means. Exit code 1 when there is an error in it."""
    profile = _profile(name, folder)
    payload = _payload(hex_, base64_, text, file)
    decoder = profile.decoder(_parameters(profile, parameter or []))
    try:
        found = _decoded(decoder.decode(payload, fport), decoder)
    except DecodeError as error:
        found = {"readings": [], "errors": [{"code": str(error.code), "message": error.message}]}
    if as_json:
        _print_json(found)
    else:
        _print_decoded(found, decoder)
    if found["errors"]:
        raise typer.Exit(1)


def _decoded(message: Message, decoder: Decoder) -> dict[str, Any]:
    readings: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for point, value in zip(decoder.points, message.values, strict=True):
        if value is None:
            continue
        if not math.isfinite(value):
            errors.append({"code": "not_finite", "message": f"{value} is no measured value", "point": point.name})
            continue
        readings.append(
            {"point": point.name, "value": int(value) if value == int(value) else value, "unit": point.unit}
        )
    for name, code, detail in message.problems:
        errors.append({"code": str(code), "message": detail} | ({"point": name} if name else {}))
    if message.ts_problem is not None:
        errors.append({"code": "bad_time", "message": message.ts_problem})
    result: dict[str, Any] = {"readings": readings, "errors": errors}
    if message.texts:
        result["states"] = message.texts
    if message.events:
        result["events"] = list(message.events)
    if message.ts is not None:
        result["ts"] = format_instant(message.ts)
    return result


def _print_decoded(found: dict[str, Any], decoder: Decoder) -> None:
    labels = {point.name: f"{point.label_zh} / {point.label_en}" for point in decoder.points}
    if "ts" in found:
        print(f"measured at {found['ts']}")
    for reading in found["readings"]:
        value = f"{reading['value']:.6g}"
        print(f"{reading['point']:<20} {value:>12} {reading['unit']:<8} {labels[reading['point']]}")
    for name, state in found.get("states", {}).items():
        print(f"{name:<20} {state:>12}")
    for event in found.get("events", []):
        print(f"event {event}")
    if not (found["readings"] or found["errors"] or found.get("states")):
        print("the message holds no values")
    for error in found["errors"]:
        place = f" {error['point']}" if "point" in error else ""
        print(f"error{place}: {error['code']}: {error['message']}", file=sys.stderr)
    for name in decoder.missing:
        print(f"note: without --parameter {name}=… derived points stay empty", file=sys.stderr)


def _checked(file: Path) -> dict[str, Any]:
    try:
        profile = read_profile(file)
    except ProfileError as error:
        return {"file": str(file), "profile": None, "problems": [_problem(one) for one in error.problems], "notes": []}
    problems = []
    for example in profile.examples:
        said = mismatches(example, profile.decoder(example.parameters))
        problems += [Problem(str(file), None, f"example '{example.name}'", what) for what in said]
    problems += _rule_problems(profile, file)
    remarks = advice.notes(profile)
    if file.resolve().parts[-2:] != (profile.name.split("/")[0], f"{profile.name.split('/')[1]}.yaml"):
        remarks.append(f"in a library this file stands at {profile.name}.yaml")
    return {
        "file": str(file),
        "profile": profile.name,
        "examples": len(profile.examples),
        "problems": [_problem(one) for one in problems],
        "notes": remarks,
    }


def _rule_problems(profile: Profile, file: Path) -> list[Problem]:
    """The profile's rules over those of its family, as the edge will put them together."""
    from rules import declaration

    try:
        declaration.resolve(
            profile.hazard, [point.name for point in profile.points], profile.cadence_s, dict(profile.rules)
        )
    except ValueError as error:
        return [Problem(str(file), None, "rules", str(error))]
    return []


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
    for note in result["notes"]:
        print(f"{result['file']}: note: {note}")


def _library(folders: list[Path] | None) -> Library:
    try:
        return Library.load(*(folders or []))
    except ProfileError as error:
        raise _usage(str(error)) from None


def _profile(name: str, folders: list[Path] | None) -> Profile:
    try:
        path = Path(name)
        if path.suffix in (".yaml", ".yml") or path.is_file():
            return read_profile(path)
        return _library(folders)[name]
    except ProfileError as error:
        raise _usage(str(error)) from None


def _payload(hex_: str | None, base64_: str | None, text: str | None, file: Path | None) -> bytes:
    given = [source for source in (hex_, base64_, text, file) if source is not None]
    if len(given) != 1:
        raise _usage("give the payload in exactly one way: --hex, --base64, --text or --file")
    try:
        if hex_ is not None:
            return bytes.fromhex(hex_.removeprefix("0x"))
        if base64_ is not None:
            return base64.b64decode(base64_, validate=True)
        if text is not None:
            return text.encode()
        assert file is not None
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except binascii.Error as error:
        raise _usage(f"--base64 is not base64: {error}") from None
    except ValueError:
        raise _usage("--hex takes pairs of hexadecimal digits, as 01755C03821E00") from None
    except OSError as error:
        raise _usage(f"the payload cannot be read: {error}") from None


def _parameters(profile: Profile, given: list[str]) -> dict[str, float]:
    known = [parameter.name for parameter in profile.parameters]
    found: dict[str, float] = {}
    for entry in given:
        name, _, value = entry.partition("=")
        if name not in known:
            raise _usage(f"{profile.name} has no parameter '{name}'; known: {', '.join(known) or 'none'}")
        try:
            found[name] = float(value)
        except ValueError:
            raise _usage(f"--parameter {name} takes a number, not '{value}'") from None
    return found


def _summary(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "vendor_zh": profile.vendor_zh,
        "vendor_en": profile.vendor_en,
        "model_zh": profile.model_zh,
        "model_en": profile.model_en,
        "hazard": str(profile.hazard),
        "frame": profile.frame,
        "cadence_s": profile.cadence_s,
        "points": [point.name for point in profile.points],
    }


def _detail(profile: Profile) -> dict[str, Any]:
    return _summary(profile) | {
        "aliases": list(profile.aliases),
        "points": [
            {
                "name": point.name,
                "unit": point.unit,
                "quantity": point.quantity,
                "valid": None if point.valid is None else list(point.valid),
                "label_zh": point.label_zh,
                "label_en": point.label_en,
                "derived": point.derived,
            }
            for point in profile.points
        ],
        "states": [
            {"name": state.name, "label_zh": state.label_zh, "label_en": state.label_en} for state in profile.states
        ],
        "parameters": [
            {
                "name": parameter.name,
                "unit": parameter.unit,
                "label_zh": parameter.label_zh,
                "label_en": parameter.label_en,
                "default": parameter.default,
            }
            for parameter in profile.parameters
        ],
        "rules": dict(profile.rules),
        "maintenance": profile.maintenance.model_dump(exclude_none=True),
        "documentation": profile.documentation,
        "examples": len(profile.examples),
    }


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _usage(message: str) -> typer.Exit:
    """A wrong call: says so on standard error and ends with exit code 2."""
    print(message, file=sys.stderr)
    return typer.Exit(USAGE)
