"""Assembles the Python text of one model's decoder, which then runs as fast as code written by hand for that model.

Nothing of a profile's text gets into the code: lines consist of the words of this package, of whole numbers and of
names made here (`v0`, `r3_1`, `c12`). Texts, tables and functions of a profile are bound to such names.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any


class Assembly:
    """Lines of one function factory, and the constants that they use."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0
        self._constants: dict[str, Any] = {}
        self._layouts = 0

    def line(self, text: str) -> None:
        """Adds a line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A block under `head:`."""
        self.line(f"{head}:")
        before = len(self._lines)
        self._depth += 1
        try:
            yield
        finally:
            if len(self._lines) == before:
                self.line("pass")
            self._depth -= 1

    @contextmanager
    def under(self, condition: str) -> Iterator[None]:
        """A block under a condition; no block where there is none."""
        if not condition:
            yield
            return
        with self.block(f"if {condition}"):
            yield

    def constant(self, value: Any) -> str:
        """The name under which the lines may use a value."""
        for name, known in self._constants.items():
            if known is value or (isinstance(value, MethodType | frozenset) and known == value):
                return name
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def prefix(self) -> str:
        """A prefix of raw values that is used once."""
        self._layouts += 1
        return f"r{self._layouts}_"

    def compile(self, name: str) -> Callable[..., Any]:
        """The function that the lines define under `name`."""
        namespace: dict[str, Any] = {"__builtins__": _BUILTINS, **self._constants}
        exec(compile("\n".join(self._lines), "<decoder>", "exec"), namespace)  # noqa: S102 - see the module's docstring
        made: Callable[..., Any] = namespace[name]
        return made

    @property
    def text(self) -> str:
        """The lines, for people who look for a fault."""
        return "\n".join(self._lines)


_BUILTINS = {
    "len": len, "str": str, "tuple": tuple, "range": range, "abs": abs, "min": min, "max": max,
    "IndexError": IndexError, "ArithmeticError": ArithmeticError, "ValueError": ValueError,
}  # fmt: skip
