import { describe, expect, it } from "vitest";
import { added, bodyOf, doorsWith, headDoors, linesWith, nextAct, projected, wanted, without, type DoorTap, type Queued, type Tap } from "../src/phone/taps";
import { bytesOf, systemOf } from "../src/phone/push";
import type { Task } from "../src/types";

const task = (more: Partial<Task> = {}): Task =>
  ({
    id: "asg_1", incident_id: "inc_1", responder: { id: "r", name: "周启明", kind: "person" }, state: "offered", offered_at: "2026-11-22T08:00:00.000Z",
    due_at: null, acknowledged_at: null, en_route_at: null, on_scene_at: null, cleared_at: null, decline_reason: null, exercise: null,
    incident: { exercise: null }, ...more,
  }) as unknown as Task;
const tap = (act: Tap["act"], at: string, more: Partial<Tap> = {}): Tap => ({ key: `${act}-key`, person: "per_1", assignment: "asg_1", act, at, ...more });
const T1 = "2026-11-22T08:00:20.000Z";
const T2 = "2026-11-22T08:01:00.000Z";

describe("taps without a network", () => {
  it("move the task on at once, each with its own time", () => {
    const shown = projected(task(), [tap("accept", T1), tap("en-route", T2)]);
    expect(shown).toMatchObject({ state: "en_route", acknowledged_at: T1, en_route_at: T2, on_scene_at: null });
  });

  it("carry the time of the finger, not of the sending", () => {
    expect(bodyOf(tap("decline", T1, { reason: "busy" }))).toEqual({ at: T1, reason: "busy" });
  });

  it("count once when pressed twice", () => {
    const queue = added(added([], tap("accept", T1)), tap("accept", T2, { key: "second" }));
    expect(queue.map((one) => one.key)).toEqual(["accept-key"]);
  });

  it("leave the queue one by one, in order", () => {
    const queue = [tap("accept", T1), tap("en-route", T2)];
    expect(without(queue, "accept-key").map((one) => one.act)).toEqual(["en-route"]);
  });

  it("never move a task back that the cloud knows to be further", () => {
    const known = task({ state: "on_scene", acknowledged_at: T1, en_route_at: T1, on_scene_at: T2 });
    expect(projected(known, [tap("accept", T2)])).toMatchObject({ state: "on_scene", acknowledged_at: T1 });
  });

  it("belong to their own task", () => {
    expect(projected(task({ id: "asg_2" }), [tap("accept", T1)]).state).toBe("offered");
  });
});

describe("what fills the screen", () => {
  it("is a real task before an exercise, an offer before one under way", () => {
    const tasks = [
      task({ id: "drill", incident: { exercise: { id: "drl-1", name: "d" } } as never }),
      task({ id: "under-way", state: "en_route" }),
      task({ id: "offer" }),
    ];
    expect(wanted(tasks, []).map((one) => one.id)).toEqual(["offer", "under-way", "drill"]);
  });

  it("is nothing that was declined or done on this phone", () => {
    expect(wanted([task()], [tap("decline", T1)])).toEqual([]);
    expect(wanted([task({ state: "on_scene" })], [tap("clear", T2)])).toEqual([]);
  });

  it("offers exactly one next step", () => {
    expect(["offered", "acknowledged", "en_route", "on_scene", "cleared"].map((state) => nextAct(state as Task["state"]))).toEqual(["accept", "en-route", "on-scene", "clear", null]);
  });
});

const door = (id: string, outcome: DoorTap["outcome"], at: string, incident = "inc_1"): DoorTap => ({ key: `${id}-${at}`, kind: "door", person: "per_1", incident, door: id, outcome, at });

describe("doors without a network", () => {
  const listed = [
    { id: "d1", text: "102", vulnerable: true, part: null, outcome: null, outcome_at: null, open: true },
    { id: "d2", text: "201", vulnerable: false, part: null, outcome: "moved", outcome_at: T2, open: false },
  ];

  it("show the latest tap by its own time, whatever came first", () => {
    const queue: Queued[] = [door("d1", "moved", T2), door("d1", "no_answer", T1)];
    expect(doorsWith(listed, queue)[0]).toMatchObject({ outcome: "moved", outcome_at: T2, open: false, queued: true });
  });

  it("never lay an older tap over what the cloud knows to be newer", () => {
    expect(doorsWith(listed, [door("d2", "no_answer", T1)])[1]).toMatchObject({ outcome: "moved", queued: true });
  });

  it("stay open while nobody answers at a vulnerable door", () => {
    expect(doorsWith(listed, [door("d1", "no_answer", T1)])[0]).toMatchObject({ outcome: "no_answer", open: true });
  });

  it("are all kept, also two at one door", () => {
    expect(added(added<Queued>([], door("d1", "no_answer", T1)), door("d1", "moved", T2))).toHaveLength(2);
  });

  it("go out together up to the next step or incident", () => {
    const queue: Queued[] = [door("d1", "moved", T1), door("d2", "moved", T1), tap("clear", T2), door("d1", "moved", T2)];
    expect(headDoors(queue, 100)).toHaveLength(2);
    expect(headDoors(queue, 1)).toHaveLength(1);
    expect(headDoors([door("d1", "moved", T1), door("d9", "moved", T1, "inc_2")], 100)).toHaveLength(1);
    expect(headDoors([tap("clear", T2)], 100)).toEqual([]);
  });
});

describe("the card", () => {
  it("shows a tick at once, and counts it once", () => {
    const tick: Queued = { key: "k", kind: "tick", person: "per_1", incident: "inc_1", role: "grid_worker", code: "water_people", at: T1 };
    expect(linesWith({ lines: [{ code: "water_people", tick: true, done_at: null }] }, "inc_1", [tick])[0]).toMatchObject({ done_at: T1, queued: true });
    expect(added([tick], { ...tick, key: "again", at: T2 })).toEqual([tick]);
  });
});

describe("being woken", () => {
  it("reads the key of the push service's handshake", () => {
    expect([...bytesOf("-_8B")]).toEqual([251, 255, 1]);
  });

  it("knows which guide fits, also for a tablet that calls itself a computer", () => {
    expect(systemOf("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)", 5)).toBe("ios");
    expect(systemOf("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15)", 5)).toBe("ios");
    expect(systemOf("Mozilla/5.0 (Phone; OpenHarmony 5.0)", 5)).toBe("harmony");
    expect(systemOf("Mozilla/5.0 (Linux; Android 14)", 5)).toBe("android");
  });
});
