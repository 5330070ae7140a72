import { describe, expect, it } from "vitest";
import { added, bodyOf, nextAct, projected, wanted, without, type Tap } from "../src/phone/taps";
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
