"""Slots: one rule on one entity each. Thousands share what their rule says; of each only two numbers are kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rules.rule import Rule
from rules.scan import Ints, roomy


@dataclass(slots=True)
class Slot:
    """One rule on one entity."""

    entity: int
    rule: Rule
    ranks: tuple[int, ...]
    check: int  # of rule and reference: state of another rule does not fit
    learnt: int = 0  # of what a kind's memory depends on


@dataclass(frozen=True, slots=True)
class Sort:
    """What slots of one rule have in common; holds the rule, so that its id stays its own."""

    rule: Rule
    ranks: tuple[int, ...]
    check: int
    learnt: int


class Slots:
    """Slots by number. Arrays may be longer than what is in use."""

    def __init__(self) -> None:
        self.owner = np.zeros(0, dtype=np.int32)  # by slot: its entity
        self.sort = np.full(0, -1, dtype=np.int32)  # by slot: number in `sorts`; -1 = the slot is free
        self.sorts: list[Sort | None] = []
        self._known: dict[tuple[int, int, int], int] = {}
        self._free: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Slot | None:
        sort = int(self.sort[number])
        known = self.sorts[sort] if sort >= 0 else None
        if known is None:
            return None
        return Slot(int(self.owner[number]), known.rule, known.ranks, known.check, known.learnt)

    def __iter__(self) -> Iterator[Slot | None]:
        return (self[number] for number in range(self._count))

    def more(self, count: int) -> int:
        """So many free slots at the end; the number of the first."""
        first, self._count = self._count, self._count + count
        self.owner = roomy(self.owner, self._count, -1)
        self.sort = roomy(self.sort, self._count, -1)
        return first

    def put(self, number: int | Ints, entity: int | Ints, sort: Sort) -> None:
        """Use slots for a rule."""
        key = (id(sort.rule), sort.check, sort.learnt)
        known = self._known.get(key)
        if known is None:
            if self._free:
                known = self._free.pop()
                self.sorts[known] = sort
            else:
                known = len(self.sorts)
                self.sorts.append(sort)
            self._known[key] = known
        self.owner[number], self.sort[number] = entity, known

    def clear(self, number: int) -> None:
        """A slot is free."""
        self.sort[number] = -1

    def tidy(self) -> None:
        """Sorts that no slot is of any more are forgotten."""
        used = np.zeros(len(self.sorts), dtype=np.bool_)
        used[self.sort[: self._count][self.sort[: self._count] >= 0]] = True
        for number in np.flatnonzero(~used).tolist():
            sort = self.sorts[number]
            if sort is not None:
                del self._known[id(sort.rule), sort.check, sort.learnt]
                self.sorts[number] = None
                self._free.append(number)

    def by_sort(self) -> Iterator[tuple[Sort, Ints]]:
        """Slots in use with what they have in common; the numbers of each ascend."""
        return self.grouped(np.arange(self._count))

    def grouped(self, numbers: Ints) -> Iterator[tuple[Sort, Ints]]:
        """Which of some slots have what in common: their places in `numbers`, ascending; free ones are left out."""
        of = self.sort[numbers]
        order = np.argsort(of, kind="stable")
        ends = np.flatnonzero(np.diff(of[order])) + 1
        for places in np.split(order, ends) if len(order) else ():
            number = int(of[places[0]])
            sort = self.sorts[number] if number >= 0 else None
            if sort is not None:
                yield sort, places


class Run(Mapping[str, int]):
    """Slots of an entity that stand equally far apart, by rule: what a dict would say in a tenth of its memory."""

    __slots__ = ("_apart", "_first", "_names")

    def __init__(self, names: tuple[str, ...], first: int, apart: int) -> None:
        self._names = names
        self._first = first
        self._apart = apart

    def __getitem__(self, name: str) -> int:
        try:
            return self._first + self._apart * self._names.index(name)
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
