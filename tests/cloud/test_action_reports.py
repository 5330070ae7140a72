"""What an edge moved by itself, on the timeline of the incident that asked for it."""

import pytest
from cloud_world import EDGE, add_devices, alert, event, incidents, now, post, timeline

from cloud.intake.actions import words
from wire.action import ActionReport
from wire.event import Type


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


def report(cause, **changes):
    fields = {"action": "siren-7", "site": "wanghuyuan", "kind": "siren", "verb": "commanded", "move": "on",
              "reason": "alarm", "causes": [cause], "at": now()}  # fmt: skip
    return ActionReport(**(fields | changes))


async def test_an_action_is_a_line_on_the_incident_of_its_alarm_be_it_in_the_same_batch(devices, edge_client, sign_in):
    raised = alert()
    cause = f"{raised.alarm_id}@{raised.episode}"
    done = event(report(cause), id="act-1", type=Type.ACTION_REPORTED)
    answers = await post(edge_client, event(raised, id="a-1"), done)
    assert [each["status"] for each in answers] == ["committed", "committed"]
    failed = report(cause, verb="failed", detail="3 tries of 10 s are not confirmed")
    drilled = report(cause, exercise="drl-of-another-day")
    nowhere = report("nobody:smoke@17")
    more = [
        event(each, id=f"act-{n}", type=Type.ACTION_REPORTED) for n, each in enumerate((failed, drilled, nowhere), 2)
    ]
    assert {each["status"] for each in await post(edge_client, *more, done)} == {"committed", "duplicate"}
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    notes = [
        line for line in await timeline(duty, incident["id"]) if str(line["params"].get("code")).startswith("action_")
    ]
    assert [(line["params"]["code"], line["params"]["move"]) for line in notes] == [
        ("action_commanded", "on"), ("action_failed", "on"),
    ]  # fmt: skip
    assert notes[0]["params"]["text"] == "警笛 siren-7：已下达鸣响指令"
    assert notes[0]["actor"]["id"] == EDGE


def test_a_barrier_that_is_barred_says_why_in_chinese():
    said = words(report("x@1", kind="barrier", name="花木路北口道闸", verb="barred", move="off", reason="interlock"))
    assert said == "花木路北口道闸：抬杆被联锁阻止（联锁）"
