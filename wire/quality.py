"""Data-quality flags of the QARTOD Water Level manual v2.1: a different axis from the handling level."""

from enum import IntEnum


class Quality(IntEnum):
    """Primary QARTOD flag of one reading."""

    GOOD = 1
    UNKNOWN = 2  # not evaluated
    SUSPECT = 3  # suspect, or of high interest: a hazard with this flag still surfaces
    FAIL = 4
    MISSING = 9
