"""The values of many messages of one model as columns, for whoever works on arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from device_profiles.decoder import DecodeError, Message, Point

NONE = -1
"""In `ts` and `seq`: there is none."""


@dataclass(frozen=True, slots=True)
class Columns:
    """A row for each message, in their order.

    Attributes:
        points: the columns of `values` and `present`.
        values: float64, (messages, points); NaN where nothing stands.
        present: whether a value is there; a value that is there may be NaN.
        ts: int64, event time in epoch ms, or NONE.
        seq: int64, counter, or NONE.
        events: for each event of the model, the messages that announce it.
        texts: for each state of the model, its words; None where nothing stands.
        decoded: False where the payload is an error.
        singly: the messages and errors that were decoded by themselves, by row. They alone may hold more than columns
            do: problems, records of the past, a boot id, an age.
    """

    points: tuple[Point, ...]
    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    ts: NDArray[np.int64]
    seq: NDArray[np.int64]
    events: dict[str, NDArray[np.bool_]]
    texts: dict[str, NDArray[np.object_]]
    decoded: NDArray[np.bool_]
    singly: dict[int, Message | DecodeError] = field(default_factory=dict)

    @classmethod
    def empty(
        cls, points: tuple[Point, ...], states: tuple[str, ...], events: tuple[str, ...], count: int
    ) -> "Columns":
        """Rows in which nothing stands yet."""
        return cls(
            points,
            np.full((count, len(points)), np.nan),
            np.zeros((count, len(points)), dtype=np.bool_),
            np.full(count, NONE, dtype=np.int64),
            np.full(count, NONE, dtype=np.int64),
            {event: np.zeros(count, dtype=np.bool_) for event in events},
            {state: np.full(count, None, dtype=np.object_) for state in states},
            np.zeros(count, dtype=np.bool_),
        )

    def put(self, rows: Sequence[int], answers: Sequence[Message | DecodeError]) -> None:
        """Puts messages that were decoded by themselves into their rows."""
        self.singly.update(zip(rows, answers, strict=True))
        nothing = (None,) * len(self.points)
        place = np.array(rows, dtype=np.intp)
        said = [answer.values if isinstance(answer, Message) else nothing for answer in answers]
        values = np.array(said, dtype=np.float64).reshape(len(rows), len(self.points))
        present = ~np.isnan(values)
        for row, column in np.argwhere(~present).tolist():
            present[row, column] = said[row][column] is not None  # a value may be NaN
        self.values[place], self.present[place] = values, present
        for flags in self.events.values():
            flags[place] = False
        for words in self.texts.values():
            words[place] = None
        self.ts[place] = self.seq[place] = NONE
        self.decoded[place] = [isinstance(answer, Message) for answer in answers]
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, Message):
                self._put_rest(row, answer)

    def _put_rest(self, row: int, message: Message) -> None:
        """Puts what few messages have."""
        if message.ts is not None:
            self.ts[row] = message.ts
        if message.seq is not None and abs(message.seq) < 1 << 63:
            self.seq[row] = message.seq
        for event in message.events:
            self.events[event][row] = True
        for name, word in message.texts.items():
            self.texts[name][row] = word
