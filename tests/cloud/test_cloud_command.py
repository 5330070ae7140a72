"""`shouwang cloud` and `shouwang registry` as an administrator types them: real processes."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from typer.testing import CliRunner

from cloud.registry import import_table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def shouwang(*arguments, expect=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "shouwang.main", *map(str, arguments)],
        capture_output=True, text=True, timeout=180, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == expect, done.stderr + done.stdout
    return done


@pytest.fixture
def running(tmp_path):
    """A seeded cloud of its own: (url, data folder, process)."""
    data = tmp_path / "data"
    shouwang("cloud", "seed", "--demo", "--data-dir", data)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shouwang.main", "cloud", "run", "--data-dir", data, "--listen", "127.0.0.1:0"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    run_file, deadline, url = data / "run" / "cloud.json", time.monotonic() + 90, ""
    while time.monotonic() < deadline and process.poll() is None:
        if run_file.exists():
            url = json.loads(run_file.read_text())["url"]
            try:
                if httpx.get(f"{url}/api/v1/health", timeout=2).is_success:
                    break
            except httpx.HTTPError:
                pass
        time.sleep(0.1)
    else:
        process.kill()
        raise AssertionError((tmp_path / "log").read_text())
    yield url, data, process
    if process.poll() is None:
        process.kill()
    process.wait(30)


def test_a_cloud_is_seeded_run_used_and_stopped_in_order(running, tmp_path):
    url, data, process = running
    secrets = data / "secrets"
    for name in ("accounts.json", "edge-gw-liuyin.token", "metrics.token"):
        assert (secrets / name).stat().st_mode & 0o777 == 0o600
    assert (data / "cloud.sqlite").stat().st_mode & 0o077 == 0
    accounts = {one["username"]: one["password"] for one in json.loads((secrets / "accounts.json").read_text())}
    token = (secrets / "edge-gw-liuyin.token").read_text().strip()

    # a second process on the same folder is refused, with the reason
    second = shouwang("cloud", "run", "--data-dir", data, "--listen", "127.0.0.1:0", expect=2)
    assert "another process" in second.stderr
    assert "Traceback" not in second.stderr

    # seeding again opens no account and keeps passwords and token
    shouwang("cloud", "seed", "--demo", "--data-dir", data)
    assert (secrets / "edge-gw-liuyin.token").read_text().strip() == token
    assert json.loads((secrets / "accounts.json").read_text())[0]["password"] == accounts["duty"]

    # the registry as a table
    login = {"SHOUWANG_URL": url, "SHOUWANG_USERNAME": "manager", "SHOUWANG_PASSWORD": accounts["manager"]}
    header = import_table.template().lstrip("\ufeff").strip()
    table, credentials = tmp_path / "devices.csv", tmp_path / "passwords.json"
    table.write_text(f"{header}\nsmoke-1,烟感,wanghuyuan,wh-7-s1-3f,shouwang/smoke,gw-liuyin,,\nsmoke-2,,,,,,,\n")
    judged = shouwang("registry", "import", table, expect=1, **login)
    assert "nothing applied" in judged.stdout
    table.write_text("\n".join(table.read_text().splitlines()[:2]))
    done = shouwang("registry", "import", table, "--apply", "--credentials", credentials, "--json", **login)
    assert json.loads(done.stdout)["applied"] is True
    assert "password" not in done.stdout
    assert json.loads(credentials.read_text())[0]["id"] == "smoke-1"
    assert credentials.stat().st_mode & 0o777 == 0o600
    assert "wrong" in shouwang("registry", "export", expect=2, **(login | {"SHOUWANG_PASSWORD": "not-this-one"})).stderr

    # accounts without the screens
    add = ("cloud", "account", "add", "wu", "--name", "吴桐", "--area", "/chengjiang/liuyin", "--data-dir", data)
    password = shouwang(*add, "--role", "duty_officer").stdout.strip()
    body = {"username": "wu", "password": password}
    assert httpx.post(f"{url}/api/v1/session", json=body, timeout=20).status_code == 200
    renewed = shouwang("cloud", "account", "password", "wu", "--data-dir", data).stdout.strip()
    assert renewed != password
    assert httpx.post(f"{url}/api/v1/session", json=body, timeout=20).status_code == 401

    # an open stream does not hold up the end
    with httpx.stream(
        "GET", f"{url}/api/v1/edge/changes", headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as stream:
        assert stream.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not (data / "run" / "cloud.json").exists()


def test_settings_that_cannot_be_are_refused_with_the_reason(tmp_path):
    from shouwang.cloud import app

    for arguments, told in (
        (("run", "--listen", "8000"), "--listen"),
        (("run", "--log-level", "loud"), "--log-level"),
        (("seed",), "--demo"),
        (("account", "add", "wu", "--name", "吴", "--area", "/a", "--role", "king"), "none of"),
        (("account", "add", "wu", "--name", "吴", "--area", "A b", "--role", "trainer"), "--area"),
    ):
        refused = CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path / "d")])
        assert refused.exit_code == 2
        assert told in refused.stderr
