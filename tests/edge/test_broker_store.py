"""The embedded broker on a full disk: it stores nothing more, keeps its connections, and must be started anew."""

import os
import subprocess

import pytest
from edge_process import until

from edge.broker_store import ROOM_BYTES, StoreWatch

SAID = (
    "[7] 2026/11/23 03:26:25.312503 [ERR] JetStream failed to store a msg on stream '$G > $MQTT_msgs': "
    "write store/jetstream/$G/streams/$MQTT_msgs/msgs/155.blk: no space left on device\n"
)


def test_what_the_broker_says_of_its_store(tmp_path):
    log = tmp_path / "log"
    watch = StoreWatch(log, tmp_path)
    assert watch.look() == "", "there is no log yet"
    log.write_text(SAID)
    watch.begin()
    assert watch.look() == "", "said of an earlier one"
    with log.open("a") as more:
        more.write("[7] 2026/11/23 03:26:22.848946 [INF] Reloaded: accounts\n")
    assert watch.look() == ""
    with log.open("a") as more:
        more.write(SAID)
    assert watch.look().endswith("155.blk: no space left on device")
    assert watch.look(), "until it is started anew"
    watch.begin()
    assert watch.look() == ""
    log.write_text(SAID)  # put aside, and begun anew
    assert "failed to store" in watch.look()
    assert watch.has_room()
    assert list(tmp_path.iterdir()) == [log], "the probe leaves nothing"


@pytest.fixture
def small_disk(tmp_path):
    """16 MiB under the data of the agent `edge`."""
    if os.geteuid():
        pytest.skip("mounting a small file system takes root")
    folder = tmp_path / "edge" / "data"
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine does not let root mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.broker
def test_a_broker_that_met_a_full_disk_acknowledges_again_when_there_is_room(small_disk, make_edge):
    edge = make_edge(None).start()
    try:
        before = edge.status()["broker"]["pid"]
        device = edge.bridge()
        device.publish("sensors/s/d/telemetry", {"x": 1})
        with (small_disk / "ballast").open("wb", buffering=0) as ballast:
            for size in (ROOM_BYTES, 4096, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    continue
        kept = device.publish("sensors/s/d/telemetry", {"x": "a" * 50_000}, wait=False)
        until(
            lambda: any("stores nothing" in each for each in edge.status()["problems"]), "the fault on the status page"
        )
        assert not kept.is_published(), "what is not on the disk is not acknowledged"
        (small_disk / "ballast").unlink()
        until(lambda: edge.status()["broker"]["pid"] not in {before, None}, "a broker that stores")
        until(kept.is_published, "the acknowledgement", 60)
        until(lambda: edge.status()["broker"]["connected"] and not edge.status()["problems"], "all is well")
        device.close()
    finally:
        edge.end()  # before its disk goes
