"""One way to say that a test cannot run here, and why."""

import os
from typing import NoReturn

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("SHOUWANG_REQUIRE", "").split(",")))
"""Things that must not be missing here (CI names browser, mosquitto, postgres)."""


def absent(what: str, why: str) -> NoReturn:
    """Skip with a reason, or fail where `SHOUWANG_REQUIRE` names the thing."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required here: {why}")
    pytest.skip(why)
