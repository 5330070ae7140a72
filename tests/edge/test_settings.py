"""A settings file that is wrong is answered with the key, what was expected, and what to do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.settings import SettingsError, load

ROOT = Path(__file__).parents[2]
EDGE = '[edge]\nid = "gw-1"\n'
EXTERNAL = EDGE + '[broker]\nmode = "external"\nurl = "mqtt://x"\n'
DEVICE = '[[devices]]\nid = "d"\nsite = "s"\nprofile = "x/y"\n'


def refused(tmp_path, text) -> SettingsError:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert caught.value.file == file
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("", "edge", "missing"),
        ("[edge]\n", "edge.id", "missing"),
        ('[edge]\nid = "a b"\n', "edge.id", "not an identifier"),
        ("[edge]\nid = 5\n", "edge.id", "expected 'str', got 'int'"),
        (EDGE + "colour = 1\n", "edge.colour", "no such key"),
        (EDGE + 'profiles_dir = ["nowhere"]\n', "edge.profiles_dir[0]", "not a folder"),
        (EDGE + '[broker]\nport = "x"\n', "broker.port", "expected 'int', got 'str'"),
        (EDGE + "[broker]\nport = 70000\n", "broker.port", "not a port"),
        (EDGE + '[broker]\nmode = "internal"\n', "broker.mode", "invalid enum value 'internal'"),
        (EDGE + '[broker]\nmode = "external"\n', "broker.url", "not an MQTT address"),
        (EDGE + '[broker]\nurl = "mqtt://x"\n', "broker.url", "embedded broker has no URL"),
        (EXTERNAL + 'password_file = "p"\n', "broker.password_file", "not a file"),
        (EDGE + "[broker]\nmax_in_flight = 3\n", "broker.max_in_flight", "outside 64"),
        (EDGE + '[cloud]\nurl = "http://x"\n', "cloud.token_file", "missing"),
        (EDGE + '[cloud]\nurl = "http://x"\ntoken_file = "t"\n', "cloud.token_file", "not a file"),
        (EDGE + '[cloud]\nurl = "x:8000"\ntoken_file = "t"\n', "cloud.url", "not a web address"),
        (EDGE + '[status]\nlisten = "9090"\n', "status.listen", "not host:port"),
        (EDGE + "[journal]\ntelemetry_bytes = 5\n", "journal.telemetry_bytes", "below 1048576"),
        (EDGE + '[local]\nwebhook_url = "ftp://x"\n', "local.webhook_url", "not a web address"),
        (EDGE + '[local]\ncommand_topic = "a/#"\n', "local.command_topic", "a filter"),
        (EDGE + '[[devices]]\nid = "d"\n', "devices[0].site", "missing"),
        (EDGE + '[[devices]]\nid = "d"\nsite = "s/1"\nprofile = "x/y"\n', "devices[0].site", "not an identifier"),
        (EDGE + DEVICE * 2, "devices[1].id", "stands twice"),
        (EDGE + DEVICE + 'timeline = "t"\n', "devices[0].timeline", "no timeline 't'"),
        ("[edge\n", "", "not TOML"),
    ],
)  # fmt: skip
def test_each_error_names_its_key(tmp_path, text, key, says):
    error = refused(tmp_path, text)
    assert error.key == key
    assert says in error.what
    if key:
        assert key in str(error)


def test_a_local_table_beside_a_cloud_is_refused(tmp_path):
    (tmp_path / "t").write_text("token")
    text = EDGE + '[cloud]\nurl = "http://x"\ntoken_file = "t"\n[[devices]]\nid = "d"\nsite = "s"\nprofile = "x/y"\n'
    assert refused(tmp_path, text).key == "devices"


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "edge.toml").write_text(EDGE)
    assert load(tmp_path / "edge.toml").edge.data_dir == tmp_path / "var" / "edge"


def test_the_example_is_a_good_file(tmp_path):
    text = (ROOT / "deploy" / "edge.toml").read_text()
    (tmp_path / "edge.toml").write_text(text.replace("/etc/shouwang/", "").replace("/var/lib/shouwang/", ""))
    (tmp_path / "edge.token").write_text("x")
    settings = load(tmp_path / "edge.toml")
    assert settings.cloud is not None
    assert settings.broker.mode == "embedded"


def test_a_wrong_profile_in_a_local_table_ends_the_start_with_a_sentence(tmp_path):
    (tmp_path / "edge.toml").write_text(
        EDGE + '[broker]\nport = 0\n[[devices]]\nid = "d"\nsite = "s"\nprofile = "shouwang/smok"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "edge", str(tmp_path / "edge.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "device 'd': " in done.stderr
    assert "shouwang/smoke" in done.stderr


SOURCE = EDGE + '[[sources]]\nuse = "chirpstack"\n'


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (EDGE + '[[sources]]\nprefix = "x"\n', "sources[0].use", "missing"),
        (EDGE + '[[sources]]\nuse = "chirpstak"\n', "sources[0].use", "there is no source 'chirpstak'; there are"),
        (EDGE + '[[sources]]\nuse = "native"\n', "sources[0].use", "need no entry"),
        (SOURCE + '[[sources]]\nuse = "chirpstack"\n', "sources[1].use", "stands twice"),
        (SOURCE + 'prefix = "sensors/x"\n', "sources[0].prefix", "the native topics"),
        (SOURCE + 'prefix = "a/#"\n', "sources[0].prefix", "not a prefix"),
        (SOURCE + 'prefix = "$SYS"\n', "sources[0].prefix", "would take in everything"),
        (SOURCE + 'states = ["a/#"]\n', "sources[0].states", "has no announced topics"),
        (SOURCE + "topics = 5\n", "sources[0].topics", "no such key"),
        (EDGE + '[[sources]]\nuse = "home_assistant"\n', "sources[0].states", "is missing"),
        (EDGE + '[[sources]]\nuse = "home_assistant"\nstates = ["#"]\n', "sources[0].states[0]", "take in everything"),
        (EDGE + '[[sources]]\nuse = "home_assistant"\nstates = ["+/state"]\n', "sources[0].states[0]", "everything"),
        (EDGE + '[[sources]]\nuse = "home_assistant"\nstates = ["a/#/b"]\n', "sources[0].states[0]", "not an MQTT"),
        ('[edge]\nid = "gw-1"\nsources_dir = ["nowhere"]\n', "edge.sources_dir[0]", "not a folder"),
    ],
)  # fmt: skip
def test_each_error_of_a_source_names_its_key(tmp_path, text, key, says):
    error = refused(tmp_path, text)
    assert error.key == key
    assert says in error.what


def test_a_broken_source_file_is_named(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "acme.yaml").write_text("source: acme\n")
    text = SOURCE.replace(EDGE, EDGE + 'sources_dir = ["mine"]\n')
    assert "acme.yaml:1: topics: is missing" in refused(tmp_path, text).what


@pytest.mark.parametrize("page", ["sources.md", "sources.zh-CN.md"])
def test_the_sources_of_the_page_are_good(tmp_path, page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    [sources] = re.findall(r"^```toml\n(\[\[sources.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "edge.toml").write_text(EDGE + sources)
    assert [each.use for each in load(tmp_path / "edge.toml").sources] == [
        "chirpstack",
        "zigbee2mqtt",
        "home_assistant",
    ]
