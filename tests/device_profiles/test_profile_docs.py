"""The pages that teach the profile format: their file is right, and their examples and commands do what they say."""

import re
import shlex
from pathlib import Path

import pytest
from profile_yaml import HEAD
from typer.testing import CliRunner

from device_profiles import document
from device_profiles.authoring.skeleton import KINDS
from device_profiles.decoder import Code, ProblemCode
from device_profiles.example import mismatches
from device_profiles.loading.load import parse_profile
from device_profiles.quantity import QUANTITIES
from shouwang.profiles import app

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["profiles.md", "profiles.zh-CN.md"]


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


FRAMES = [
    pytest.param(page, block, id=f"{page}-{index}")
    for page in PAGES
    for index, block in enumerate(blocks(page, "yaml")[1:])
]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in blocks(page, "console"):
        for command, printed in re.findall(r"^\$ shouwang profiles (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
            result = CliRunner().invoke(app, shlex.split(command))
            assert result.exit_code == (1 if '"code"' in printed else 0), (command, result.output)
            if printed:
                assert result.stdout == printed, command
            if command.startswith("new "):  # from here on its author has filled it in
                (tmp_path / "acme" / "wl-20.yaml").write_text(blocks(page, "yaml")[0], encoding="utf-8")
            ran += 1
    assert ran == 9


@pytest.mark.parametrize(("page", "block"), FRAMES)
def test_every_example_of_a_frame_comes_true(page, block):
    profile = parse_profile(HEAD + block, page)
    for example in profile.examples:
        assert mismatches(example, profile.decoder(example.parameters)) == [], example.name


@pytest.mark.parametrize("page", PAGES)
def test_every_kind_of_frame_is_shown_by_an_example(page):
    shown = {parse_profile(HEAD + block, page).frame for block in blocks(page, "yaml")[1:]}
    assert shown == set(KINDS)


@pytest.mark.parametrize("page", PAGES)
def test_the_page_explains_every_key(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    written = "\n".join(blocks(page, "yaml"))
    models = [
        model for model in vars(document).values() if isinstance(model, type) and issubclass(model, document.Written)
    ]
    unexplained = [
        f"{model.__name__}.{key}"
        for model in models
        for key, field in model.model_fields.items()
        if f"`{field.alias or key}`" not in text and not re.search(rf"\b{field.alias or key}:", written + text)
    ]
    assert unexplained == []


@pytest.mark.parametrize("page", PAGES)
def test_the_page_names_every_code_event_type_and_quantity(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for name in (*Code, *ProblemCode, *QUANTITIES):
        assert re.search(rf"\b{name}\b", text), name


def test_both_languages_show_the_same_files_and_commands():
    assert blocks(PAGES[0], "yaml") == blocks(PAGES[1], "yaml")
    assert blocks(PAGES[0], "console") == blocks(PAGES[1], "console")
