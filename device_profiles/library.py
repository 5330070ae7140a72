"""All profiles at hand: the built-in library and folders of one's own."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from device_profiles.error import Problem, ProfileError, UnknownProfileError
from device_profiles.loading.load import read_profile
from device_profiles.profile import Profile

BUILT_IN = Path(__file__).parent / "library"


class Library:
    """Profiles by name, `vendor/model`."""

    def __init__(self, profiles: dict[str, Profile]) -> None:
        self._profiles = profiles
        self._aliases = {alias: profile.name for profile in profiles.values() for alias in profile.aliases}

    @classmethod
    def load(cls, *extra: Path) -> "Library":
        """Reads the built-in library and further folders; a later folder may replace a profile of an earlier one.

        Raises:
            ProfileError: with the problems of every broken file.
        """
        profiles: dict[str, Profile] = {}
        problems: list[Problem] = []
        for folder in (BUILT_IN, *extra):
            found: dict[str, Profile] = {}
            if not folder.is_dir():
                problems.append(Problem(str(folder), None, "", "is not a folder", "give a folder of profiles"))
            for file in profile_files(folder):
                try:
                    profile = read_profile(file)
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

    def __getitem__(self, name: str) -> Profile:
        """The profile of a name or of one of its aliases.

        Raises:
            UnknownProfileError: a ProfileError with near matches.
        """
        profile = self._profiles.get(self._aliases.get(name, name))
        if profile is None:
            near = difflib.get_close_matches(name, [*self._profiles, *self._aliases], n=3, cutoff=0.5)
            raise UnknownProfileError(name, tuple(near))
        return profile

    def __contains__(self, name: object) -> bool:
        return name in self._profiles or name in self._aliases

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles.values())

    def __len__(self) -> int:
        return len(self._profiles)

    def names(self) -> list[str]:
        """Every name, sorted; without aliases."""
        return list(self._profiles)


def profile_files(folder: Path) -> list[Path]:
    """The profile files of a folder tree."""
    return sorted(path for pattern in ("*.yaml", "*.yml") for path in folder.rglob(pattern))
