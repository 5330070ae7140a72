"""The picture of a backtest, and changed rules against those in force, as people ask for them."""

import base64
import json
import re
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from required import absent
from typer.testing import CliRunner

from shouwang import backtest_png
from shouwang.backtest_html import contents
from shouwang.backtest_judge import Layer, cadence, judge, rulebook, sources
from shouwang.backtest_picture import picture, thin
from shouwang.main import app
from shouwang.recording import read
from wire.alert import Hazard

START = 1_782_864_000
CHANGED = "water_depth: {levels: {IV: {enter: 0.5, exit: 0.4}, III: {enter: 0.6, exit: 0.5}, II: null, I: null}}\n"


def run(*arguments):
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


@pytest.fixture
def flood(tmp_path):
    """Two days: a flood of an hour, a small one of half an hour, a gap, spikes, one reading that cannot be."""
    rng = np.random.default_rng(5)
    t = np.arange(0, 2 * 86_400, 10)
    level = 0.004 + 0.001 * rng.standard_normal(len(t))
    for start, minutes, high in ((20_000, 60, 0.3), (90_000, 30, 0.12)):
        ramp = np.clip(np.minimum(t - start, start + 60 * minutes - t) / 300, 0, 1)
        level = np.maximum(level, ramp * high)
    level[[3000, 9500, 14_000]] = 0.8
    level[15_000] = 9.9
    keep = (t < 120_000) | (t > 126_000)
    path = tmp_path / "flood.csv"
    rows = (f"{START + a},{b:.4f}" for a, b in zip(t[keep], level[keep], strict=True))
    path.write_text("t,level\n" + "\n".join(rows))
    (tmp_path / "layer.yaml").write_text("quality: {level: {user_span: [-0.1, 3.0]}}\n")
    (tmp_path / "changed.yaml").write_text(CHANGED)
    return path


OPTIONS = ("--time", "t", "--value", "level", "--kind", "water_level")


def pixels(path):
    """Rows of a PNG, eight bits a colour."""
    from matplotlib.image import imread

    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    return np.rint(imread(path) * 255).astype(int)


def share(image, colour, tolerance=12):
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return float(np.mean(np.all(np.abs(image[:, :, :3] - wanted) <= tolerance, axis=2)))


