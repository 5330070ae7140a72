"""The pages that teach the profile format: their file is right and their commands print what they say."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device_profiles.document import PointDocument, ProfileDocument
from shouwang.profiles import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["profiles.md", "profiles.zh-CN.md"]


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wl-20.yaml").write_text(blocks(page, "yaml")[0], encoding="utf-8")
    ran = 0
    for block in blocks(page, "console"):
        for command, printed in re.findall(r"^\$ shouwang profiles (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
            result = CliRunner().invoke(app, shlex.split(command))
            assert result.exit_code == (1 if '"code"' in printed else 0), (command, result.output)
            if printed:
                assert result.stdout == printed, command
            ran += 1
    assert ran == 8


@pytest.mark.parametrize("page", PAGES)
def test_the_page_explains_every_key(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for model in (ProfileDocument, PointDocument):
        for key in model.model_fields:
            if key not in ("documentation", "tag"):
                assert f"`{key}`" in text, key


def test_both_languages_show_the_same_file_and_commands():
    assert blocks(PAGES[0], "yaml") == blocks(PAGES[1], "yaml")
    assert blocks(PAGES[0], "console") == blocks(PAGES[1], "console")
