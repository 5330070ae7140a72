import { describe, expect, it } from "vitest";
import { incidentTimeLeft, left, ringText } from "../src/incident/deadline";
import { compare, ordered, ringing, shownLevel } from "../src/incident/order";
import { placeText } from "../src/incident/headline";
import type { Incident } from "../src/types";

function incident(more: Partial<Incident>): Incident {
  return {
    id: "inc_1", number: "1122-0001", state: "raised", hazard: "smoke", level: "III", highest_level: "III",
    headline: { code: "smoke_high", params: {} },
    place: { site_id: null, site: null, building_id: null, building: null, zone_id: null, zone: null, text: "", lon: null, lat: null, grid_id: null, grid: null, grid_path: null },
    origin: "sensor", opened_at: "2026-11-22T08:00:00.000Z", updated_at: "2026-11-22T08:00:00.000Z", acknowledged_at: null, acknowledged_by: null,
    owner: null, alert_count: 1, alarms: [], assignments: [], deadline: null, escalation_tier: 0, exercise: null, timeline: "real",
    outcome: null, cause: null, closed_at: null, ...more,
  };
}
const TAKEN = "2026-11-22T08:01:00.000Z";
const DRILL = { id: "drl-1", name: "drill" };

describe("order of the list", () => {
  it("puts what nobody took first, real before exercise, then level, then the oldest", () => {
    const rows = [
      incident({ id: "taken-critical", level: "I", highest_level: "I", acknowledged_at: TAKEN }),
      incident({ id: "drill-critical", level: "I", highest_level: "I", exercise: DRILL }),
      incident({ id: "young", level: "III", opened_at: "2026-11-22T08:05:00.000Z" }),
      incident({ id: "old", level: "III", opened_at: "2026-11-22T08:02:00.000Z" }),
      incident({ id: "urgent", level: "II", highest_level: "II", opened_at: "2026-11-22T08:09:00.000Z" }),
    ];
    expect(ordered(rows).map((one) => one.id)).toEqual(["urgent", "old", "young", "drill-critical", "taken-critical"]);
  });

  it("keeps a gateway below every hazard, whatever level it carries", () => {
    expect(compare(incident({ hazard: "gateway", level: "I", highest_level: "I" }), incident({ level: "IV", highest_level: "IV" }))).toBeGreaterThan(0);
  });

  it("is not calmed by a reading that falls", () => {
    expect(shownLevel(incident({ level: "IV", highest_level: "I" }))).toBe("I");
    expect(shownLevel(incident({ level: null, highest_level: "II" }))).toBe("II");
  });

  it("rings for real hazards that nobody took, and for nothing else", () => {
    const rows = [
      incident({ id: "rings" }),
      incident({ id: "drill", exercise: DRILL }),
      incident({ id: "taken", acknowledged_at: TAKEN }),
      incident({ id: "gateway", hazard: "gateway" }),
      incident({ id: "void", state: "void" }),
    ];
    expect(ringing(rows).map((one) => one.id)).toEqual(["rings"]);
  });
});

describe("time left", () => {
  const due = "2026-11-22T08:01:00.000Z";
  const now = Date.parse("2026-11-22T08:00:13.000Z");

  it("counts whole seconds down to nought and then says overdue", () => {
    expect(left(due, "2026-11-22T08:00:00.000Z", now)).toEqual({ seconds: 47, share: 47 / 60, overdue: false });
    expect(left(due, null, Date.parse(due) + 5000)).toMatchObject({ seconds: 0, share: 0, overdue: true });
  });

  it("starts an acceptance limit at the newest offer, not at the opening", () => {
    const offered = { id: "a", incident_id: "i", responder: { id: "r", name: "r", kind: "person" as const }, state: "offered" as const, offered_at: "2026-11-22T08:00:00.000Z", due_at: due, acknowledged_at: null, en_route_at: null, on_scene_at: null, cleared_at: null, decline_reason: null, exercise: null };
    const row = incident({ opened_at: "2026-11-22T07:40:00.000Z", deadline: { step: "accept", due_at: due, escalates_to: null }, assignments: [offered] });
    expect(incidentTimeLeft(row, now)?.share).toBeCloseTo(47 / 60);
  });

  it("does not take the opening of another timeline for the start of a wall-clock limit", () => {
    const row = incident({ opened_at: "2019-07-08T00:00:00.000Z", deadline: { step: "acknowledge", due_at: due, escalates_to: null } });
    expect(incidentTimeLeft(row, now)?.share).toBeCloseTo(47 / 120);
  });

  it("writes long limits in minutes", () => {
    expect([ringText(47), ringText(199), ringText(720)]).toEqual(["47", "199", "12′"]);
  });
});

it("names a place once, coarse to fine", () => {
  const place = { ...incident({}).place, site: "望湖苑", building: "7幢", zone: "7幢1单元3层楼道", text: "" };
  expect(placeText(place)).toBe("望湖苑 7幢1单元3层楼道");
});
