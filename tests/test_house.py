"""The plan of the house holds: imports run down the floors, files stay short, nothing names where it was written."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOOR = {"wire": 1, "rules": 2, "device_profiles": 2, "edge": 3, "cloud": 3, "simulators": 3, "shouwang": 4}

# From the roof of the cloud down (docs/decisions/0004): a domain imports those below it, never one beside or above.
CLOUD_FLOORS = [
    {"app"},
    {"heartbeat"},
    {"intake"},
    {"drills"},
    {"whistles"},
    {"handoffs"},
    {"calls"},
    {"desk"},
    {"households"},
    {"dispatch"},
    {"incidents"},
    {"modes"},
    {"plans"},
    {"rulebook"},
    {"inspections"},
    {"warnings"},
    {"telemetry"},
    {"registry"},
    {"notify"},
    {"audit"},
    {"feed"},
    {"people"},
    {"timers"},
    {
        "database",
        "settings",
        "problems",
        "services",
        "limits",
        "secret_files",
        "idempotency",
        "retrying",
        "http_client",
    },
]
GROUND = CLOUD_FLOORS[-1]
CLOUD_FLOOR = {name: len(CLOUD_FLOORS) - index for index, names in enumerate(CLOUD_FLOORS) for name in names}


def modules() -> Iterator[Path]:
    for package in FLOOR:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield path


def imported(path: Path, *, for_types: bool = True) -> Iterator[tuple[int, str]]:
    """Imports with their lines; without those that only type checkers see, if so wished."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not for_types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
                node.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def test_imports_run_down_the_floors():
    wrong = []
    for path in modules():
        here = path.relative_to(ROOT).parts[0]
        for line, module in imported(path):
            there = module.split(".")[0]
            if there in FLOOR and there != here and FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert wrong == []


def test_imports_run_down_the_floors_of_the_cloud():
    wrong = []
    for path in (ROOT / "cloud").rglob("*.py"):
        here = path.relative_to(ROOT / "cloud").parts[0].removesuffix(".py")
        for line, module in imported(path, for_types=False):
            parts = module.split(".")
            if parts[0] != "cloud" or len(parts) < 2 or here not in CLOUD_FLOOR:
                continue
            there = parts[1]
            if here in GROUND and there in GROUND:
                continue
            if there != here and CLOUD_FLOOR.get(there, 0) >= CLOUD_FLOOR[here]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert wrong == []


def test_judgement_has_no_clock_and_no_io():
    forbidden = {"time", "asyncio", "socket", "sqlite3", "pathlib", "os", "random", "threading", "httpx", "datetime"}
    wrong = []
    for path in (ROOT / "rules").rglob("*.py"):
        for line, module in imported(path):
            if module.split(".")[0] in forbidden - {"datetime"}:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
        if re.search(r"\b(now|utcnow|now_ms)\(\)", path.read_text(encoding="utf-8")):
            wrong.append(f"{path.relative_to(ROOT)} reads a clock")
    assert wrong == []


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def test_no_registry_host_and_no_path_of_a_machine_is_committed():
    pattern = re.compile(
        "|".join(
            [
                r"py" + r"pi\.org",
                r"python" + r"hosted\.org",
                r"registry\." + r"npmjs",
                r"deb\." + r"debian\.org",
                r"/wor" + r"k/",
            ]
        )
    )
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in pattern.finditer(text)]
    assert found == []


def test_npm_lock_names_no_addresses():
    lock = ROOT / "cloud/web/package-lock.json"
    assert '"resolved"' not in lock.read_text(encoding="utf-8")


def test_tests_are_no_package():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_dependency_has_its_line():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    bare = [re.split(r"[<>=\[]", spec)[0] for spec in names]
    assert [name for name in bare if f"`{name}`" not in page] == []


def test_no_file_is_a_whole_floor():
    long = {
        str(path.relative_to(ROOT)): count
        for path in modules()
        if "migrations" not in path.parts and (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}
