"""What the commands of `shouwang profiles` share: which profile is meant, and how a wrong call ends."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from device_profiles.error import ProfileError
from device_profiles.library import Library
from device_profiles.loading.load import read_profile
from device_profiles.profile import Profile

WRONG = 1
"""Exit code: what was looked at is not right (a profile, a payload)."""

USAGE = 2
"""Exit code: the call itself is wrong."""

FolderOption = Annotated[
    list[Path] | None, typer.Option("--folder", help="A folder of further profiles. May be given several times.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
NameArgument = Annotated[str, typer.Argument(help="vendor/model, or the path of a profile file.")]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="NAME=NUMBER, as mounting_height_m=4.5.")
]


def library(folders: list[Path] | None) -> Library:
    """The built-in profiles and those of further folders."""
    try:
        return Library.load(*(folders or []))
    except ProfileError as error:
        raise usage(str(error)) from None


def profile_file(name: str) -> Path | None:
    """The file that a name means; None: it means a profile of the library."""
    path = Path(name)
    return path if path.suffix in (".yaml", ".yml") or path.is_file() else None


def profile_of(name: str, folders: list[Path] | None) -> Profile:
    """The profile of a file or of a name in the library."""
    try:
        file = profile_file(name)
        return library(folders)[name] if file is None else read_profile(file)
    except ProfileError as error:
        raise usage(str(error)) from None


def parameters_of(profile: Profile, given: list[str] | None) -> dict[str, float]:
    """What `-p NAME=NUMBER` says."""
    known = [parameter.name for parameter in profile.parameters]
    found: dict[str, float] = {}
    for entry in given or []:
        name, _, value = entry.partition("=")
        if name not in known:
            raise usage(f"{profile.name} has no parameter '{name}'; known: {', '.join(known) or 'none'}")
        try:
            found[name] = float(value)
        except ValueError:
            raise usage(f"--parameter {name} takes a number, not '{value}'") from None
    return found


def print_json(value: Any) -> None:
    """One line."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def usage(message: str) -> typer.Exit:
    """A wrong call: says so on standard error and ends with exit code 2."""
    print(message, file=sys.stderr)
    return typer.Exit(USAGE)
