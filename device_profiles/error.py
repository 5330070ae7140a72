"""What is wrong with a profile, said so that its author can mend it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one profile file."""

    file: str
    line: int | None
    where: str  # path inside the document, as `points.level.unit`; empty for the whole file
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """As `file:line: where: what – fix`."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = f"{self.where}: " if self.where else ""
        remedy = f" – {self.fix}" if self.fix else ""
        return f"{place}: {subject}{self.what}{remedy}"


class ProfileError(ValueError):
    """A profile cannot be used; `problems` says why, file and line each."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class UnknownProfileError(ProfileError, KeyError):
    """No profile of that name; `near` holds the names that look alike."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        self.near = near
        fix = f"did you mean {', '.join(near)}?" if near else "`shouwang profiles list` shows every name"
        super().__init__(Problem("library", None, "", f"there is no profile '{name}'", fix))

    def __str__(self) -> str:
        """The sentence (KeyError would show its repr)."""
        return "\n".join(str(problem) for problem in self.problems)