def test_a_png_shows_curve_levels_gap_and_alarms(flood, tmp_path):
    out = tmp_path / "flood.png"
    result = run(flood, *OPTIONS, "--rules", tmp_path / "layer.yaml", "--plot", out, "--json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["rule"] for line in result.stdout.splitlines()].count("water_depth") == 2
    image = pixels(out)
    assert image.shape[1] > 1400
    for colour in ("#e06a00", "#ffdd33", "#1d5fc4", "#11171b"):  # levels II, III, IV, and the ink of the curve
        assert share(image, colour) > 1e-4, colour
    assert share(image, "#e1e5e8", 6) > 1e-3  # the gap


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_a_page_holds_everything_in_one_file(flood, tmp_path):
    out = tmp_path / "flood.html"
    result = run(
        flood, *OPTIONS, "--rules", tmp_path / "layer.yaml", "--plot", out, "--lang", "zh", "--zone", "+08:00"
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    text = out.read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)\s*=|url\(|https?://|import ", text) == []
    assert "default-src 'none'" in text
    assert '<html lang="zh-CN">' in text
    (panel,) = data_of(out)["panels"]
    assert (panel["label"], panel["unit"], panel["readings"]) == ("水位", "m", 2 * 8640 - 601)
    assert panel["gaps"] == [[(START + 119_990) * 1000, (START + 126_010) * 1000]]
    assert [mark[2] for mark in panel["marks"]] == [3]
    assert max(value for value in panel["v"] if value is not None) == 9.9
    assert panel["limits"][1] < 1.5  # what nobody believes does not squeeze the picture
    assert "1 (9.9" in panel["outside"]
    lines = {each["level"]: each["enter"] for each in panel["thresholds"] if each["rule"] == "water_depth"}
    assert (lines["III"], lines["II"], lines["I"]) == (0.15, 0.25, 0.4)
    assert any("water_rise" in text for text in panel["unseen"])
    lanes = {lane["rule"]: lane for lane in panel["lanes"]}
    assert {"III", "II"} <= {span[2] for span in lanes["water_depth"]["spans"]}
    assert {doubt["name"]: doubt["count"] for doubt in panel["doubts"]}["user_range"] == 1


def test_names_in_a_page_cannot_break_out_of_it(flood, tmp_path):
    path = tmp_path / "<script>alert(1)<!--&.csv"
    path.write_text(flood.read_text())
    out = tmp_path / "x.html"
    assert run(path, *OPTIONS, "--plot", out).exit_code == 0
    assert "<script>alert" not in out.read_text(encoding="utf-8")
    assert data_of(out)["title"] == path.name


def test_no_peak_is_lost_by_thinning():
    rng = np.random.default_rng(2)
    for count, columns in ((100_000, 700), (5_000, 700), (37, 5)):
        t = np.sort(rng.integers(0, 10**9, count))
        value = rng.normal(size=count)
        kept = thin(t, value, int(t[0]), int(t[-1]), columns)
        assert len(kept) <= max(4 * columns, 1)
        assert np.all(np.diff(kept) > 0)
        column = (t - t[0]) * columns // (t[-1] - t[0] + 1)
        for each in np.unique(column):
            rows, shown = np.flatnonzero(column == each), kept[column[kept] == each]
            assert value[shown].max() == value[rows].max()
            assert value[shown].min() == value[rows].min()
            assert (shown[0], shown[-1]) == (rows[0], rows[-1])


def test_a_season_every_ten_seconds_is_drawn_in_bounded_size(tmp_path):
    path = tmp_path / "short.csv"
    path.write_text("t,level\n0,0\n10,0\n")
    recording = read(path, "t", ["level"])
    count = 60 * 8640
    recording.ts = (START + np.arange(count) * 10) * 1000
    level = 0.01 + 0.002 * np.sin(np.arange(count) / 3000)
    level[300_000] = 0.77
    recording.values = {"level": level}
    recording.relative = False
    wanted = sources(Hazard.WATER_LEVEL, "level", None, [])
    began = time.process_time()
    book = rulebook(Hazard.WATER_LEVEL, ["level"], cadence(recording), [Layer()], {}, silence=False, tested=True)
    judged = judge(recording, wanted, book)
    shown = picture(judged, title="season", columns=1400)
    assert time.process_time() - began < 30
    (panel,) = shown.panels
    assert len(panel.t) <= 4 * 1400
    assert np.nanmax(panel.value) == 0.77
    assert panel.thinned
    assert len(json.dumps(contents(shown, "en"))) < 400_000


def test_changed_rules_are_set_against_those_in_force(flood, tmp_path):
    result = run(flood, *OPTIONS, "--compare", tmp_path / "changed.yaml", "--json")
    assert result.exit_code == 0, result.stderr
    pairs = [json.loads(line) for line in result.stdout.splitlines()]
    depth = [pair for pair in pairs if pair["rule"] == "water_depth"]
    assert [pair["verdict"] for pair in depth] == ["only_before", "only_before"]
    assert all(pair["after"] is None and pair["shift_s"] is None for pair in depth)
    assert depth[0]["before"]["level"] == "II"
    assert {pair["verdict"] for pair in pairs if pair["rule"] == "water_rise"} == {"same"}
    table = run(flood, *OPTIONS, "--compare", tmp_path / "changed.yaml")
    assert "would not fire 2" in table.stdout
    for kind in ("png", "html"):
        out = tmp_path / f"both.{kind}"
        assert run(flood, *OPTIONS, "--compare", tmp_path / "changed.yaml", "--plot", out).exit_code == 0
    data = data_of(out)
    assert data["compared"]
    assert data["summary"]["only_before"] == 2
    lanes = [(lane["rule"], lane["side"], len(lane["spans"])) for lane in data["panels"][0]["lanes"]]
    assert ("water_depth", "after", 0) in lanes
    sides = {(each["level"], each["side"]) for each in data["panels"][0]["thresholds"]}
    assert {("IV", "before"), ("IV", "after"), ("II", "before")} <= sides


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--plot", "out.gif"), "ends neither in .png nor in .html"),
        (("--plot", "nowhere/out.html"), "there is no folder nowhere"),
        (("--plot", "out.html", "--lang", "fr"), "--lang fr: choose one of en, zh"),
        (("--compare", "nowhere.yaml"), "nowhere.yaml: No such file"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(flood, tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    result = run(flood, *OPTIONS, *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_without_matplotlib_a_png_says_how_to_get_it(flood, tmp_path, monkeypatch):
    monkeypatch.setattr(backtest_png, "find_spec", lambda _name: None)
    result = run(flood, *OPTIONS, "--plot", tmp_path / "x.png")
    assert result.exit_code == 2
    assert "pip install 'shouwang[plot]'" in result.stderr
    assert run(flood, *OPTIONS, "--plot", tmp_path / "x.html").exit_code == 0


def test_matplotlib_is_not_loaded_without_a_picture():
    import subprocess

    code = "import sys, shouwang.backtest, shouwang.backtest_plot; print('matplotlib' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_without_a_chinese_font_the_labels_are_english_and_it_is_said(flood, tmp_path, monkeypatch):
    monkeypatch.setattr(backtest_png, "CHINESE", ("No Such Font",))
    result = run(flood, *OPTIONS, "--plot", tmp_path / "x.png", "--lang", "zh")
    assert result.exit_code == 0
    assert "no font with Chinese characters" in result.stderr


@pytest.mark.browser
def test_the_page_draws_and_zooms_in_a_browser_without_network(flood, tmp_path):
    from browser_watch import ARGUMENTS, CHROMIUM
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        absent("browser", "no Chromium on this machine: apt-get install chromium")
    out = tmp_path / "flood.html"
    run(flood, *OPTIONS, "--plot", out, "--lang", "zh", "--zone", "+08:00")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        wrong = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if "file:" not in request.url else None)
        page.goto(out.as_uri())
        canvas = page.locator("canvas")
        page.wait_for_function("document.querySelector('canvas').height > 200")

        def drawn():
            url = canvas.evaluate("c => c.toDataURL('image/png')")
            return base64.b64decode(url.partition(",")[2])

        whole = drawn()
        before = page.locator("#now").inner_text()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 500, box["y"] + 100, steps=4)
        page.mouse.up()
        page.mouse.move(10, 10)
        page.wait_for_function("text => document.getElementById('now').innerText !== text", arg=before)
        assert drawn() != whole
        canvas.focus()
        page.keyboard.press("0")
        page.wait_for_function("text => document.getElementById('now').innerText === text", arg=before)
        page.locator("summary").click()
        assert "紧急" in page.locator("tbody").inner_text()
        browser.close()
    assert wrong == []


DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["backtest.md", "backtest.zh-CN.md"])
def test_the_commands_of_the_page_do_what_it_says(page, tmp_path, monkeypatch):
    text = (DOCS / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    stage = [2.0] * 30 + [5.2, 5.5, 6.1, 6.4, 5.9, 5.1] + [2.0] * 30
    rows = [f"2026-05-01T{8 + i // 12:02d}:{i % 12 * 5:02d}:00Z,{each}" for i, each in enumerate(stage)]
    Path("level.csv").write_text("ts,stage\n" + "\n".join(rows))
    Path("fire.csv").write_text("TIME,SMA,TC\n" + "\n".join(f"{i * 4},{i / 500},{22 + i / 4}" for i in range(100)))
    Path("changed.yaml").write_text(re.search(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[1])
    commands = re.findall(r"^\$ shouwang backtest (.*)$", text, re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        result = CliRunner().invoke(app, ["backtest", *shlex.split(command)])
        assert result.exit_code == 0, (command, result.stderr)
        if "--json" in command:
            assert all(json.loads(line) for line in result.stdout.splitlines())
            assert result.stdout, command
    assert all(Path(name).stat().st_size > 5000 for name in ("level.html", "level.png", "both.html"))
    assert data_of(Path("both.html"))["compared"]
