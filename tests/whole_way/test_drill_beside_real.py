"""A drill and a real alarm on the same floor: two incidents, one marked, and nothing of the drill to an outsider."""

import contextlib
import json
import threading

import httpx
import pytest
from player import Due, Player, clock
from stack import Stack, wait_for

from wire.time import now_ms

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
SITE = "wanghuyuan"
ZONE = "wh-7-s1-3f"


class Listener(threading.Thread):
    """Everything that the feed tells one person."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.heard: list[str] = []
        self.open = threading.Event()
        self.done = False
        self.start()

    def run(self) -> None:
        with (
            contextlib.suppress(httpx.RemoteProtocolError),  # the cloud stops at the end of a failed test
            self.client.stream("GET", "/feed", params={"after": 0}, timeout=httpx.Timeout(60, read=20)) as answer,
        ):
            self.open.set()
            for line in answer.iter_lines():
                self.heard.append(line)
                if self.done:
                    return


def test_two_incidents_one_marked_and_nothing_of_the_drill_to_a_non_participant(stack: Stack) -> None:
    device = "smoke-wh7-s1-3f"
    stack.register_each(
        [{"id": device, "name": "3层楼道烟感", "site_id": SITE, "zone_id": ZONE, "profile": "shouwang/smoke"}]
    )
    with stack.sign_in("trainer") as trainer, stack.sign_in("duty") as duty, stack.sign_in("guard") as outsider:
        people = {who["username"]: who["id"] for who in stack.sign_in("admin").get("/people").json()["items"]}
        listener = Listener(stack.sign_in("guard"))
        assert listener.open.wait(30)
        drill = trainer.post(
            "/drills", json={"scenario": "stairwell-fire", "participants": [people["duty"], people["zhou"]]}
        )
        drill_id = drill.raise_for_status().json()["id"]
        trainer.post(f"/drills/{drill_id}/start").raise_for_status()

        def known() -> bool:
            return stack.edge_status()["configuration"]["revision"] >= 1 and drill_id not in str(
                stack.edge_status()["unknown_exercises"]
            )

        wait_for("the edge to know the drill", known)
        start = now_ms()
        quiet = [Due(start + second * 1000, device, {"alarm": 0}) for second in range(2)]
        burning = [Due(start + 3000, device, {"alarm": 1})]
        real = Player(stack.secret("bridge"), clock("real-one", start, start, 1.0), quiet + burning, SITE)
        drilled = Player(stack.secret("drill"), clock("drill-one", start, start, 1.0), burning, SITE, exercise=drill_id)
        real.finish()
        drilled.finish()

        def both() -> list[dict[str, object]]:
            alarms = [alarm for alarm in stack.alarms() if alarm["device"] == device]
            return [alarm["incident"] for alarm in alarms] if len(alarms) >= 2 else []

        incidents = wait_for("two incidents", both)
        assert len({incident["id"] for incident in incidents}) == 2
        marks = sorted(str((incident["exercise"] or {}).get("id")) for incident in incidents)  # type: ignore[union-attr]
        assert marks == sorted(["None", drill_id])
        exercise = next(incident for incident in incidents if incident["exercise"])
        genuine = next(incident for incident in incidents if not incident["exercise"])

        # a participant may be sent, an outsider may not even see it
        seen = {item["id"] for item in stack.everything(outsider, "/incidents", state="all")}
        assert genuine["id"] in seen
        assert exercise["id"] not in seen
        assert outsider.get(f"/incidents/{exercise['id']}").status_code in {403, 404}
        proposals = duty.get(f"/incidents/{exercise['id']}/proposals").raise_for_status().json()["items"]
        assert {proposal["name"] for proposal in proposals if proposal["recommended"]} <= {"周启明"}
        for proposal in proposals:
            if proposal["name"] != "周启明":
                refused = duty.post(
                    f"/incidents/{exercise['id']}/dispatch", json={"responder_id": proposal["responder_id"]}
                )
                assert refused.status_code in {403, 409, 422}, f"{proposal['name']} does not take part: {refused.text}"
        wait_for("the real one on the outsider's feed", lambda: genuine["id"] in "".join(listener.heard))
        listener.done = True
        assert drill_id not in "".join(listener.heard)
        assert exercise["id"] not in "".join(listener.heard)
        mine = outsider.get("/assignments/mine").raise_for_status().json()
        assert drill_id not in json.dumps(mine)
        trainer.post(f"/drills/{drill_id}/stop").raise_for_status()
