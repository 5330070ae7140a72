/** What the gallery shows: made up, and only there. Every state of every part, so that a change of one is seen. */
import type { IncidentPlan } from "../answers";
import type { MapData } from "../console/mapData";
import type { Assignment, Incident, Level, Proposals, Telemetry, TimelineItem } from "../types";

export const LEVELS: Level[] = ["I", "II", "III", "IV"];
const at = (now: number, seconds: number): string => new Date(now - seconds * 1000).toISOString();
const CENTRE = [121.4305, 31.2105] as const;

export function assignment(now: number, more: Partial<Assignment> = {}): Assignment {
  return {
    id: "a", incident_id: "i", responder: { id: "r", name: "R. Shen", kind: "person" }, state: "en_route", offered_at: at(now, 90), due_at: at(now, -30), acknowledged_at: at(now, 60),
    en_route_at: at(now, 40), on_scene_at: null, cleared_at: null, decline_reason: null, exercise: null, ...more,
  };
}

export function incident(now: number, id: string, more: Partial<Incident> = {}): Incident {
  const level = more.level ?? "II";
  return {
    id: `gallery-${id}`, number: `0708-${id}`, state: "raised", hazard: "water_level", level, highest_level: level, headline: { code: "water_deep", params: { value: 0.27, unit: "m", rate: 0.023 } },
    place: { site_id: null, site: "Liuyin Rd underpass", building_id: null, building: null, zone_id: null, zone: "west", text: null, lon: CENTRE[0], lat: CENTRE[1], grid_id: "g3", grid: "Grid 03", grid_path: null },
    origin: "sensor", opened_at: at(now, 73), updated_at: at(now, 5), acknowledged_at: null, acknowledged_by: null, owner: null, alert_count: 4, alarms: [], assignments: [],
    deadline: { step: "acknowledge", due_at: at(now, -47), escalates_to: { tier: 1, area: "Liuyin", person: "H. Wang" } }, escalation_tier: 0, exercise: null, timeline: "real", outcome: null, cause: null, closed_at: null, measures: [],
    ...more,
  };
}

export function rows(now: number): Incident[] {
  return [
    incident(now, "1", { level: "I", headline: { code: "smoke_high", params: { value: 0.42, unit: "dB/m" } }, hazard: "smoke" }),
    incident(now, "2"),
    incident(now, "3", { level: "III", headline: { code: "facade_shift", params: { value: -12, unit: "%" } }, hazard: "curtain_wall" }),
    incident(now, "4", { level: "IV", deadline: null }),
    incident(now, "5", { level: "I", hazard: "smoke", headline: { code: "smoke_high", params: { value: 0.3, unit: "dB/m" } }, acknowledged_at: at(now, 30), state: "in_progress", assignments: [assignment(now, { state: "on_scene" })], deadline: null }),
    incident(now, "6", { level: "II", acknowledged_at: at(now, 30), state: "dispatched", assignments: [assignment(now)], deadline: { step: "arrive", due_at: at(now, -160), escalates_to: null } }),
    incident(now, "7", { level: "IV", hazard: "gateway", headline: { code: "gateway_lost", params: {} }, deadline: null }),
    incident(now, "8", { level: "I", exercise: { id: "drl-1", name: "drill" }, hazard: "smoke", headline: { code: "smoke_high", params: { value: 0.5, unit: "dB/m" } } }),
    incident(now, "9", { level: "III", state: "closed", outcome: "danger_caught", closed_at: at(now, 5), acknowledged_at: at(now, 60), deadline: null }),
  ];
}

export function telemetry(now: number): Telemetry {
  const step = 10_000;
  const t = Array.from({ length: 180 }, (_, index) => now - (179 - index) * step).filter((_, index) => index < 60 || index > 72);
  const mean = t.map((ms) => 0.01 + 0.25 * Math.max(0, 1 - (now - ms) / 900_000) ** 1.7);
  return {
    device: "gallery", point: "level", unit: "m", timeline: "real", t, min: mean.map((one) => one - 0.004), mean, max: mean.map((one) => one + 0.004),
    flag: t.map((_, index) => (index % 41 === 40 ? 3 : index % 67 === 66 ? 4 : index < 8 ? 2 : 1)), gaps: [[t[59] ?? 0, t[60] ?? 0]],
    thresholds: [{ level: "I", value: 0.4, rule: "d" }, { level: "II", value: 0.25, rule: "d" }, { level: "III", value: 0.15, rule: "d" }, { level: "IV", value: 0.03, rule: "d" }],
  };
}

