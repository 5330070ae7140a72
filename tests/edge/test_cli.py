"""`shouwang edge` as people call it."""

import pytest
from typer.testing import CliRunner

from shouwang.edge import app

GOOD = '[edge]\nid = "gw-1"\n'


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"]])
def test_help(command):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "SIGTERM" in result.output or "agent" in result.output


def test_check_says_good_or_what_is_wrong(tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text(GOOD)
    result = CliRunner().invoke(app, ["run", "--config", str(file), "--check"])
    assert (result.exit_code, "good" in result.output) == (0, True)
    file.write_text(GOOD + "[broker]\nport = 99999\n")
    result = CliRunner().invoke(app, ["run", "--config", str(file), "--check"])
    assert result.exit_code == 2
    assert "broker.port" in result.output
    assert "Traceback" not in result.output
