"""Channels: the numbers by which readings name a point of a device, in reality or in an exercise.

A device's points are numbered in a row at its first appearance, so that one number a device is kept. What was given
once stays, also where a device goes and comes again.
"""

from bisect import bisect_right

import numpy as np

from rules.scan import Ints

Name = tuple[str | None, str, str]
"""Exercise, device, point."""
_SHAPES = 1 << 16


class Channels:
    """Numbers by name, and names by number."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str | None, str], int] = {}  # first channel * _SHAPES + shape
        self._shapes: list[dict[str, int]] = []  # place by point
        self._shape_of: dict[tuple[str, ...], int] = {}
        self._more: dict[Name, int] = {}  # points that came later
        self._firsts: list[int] = []  # of runs and later points, ascending
        self._names: list[tuple[str | None, str] | Name] = []  # of them
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, name: Name) -> int | None:
        """The number of a point; None where it has none."""
        exercise, device, point = name
        run = self._runs.get((exercise, device))
        if run is not None:
            place = self._shapes[run % _SHAPES].get(point)
            if place is not None:
                return run // _SHAPES + place
        return self._more.get(name)

    def lay(self, exercise: str | None, device: str, points: tuple[str, ...]) -> int:
        """Numbers for the points of a device that has none yet; the first, the others follow in their order."""
        shape = self._shape_of.get(points)
        if shape is None:
            if len(self._shapes) == _SHAPES:  # as many different models: none shares anything with another
                numbers = [self.add((exercise, device, point)) for point in points]
                return numbers[0]
            shape = self._shape_of[points] = len(self._shapes)
            self._shapes.append({point: place for place, point in enumerate(points)})
        first, self._count = self._count, self._count + len(points)
        if points:
            self._runs[exercise, device] = first * _SHAPES + shape
            self._firsts.append(first)
            self._names.append((exercise, device))
        return first

    def add(self, name: Name) -> int:
        """A number for a point that came later."""
        number = self._more[name] = self._count
        self._count += 1
        self._firsts.append(number)
        self._names.append(name)
        return number

    def has(self, exercise: str | None, device: str) -> bool:
        """Whether the points of a device were ever numbered."""
        return (exercise, device) in self._runs

    def whose(self, number: int) -> Name:
        """The name of a channel."""
        at = bisect_right(self._firsts, number) - 1
        name = self._names[at]
        if len(name) == 3:
            return name
        points = self._shapes[self._runs[name] % _SHAPES]
        return (*name, tuple(points)[number - self._firsts[at]])

    def numbers(self, exercise: str | None, device: str, points: tuple[str, ...]) -> Ints:
        """Of some points; -1 where one has none."""
        found = [self.get((exercise, device, point)) for point in points]
        return np.array([-1 if number is None else number for number in found], dtype=np.int64)
