"""A table of settings seen row by row: each field is gathered when it is asked for, and only once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rules.scan import Ints, every

FEW = 64
"""So many numbers are gathered at once sooner than a single one is spread."""


class Rowwise:
    """Fields of structured settings, a number for each row.

    Copying whole structured rows costs ten times as much as the few fields that a step looks at.
    """

    def __init__(self, settings: npt.NDArray[Any], index: Ints) -> None:
        """`index`: line of the settings by row."""
        self._settings = settings
        self._index = index
        self._same = len(index) > FEW and every(index == index[0])
        self._found: dict[str, npt.NDArray[Any]] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The field of each row; not to be written to."""
        found = self._found.get(name)
        if found is None:
            field = self._settings[name]
            same = self._same
            found = np.broadcast_to(field[int(self._index[0])], self._index.shape) if same else field[self._index]
            self._found[name] = found
        return found

    def only(self, rows: Ints) -> "Rowwise":
        """Some of the rows."""
        return Rowwise(self._settings, self._index[rows])
