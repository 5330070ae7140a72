"""`shouwang profiles list` and `show`: what there is."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from device_profiles.authoring.devices_table import events
from device_profiles.profile import Profile
from shouwang.profiles_named import FolderOption, JsonOption, NameArgument, library, print_json, profile_of, usage
from wire.alert import Hazard


def list_profiles(
    hazard: Annotated[str | None, typer.Option(help="smoke, water_level, curtain_wall or device only.")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists every profile."""
    if hazard is not None and hazard not in set(Hazard):
        raise usage(f"--hazard is one of {', '.join(Hazard)}; not '{hazard}'")
    profiles = [profile for profile in library(folder) if hazard is None or profile.hazard == hazard]
    if as_json:
        print_json([_summary(profile) for profile in profiles])
        return
    for profile in profiles:
        points = ", ".join(point.name for point in profile.points)
        print(f"{profile.name:<24} {profile.hazard:<13} {profile.model_en}")
        print(f"{'':<24} {profile.vendor_zh} {profile.model_zh}: {points}")


def show(
    name: NameArgument,
    source: Annotated[bool, typer.Option("--source", help="The YAML as written, to copy from.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows one profile: points, units, cadence, rules, care."""
    profile = profile_of(name, folder)
    if source:
        print(Path(profile.file).read_text(encoding="utf-8"), end="")
        return
    if as_json:
        print_json(_detail(profile))
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
    if announced := events(profile):
        print(f"  events: {', '.join(announced)}")
    for rule, declaration in profile.rules.items():
        print(f"  rule {rule}: {json.dumps(declaration, ensure_ascii=False)}")
    care = profile.maintenance.model_dump(exclude_none=True, exclude={"note"})
    if care:
        print("  care: " + ", ".join(f"{key} {value}" for key, value in care.items()))


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
        "events": events(profile),
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
