"""The status page: open on loopback, behind a password elsewhere, nothing from outside, nothing run from data."""

import base64
import re
import urllib.request

import httpx
import pytest
from edge_process import until
from typer.testing import CliRunner

from edge.status import StatusServer
from edge.status_access import FILE, Access, generated_password, is_local, new_password, set_password
from edge.uplink import Cloud
from shouwang.edge import app


async def nothing():
    return {"edge": "gw-1"}


@pytest.fixture
async def serve(tmp_path):
    made = []

    async def start(access=None):
        server = StatusServer(nothing, lambda: ["the cloud is away"], nothing, access)
        await server.start("127.0.0.1", 0)
        made.append(server)
        return httpx.AsyncClient(base_url=server.url, trust_env=False)

    yield start
    for server in made:
        await server.stop()


def basic(password):
    return {"Authorization": "Basic " + base64.b64encode(f"x:{password}".encode()).decode()}


async def test_on_loopback_nothing_is_asked_and_everything_is_there(serve):
    async with await serve() as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert (await http.get("/status")).json() == {"edge": "gw-1"}
        assert (await http.get("/devices")).status_code == 200
        assert b"process_start_time_seconds" in (await http.get("/metrics")).content
        health = await http.get("/health")
        assert (health.status_code, health.json()["problems"]) == (503, ["the cloud is away"])
        assert (await http.get("/etc/passwd")).status_code == 404
        assert (await http.post("/status")).status_code == 405


async def test_a_foreign_name_bent_to_loopback_is_not_served(serve):
    async with await serve() as http:
        assert (await http.get("/status", headers={"Host": "attacker.example"})).status_code == 421
        assert (await http.get("/status", headers={"Host": "localhost:9090"})).status_code == 200


async def test_the_page_brings_everything_with_it_and_says_so_to_the_browser(serve):
    async with await serve() as http:
        page = await http.get("/")
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page.text), "no asset of anywhere else"
    assert "innerHTML" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"


async def test_elsewhere_the_password_is_asked_for_and_guessing_is_slow(serve, tmp_path):
    now = [0.0]
    password = new_password(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    async with await serve(Access(tmp_path, lambda: now[0])) as http:
        asked = await http.get("/status")
        assert asked.status_code == 401
        assert "Basic" in asked.headers["www-authenticate"]
        health = await http.get("/health")
        assert health.json() == {"status": "degraded"}, "a probe learns no more"
        assert (await http.get("/status", headers=basic(password))).status_code == 200
        for _ in range(5):
            assert (await http.get("/status", headers=basic("wrong"))).status_code == 401
        locked = await http.get("/status", headers=basic("wrong-again"))
        assert locked.status_code == 429
        assert int(locked.headers["retry-after"]) > 50
        assert (await http.get("/status", headers=basic(password))).status_code == 200, "who is in stays in"
        now[0] += 61
        assert (await http.get("/status", headers=basic("wrong"))).status_code == 401
        set_password(tmp_path, "another one, longer")
        assert (await http.get("/status", headers=basic(password))).status_code == 401, "the old one is over at once"
        assert (await http.get("/status", headers=basic("another one, longer"))).status_code == 200
        for broken in ("Basic %%%", "Bearer x", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
            assert (await http.get("/status", headers={"Authorization": broken})).status_code in {401, 429}


async def test_the_password_lies_nowhere_in_clear_once_a_person_has_set_one(tmp_path):
    made = generated_password(tmp_path)
    assert made == generated_password(tmp_path)
    set_password(tmp_path, "correct horse battery")
    assert "horse" not in (tmp_path / FILE).read_text()
    assert generated_password(tmp_path) is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("192.168.1.5", False), ("gateway", False),
    ],
)  # fmt: skip
def test_only_loopback_is_local(host, local):
    assert is_local(host) is local


def test_the_command_line_shows_makes_and_sets_the_password(tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text('[edge]\nid = "gw-1"\ndata_dir = "data"\n')
    run = CliRunner().invoke
    shown = run(app, ["password", "--config", str(file)])
    assert shown.exit_code == 0
    assert len(shown.stdout.strip()) == 19
    assert run(app, ["password", "--config", str(file)]).stdout == shown.stdout
    assert run(app, ["password", "--config", str(file), "--new"]).stdout != shown.stdout
    assert run(app, ["password", "--config", str(file), "--set"], input="short\n").exit_code == 2
    assert run(app, ["password", "--config", str(file), "--set"], input="long enough to keep\n").exit_code == 0
    assert run(app, ["password", "--config", str(file)]).exit_code == 2


@pytest.mark.broker
def test_an_agent_that_listens_on_the_lan_asks_and_says_nothing_before(make_edge):
    edge = make_edge(None, more='[status]\nlisten = "0.0.0.0:0"\n')
    edge.start(wait=False)
    until((edge.data / "run" / "edge.json").exists, "the run file")
    status, body = edge.get("/status")
    assert status == 401
    assert b"gw-1" not in body
    password = generated_password(edge.data)
    request = urllib.request.Request(edge.run["status_url"] + "/devices", headers=basic(password))
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b'"left_out": 0' in answer.read()


@pytest.mark.broker
def test_a_cloud_that_refuses_is_told_from_one_that_is_away(make_edge, cloud):
    def says(state, problem):
        found = edge.status()
        here = found.get("cloud") or {"state": ""}
        told = [each for each in found["problems"] if each.startswith("cloud")] if here["state"] == state else []
        return here["state"] == state and (not problem or (told and told[0].startswith(problem)))

    cloud.mode = "refuse"
    edge = make_edge(cloud).start()
    until(lambda: says("refusing", "cloud refusing: 401 this token is not known"), "the refusal")
    cloud.mode = "away"
    until(lambda: says("away", "cloud away: 503"), "the absence")
    cloud.mode = "ok"
    until(lambda: says("reachable", ""), "the cloud")
    assert not edge.status()["problems"]
    page = edge.get("/")[1].decode()
    words = [set(re.findall(r"(\w+):", each)) for each in re.findall(r"cloud:\{(.*?)\}", page)]
    assert len(words) == 2, "Chinese and English"
    assert all({state.value for state in Cloud} <= each for each in words), "the page has a word for each"
