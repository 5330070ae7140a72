"""The unit tests of the screens (vitest): sorting, time left, the offline queue, both languages with the same keys."""

import subprocess
from pathlib import Path

from hatch_screens import hatch_build
from required import absent

WEB = Path(__file__).parent.parent / "cloud" / "web"


def test_the_screens_own_unit_tests_pass() -> None:
    if not (WEB / "node_modules").is_dir():
        absent("browser", "the screens were not built here: python hatch_build.py")
    npm, environment = hatch_build().tools()
    done = subprocess.run(
        [*npm, "test", "--", "--no-color"], cwd=WEB, env=environment, capture_output=True, text=True, timeout=240
    )
    print(done.stdout[-3000:], done.stderr[-2000:])
    assert done.returncode == 0
