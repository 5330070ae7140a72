"""kill -9 in the middle of a run: afterwards the episodes equal those of an undisturbed run, and no reading is lost."""

import os
import signal

import pytest
from edge_cloud import StandInCloud
from edge_process import EdgeProcess, settings, until
from edge_run import DEVICES, READINGS, complete, document, publish

from wire.level import Level
from wire.time import now_ms

pytestmark = [pytest.mark.broker, pytest.mark.slow]

RATE = 500
START = now_ms() - 3_600_000


def run(edge: EdgeProcess, cloud: StandInCloud, disturb=None, rate=RATE):
    cloud.document = document()
    edge.start()
    until(lambda: edge.status()["devices"] == DEVICES, "the device table")
    publish(edge.secret("bridge"), START, rate, disturb(edge, cloud) if disturb else None)
    complete(edge, cloud)
    return cloud.episodes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The oracle: the same readings, in order, with nothing going wrong."""
    cloud = StandInCloud().start()
    folder = tmp_path_factory.mktemp("undisturbed")
    edge = EdgeProcess(folder, settings(folder, cloud))
    try:
        episodes = run(edge, cloud)
    finally:
        edge.end()
        cloud.mode = "away"
        cloud.stop()
    assert not cloud.late()
    return episodes


def compare(cloud, undisturbed):
    """Every episode of every device, once.

    Exactly, with its whole sequence of changes, where the readings came in order. The broker may bring what a dead
    agent left unacknowledged after newer readings; then an opening may move by as much as they were late, no more,
    and the worst level is the same.
    """
    got, late = cloud.episodes(), cloud.late()
    wanted_of, got_of = by_alarm(undisturbed), by_alarm(got)
    assert set(got_of) == set(wanted_of)
    for alarm, wanted in wanted_of.items():
        bound = late.get(alarm.split(":")[0])
        if bound is None:
            assert got_of[alarm] == wanted, alarm
            continue
        told = f"{alarm}, late by {bound} ms: {got_of[alarm]} for {wanted}"
        assert len(got_of[alarm]) == len(wanted), told
        for (opened, changes), (opened_in_order, in_order) in zip(got_of[alarm], wanted, strict=True):
            assert abs(opened - opened_in_order) <= bound, told
            assert worst(changes) == worst(in_order), told


def by_alarm(episodes):
    found = {}
    for alarm, opened in sorted(episodes):
        found.setdefault(alarm, []).append((opened, episodes[alarm, opened]))
    return found


def worst(changes):
    return max((Level(level) for _, _, level in changes if level), key=lambda level: level.rank)


def test_the_undisturbed_run_has_two_fires_on_each_device(undisturbed):
    assert len({name for name, _ in undisturbed}) == DEVICES
    assert len(undisturbed) >= 2 * DEVICES - 1


def test_agent(make_edge, cloud, undisturbed):
    def disturb(edge, _):
        def kill():
            until(lambda: edge.status()["broker"]["connected"], "an agent that works")
            edge.kill()
            edge.start(wait=False)

        return {READINGS // 5: kill, READINGS * 7 // 10: kill}

    edge = make_edge(cloud)
    run(edge, cloud, disturb)
    compare(cloud, undisturbed)
    assert set(cloud.readings().values()) == {1}, "a reading was stored twice"
    assert edge.log.count("adopted the broker") == 2


def test_broker(make_edge, cloud, undisturbed):
    def disturb(edge, _):
        def kill():
            os.kill(edge.status()["broker"]["pid"], signal.SIGKILL)

        return {READINGS // 3: kill, READINGS * 2 // 3: kill}

    edge = make_edge(cloud)
    run(edge, cloud, disturb)
    compare(cloud, undisturbed)
    assert set(cloud.readings().values()) == {1}, "a reading was stored twice"


def test_agent_and_cloud_at_once_over_mosquitto(make_edge, cloud, mosquitto, undisturbed):
    cloud.document = document()
    edge = make_edge(cloud, broker=f'mode = "external"\nurl = "{mosquitto.url}"').start()
    until(lambda: edge.status()["devices"] == DEVICES, "the device table")

    def kill():
        cloud.mode = "away"
        edge.kill()
        edge.start(wait=False)

    def back():
        cloud.mode = "ok"

    anonymous = {"url": mosquitto.url, "username": None, "password": None}
    publish(anonymous, START, RATE, {READINGS // 3: kill, READINGS * 2 // 3: back})
    complete(edge, cloud)
    compare(cloud, undisturbed)
    assert set(cloud.readings().values()) == {1}
