import { describe, expect, it } from "vitest";
import { waiting, type Given } from "../src/leader/waiting";

const given = (more: Partial<Given>): Given => ({ me: "per_l", handOffs: [], handovers: [], changes: [], proposals: [], whistles: [], ...more });
const whistle = (more: object): Given["whistles"][number] =>
  ({ id: "w1", number: "W-1", state: "done", level: "II", cause_text: "", holder: null, clocks: [{ step: "rate", due_at: "2026-11-23T08:00:00Z" }], returns: [], turns: [], calls: [], ratings: [], called_at: "2026-11-22T08:00:00Z", exercise: null, ...more }) as Given["whistles"][number];
const change = (id: string, mine: boolean): Given["changes"][number] =>
  ({ id, kind: "leave", state: "asked", who: "p", by: null, from: "2026-11-25T00:00:00Z", to: "2026-11-26T00:00:00Z", reason: "r", asked_at: "2026-11-22T00:00:00Z", asked_by: null, mine_to_answer: mine });

describe("what waits for the duty leader", () => {
  it("is only what is theirs to answer", () => {
    const hand = { id: "h", to: { id: "per_l", name: "" }, from: { id: "x", name: "" }, ended_at: null, at: "a", due_at: "2026-11-22T09:00:00Z", level: "I" };
    const found = waiting(given({ changes: [change("c1", true), change("c2", false)], handOffs: [hand, { ...hand, id: "h2", to: { id: "other", name: "" } }] as never }));
    expect(found.map((one) => one.id)).toEqual(["h", "c1"]); // what runs out first stands first
  });

  it("asks for a ruling before a rating, and rates once", () => {
    const back = { id: "r", reason: "", by: null, department: null, suggests: null, arbiter: null, due_at: "2026-11-22T09:00:00Z", ended_at: null, at: "" };
    expect(waiting(given({ whistles: [whistle({ returns: [back] })] }))[0]?.kind).toBe("rule");
    expect(waiting(given({ whistles: [whistle({})] }))[0]?.kind).toBe("rate");
    expect(waiting(given({ whistles: [whistle({ ratings: [{ id: "x", stands: true, by: { id: "per_l", name: "" } }] })] }))).toEqual([]);
  });

  it("puts the real before the exercise, however urgent that is", () => {
    const found = waiting(given({ whistles: [whistle({ id: "drill", level: "I", exercise: "drl-1" }), whistle({ id: "real", level: "IV" })] }));
    expect(found.map((one) => one.id)).toEqual(["real", "drill"]);
  });

  it("lets a leader countersign what was taken, once, and not their own", () => {
    const row = { id: "o", area_path: "/a", state: "taken", from: { id: "x", name: "" }, to: { id: "y", name: "" }, created_at: "t", given_at: null, due_at: null, answered_at: null, countersigned_at: null };
    expect(waiting(given({ handovers: [row as never] }))[0]?.kind).toBe("countersign");
    expect(waiting(given({ handovers: [{ ...row, countersigned_at: "t" }, { ...row, from: { id: "per_l", name: "" } }] as never }))).toEqual([]);
  });
});
