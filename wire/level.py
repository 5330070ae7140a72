"""Handling level (处置等级): how fast people must act. Never a colour, never data quality or device health."""

from enum import StrEnum


class Level(StrEnum):
    """Handling level on the wire, worst first: I 特急, II 紧急, III 较急, IV 一般."""

    I = "I"  # noqa: E741  the field's name
    II = "II"
    III = "III"
    IV = "IV"

    @property
    def rank(self) -> int:
        """1 for IV up to 4 for I; 0 is kept for 'no hazard' in arrays."""
        return _RANK[self]

    @classmethod
    def of_rank(cls, rank: int) -> "Level | None":
        """The level of an array value; None for 0.

        Raises:
            ValueError: for a rank outside 0..4.
        """
        if rank == 0:
            return None
        for level, value in _RANK.items():
            if value == rank:
                return level
        raise ValueError(f"level rank {rank} is outside 0..4")


_RANK = {Level.IV: 1, Level.III: 2, Level.II: 3, Level.I: 4}


def worst(levels: "list[Level]") -> Level | None:
    """The most urgent of some levels; None of none."""
    return max(levels, key=lambda level: level.rank, default=None)
