"""All profiles at hand: the built-in library and folders of one's own."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from device_profiles.error import Problem, ProfileError, UnknownProfileError

if TYPE_CHECKING:
    from device_profiles.profile import Profile

BUILT_IN = Path(__file__).parent / "library"


@dataclass(frozen=True, slots=True)
class Unread:
    """A profile of which only its names were looked at."""

    name: str
    aliases: tuple[str, ...]
    file: str


class Library:
    """Profiles by name, `vendor/model`."""

    def __init__(self, profiles: Mapping[str, "Profile | Unread"]) -> None:
        self._profiles = dict(profiles)
        self._aliases = {alias: profile.name for profile in profiles.values() for alias in profile.aliases}

    @classmethod
    def load(cls, *extra: Path, lazily: bool = False) -> "Library":
        """Reads the built-in library and further folders; a later folder may replace a profile of an earlier one.

        Args:
            extra: folders of one's own.
            lazily: read a profile of the built-in library when it is asked for: whoever needs three of them does not
                read a hundred. Those of one's own are always read: their problems are told at once.

        Raises:
            ProfileError: with the problems of every broken file.
        """
        profiles: dict[str, Profile | Unread] = {}
        problems: list[Problem] = []
        for folder in (BUILT_IN, *extra):
            found: dict[str, Profile | Unread] = {}
            if not folder.is_dir():
                problems.append(Problem(str(folder), None, "", "is not a folder", "give a folder of profiles"))
            for file in profile_files(folder):
                try:
                    profile = (_unread(file) if lazily and folder is BUILT_IN else None) or read(file)
                except ProfileError as error:
                    problems += error.problems
                    continue
                if (first := found.get(profile.name)) is not None:
                    what = f"'{profile.name}' stands in {first.file} already"
                    problems.append(Problem(str(file), None, "profile", what, "give one of them another name"))
                found[profile.name] = profile
            profiles |= found
        if problems:
            raise ProfileError(*problems)
        return cls(dict(sorted(profiles.items())))

    def __getitem__(self, name: str) -> "Profile":
        """The profile of a name or of one of its aliases.

        Raises:
            UnknownProfileError: a ProfileError with near matches.
        """
        profile = self._profiles.get(self._aliases.get(name, name))
        if isinstance(profile, Unread):
            profile = self._profiles[profile.name] = read(Path(profile.file))
        if profile is None:
            near = difflib.get_close_matches(name, [*self._profiles, *self._aliases], n=3, cutoff=0.5)
            raise UnknownProfileError(name, tuple(near))
        return profile

    def __contains__(self, name: object) -> bool:
        return name in self._profiles or name in self._aliases

    def __iter__(self) -> "Iterator[Profile]":
        return (self[name] for name in self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)

    def names(self) -> list[str]:
        """Every name, sorted; without aliases."""
        return list(self._profiles)

    def aliases(self) -> Mapping[str, str]:
        """The names that aliases stand for."""
        return self._aliases


def read(file: Path) -> "Profile":
    """See `loading.load.read_profile`, which is imported with all that it checks by at the first call."""
    from device_profiles.loading.load import read_profile

    return read_profile(file)


_NAME = re.compile(r"profile: ([a-z0-9/_.-]+)\n(?:aliases: \[([a-z0-9/_., -]+)\]\n)?(?=vendor:)")
"""How a file of the built-in library begins."""


def _unread(file: Path) -> Unread | None:
    """The names of a profile; None where the file does not begin as usual."""
    with file.open(encoding="utf-8") as text:
        begin = _NAME.match(text.read(2000))
    if begin is None:
        return None
    aliases = tuple(each.strip() for each in (begin[2] or "").split(",") if each.strip())
    return Unread(begin[1], aliases, str(file))


def profile_files(folder: Path) -> list[Path]:
    """The profile files of a folder tree."""
    return sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.rglob(pattern))
