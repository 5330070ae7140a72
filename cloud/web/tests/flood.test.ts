import { describe, expect, it } from "vitest";
import { nobodyGoing } from "../src/incident/attention";
import { floodNow, folded, foldable, fresh } from "../src/incident/flood";
import { inView, offsets, rowAt, scrollFor } from "../src/parts/windowed";
import type { Incident } from "../src/types";

const NOW = Date.parse("2026-11-22T02:00:00Z");
let next = 0;
function incident(more: Partial<Omit<Incident, "place">> & { grid?: string } = {}): Incident {
  next += 1;
  const { grid, ...rest } = more;
  return {
    id: `i${next}`, number: String(next), state: "raised", hazard: "water_level", level: "III", highest_level: "III", origin: "sensor",
    headline: { code: "water_deep", params: {} }, place: { grid_id: grid ?? "g1", grid: grid ?? "g1" }, opened_at: "2026-11-22T01:58:00Z", updated_at: "2026-11-22T01:58:00Z",
    acknowledged_at: null, exercise: null, assignments: [], alarms: [], ...rest,
  } as unknown as Incident;
}

describe("flood mode", () => {
  it("begins above ten in ten minutes, ends at five, and does not flicker between", () => {
    expect([floodNow(false, 10), floodNow(false, 11), floodNow(true, 8), floodNow(true, 5)]).toEqual([false, true, true, false]);
  });
  it("counts real ones that opened within the window", () => {
    expect(fresh([incident(), incident({ opened_at: "2026-11-22T01:49:00Z" }), incident({ exercise: { id: "d", name: "d" } })], NOW)).toBe(1);
  });
  it("folds one grid and kind where the first of them stood, and a single one not", () => {
    const [a, b, c, d] = [incident({ level: "II", highest_level: "II" }), incident({ grid: "g2" }), incident(), incident({ acknowledged_at: "2026-11-22T01:59:00Z" })];
    const rows = folded([a, b, c, d]);
    expect(rows.map((row) => (row.kind === "group" ? row.group.members.length : row.incident.id))).toEqual([3, b.id]);
    expect(rows[0]?.kind === "group" && [rows[0].group.level, rows[0].group.waiting, rows[0].group.levels]).toEqual(["II", 2, [{ level: "II", count: 1 }, { level: "III", count: 2 }]]);
  });
  it("never folds fire, an exercise, or what a person said", () => {
    expect(foldable(incident({ hazard: "smoke", level: "II", highest_level: "II" }))).toBe(false);
    expect(foldable(incident({ hazard: "smoke", level: "IV", highest_level: "I" }))).toBe(false);
    expect(foldable(incident({ origin: "phone" }))).toBe(false);
    expect(foldable(incident({ exercise: { id: "d", name: "d" } }))).toBe(false);
    expect(foldable(incident({ hazard: "smoke", level: "IV", highest_level: "IV" }))).toBe(true);
  });
});

it("names those that were taken a minute ago and to which nobody is on the way", () => {
  const taken = { level: "II" as const, acknowledged_at: "2026-11-22T01:58:59Z" };
  const going = incident({ ...taken, assignments: [{ state: "en_route" }] as Incident["assignments"] });
  const offered = incident({ ...taken, state: "dispatched", assignments: [{ state: "offered" }] as Incident["assignments"] });
  const late = incident({ ...taken, acknowledged_at: "2026-11-22T01:59:30Z" });
  expect(nobodyGoing([going, offered, late, incident({ ...taken, exercise: { id: "d", name: "d" } }), incident(taken)], NOW)).toEqual([offered.id, expect.any(String)]);
});

describe("a long list", () => {
  const begins = offsets([26, 54, 54, 26, 54]);
  it("knows which row is where", () => {
    expect(begins).toEqual([0, 26, 80, 134, 160, 214]);
    expect([rowAt(begins, 0), rowAt(begins, 25), rowAt(begins, 26), rowAt(begins, 159), rowAt(begins, 9999)]).toEqual([0, 0, 1, 3, 4]);
  });
  it("draws what is in view and a little beyond, whatever the length", () => {
    const many = offsets(new Array<number>(4000).fill(54));
    expect(inView(many, 100_000, 700)).toEqual([1845, 1871]);
    expect(inView(many, 0, 700, 0)).toEqual([0, 13]);
    expect(inView([0], 0, 700)).toEqual([0, 0]);
  });
  it("scrolls no further than needed, and not under the heading that stays on top", () => {
    expect([scrollFor(begins, 1, 0, 100), scrollFor(begins, 4, 0, 100), scrollFor(begins, 1, 80, 100, 26)]).toEqual([null, 114, 0]);
  });
});