export function timeline(now: number): TimelineItem[] {
  const line = (seq: number, kind: string, ago: number, lag: number | null, params: object, actor: TimelineItem["actor"] = null): TimelineItem =>
    ({ seq, kind, at: at(now, ago - (lag ?? 0)), occurred_at: at(now, ago), lag_s: lag, actor, params, exercise: null }) as unknown as TimelineItem;
  return [
    line(1, "opened", 300, null, {}),
    line(2, "alert_raised", 299, 0.4, { level: "III", device: "gallery", rule: "water_depth", evidence: { point: "level", value: 0.16, unit: "m" } }),
    line(3, "alert_escalated", 60, 0.6, { level: "II", device: "gallery", rule: "water_rise", evidence: { point: "level", value: 0.26, unit: "m", rate: 0.023 } }),
    line(4, "acknowledged", 50, null, {}, { kind: "person", id: "p", name: "Z. Lin" }),
    line(5, "en_route", 40, 42, { responder: { name: "R. Shen" } }, { kind: "person", id: "r", name: "R. Shen" }),
    line(6, "note", 20, 0.3, { code: "action_confirmed", kind: "barrier", move: "on", name: "" }, { kind: "edge", id: "e", name: "gw" }),
  ];
}

export function proposals(now: number): Proposals {
  const one = (id: string, name: string, recommended: boolean, missing: string[]): Proposals["items"][number] => ({
    responder_id: id, name, kind: "person", role: "grid_worker", distance_m: 340, walk_min: 4, recommended, score: 1, missing,
    reasons: [{ code: "on_shift", ok: true, params: { until: at(now, -3600) } }, { code: "skill", ok: !missing.includes("no_skill"), params: { skill: "flood" } }, { code: "load", ok: !missing.includes("busy"), params: { count: 2 } }],
  });
  return {
    items: [one("1", "Q. Zhou", true, []), one("2", "Y. Shen", true, []), one("3", "H. Xue", false, ["no_skill"])], not_recommended: [{ name: "J. Lu", code: "busy" }],
    gaps: [], alternatives: [{ responder_id: "4", name: "T. Ma", how: "call_in", params: {} }],
    reservations: [{ id: "res", incident_id: "i", responder: { id: "2", name: "Y. Shen", kind: "person" }, task: null, by: { id: "p", name: "Z. Lin" }, at: at(now, 60), until: at(now, -540), ended_at: null, end: null }],
  };
}

export function plan(now: number): IncidentPlan {
  const line = (code: string, tick: boolean, done: boolean, late = false): IncidentPlan["cards"][number]["lines"][number] => ({
    code, text_zh: code, text_en: code, tick, due_at: late ? at(now, 40) : at(now, -60), done_at: done ? at(now, 20) : null, done_by: done ? { id: "p", name: "Z. Lin" } : null, overdue: late,
  });
  return {
    hazard: "water_level", level: "II", name_zh: "Underpass", name_en: "Underpass", own: false, revision: 7, text_zh: "0.25 m: close the road", text_en: "0.25 m: close the road", ask: [], tell: [], measures: ["road_closed"], arrive_s: 600,
    cards: [{ role: "duty_officer", lines: [line("Close the road", true, true), line("Look by camera", true, false), line("Tell the railway", true, false, true), line("A gauge that is silent is no gauge that fell", false, false)] }], overdue: 1,
  };
}

export function measures(now: number): NonNullable<Incident["measures"]> {
  const base = { incident_id: "i", note: "", since: at(now, 600), put_by: { id: "p", name: "Z. Lin" }, in_charge: "", review_at: null, ended_at: null, ended_by: null, end_reason: null, end_authority: null, exercise: null };
  return [
    { ...base, id: "m1", kind: "road_closed", text_zh: "Road closed", text_en: "Road closed", place: "west end", may_end: "outside" },
    { ...base, id: "m2", kind: "cordon", text_zh: "Cordon", text_en: "Cordon", place: "east end", may_end: "duty_leader", review_at: at(now, 10) },
  ];
}

const square = (lon: number, lat: number, size: number, properties: object): GeoJSON.Feature => ({
  type: "Feature", properties: properties as Record<string, unknown>,
  geometry: { type: "Polygon", coordinates: [[[lon, lat], [lon + size, lat], [lon + size, lat + size * 0.7], [lon, lat + size * 0.7], [lon, lat]]] },
});
const collection = (features: GeoJSON.Feature[]): GeoJSON.FeatureCollection => ({ type: "FeatureCollection", features });
const point = (lon: number, lat: number, properties: object): GeoJSON.Feature => ({ type: "Feature", properties: properties as Record<string, unknown>, geometry: { type: "Point", coordinates: [lon, lat] } });

export function map(): MapData {
  const [lon, lat] = CENTRE;
  return {
    grids: collection([square(lon - 0.003, lat - 0.002, 0.006, { name: "Grid 03" })]),
    buildings: collection(Array.from({ length: 12 }, (_, n) => square(lon - 0.0026 + (n % 4) * 0.0013, lat - 0.0015 + Math.floor(n / 4) * 0.0012, 0.0006, { floors: 3 + n }))),
    devices: collection([point(lon - 0.001, lat, { hazard: "smoke" }), point(lon + 0.001, lat, { hazard: "water_level" }), point(lon, lat + 0.001, { hazard: "curtain_wall" })]),
    responders: collection([point(lon - 0.0008, lat - 0.0006, { id: "r", name: "Shen" }), point(lon + 0.0012, lat - 0.0006, { id: "q", name: "Zhou" })]),
    cones: collection([{ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[[lon, lat], [lon + 0.0018, lat - 0.0002], [lon + 0.0013, lat - 0.0013], [lon, lat]]] } }]),
  };
}
