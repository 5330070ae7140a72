"""A running stack for a test: cloud, edge and embedded broker on free ports, all gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    try:
        yield stack.start()
    finally:
        print(stack.tail())
        stack.stop()
