import { describe, expect, it } from "vitest";
import { elapsedS, drillClock } from "../src/drill/clock";
import { backoffMs } from "../src/feed";
import { numberText, quantityText } from "../src/format";
import { shortcutOf, writing } from "../src/keys";
import { ails } from "../src/registry/health";
import { home } from "../src/session";
import { yRange } from "../src/console/chartDrawing";
import type { Device, Drill, Telemetry } from "../src/types";

describe("letter keys", () => {
  const body = { tagName: "BODY" };
  it("act on the page", () => {
    expect(shortcutOf({ key: "A", target: body }, false)).toBe("a");
    expect(shortcutOf({ key: "?", target: body }, false)).toBe("?");
  });
  it("never act inside a text field, while composing, in a dialog or with a modifier", () => {
    expect(shortcutOf({ key: "a", target: { tagName: "INPUT", type: "text" } }, false)).toBeNull();
    expect(shortcutOf({ key: "a", target: { tagName: "TEXTAREA" } }, false)).toBeNull();
    expect(shortcutOf({ key: "a", target: { tagName: "DIV", isContentEditable: true } }, false)).toBeNull();
    expect(shortcutOf({ key: "a", isComposing: true, target: body }, false)).toBeNull();
    expect(shortcutOf({ key: "Process", keyCode: 229, target: body }, false)).toBeNull();
    expect(shortcutOf({ key: "a", target: body }, true)).toBeNull();
    expect(shortcutOf({ key: "c", ctrlKey: true, target: body }, false)).toBeNull();
  });
  it("act on a button or a check box, which nobody writes into", () => {
    expect(writing({ tagName: "INPUT", type: "checkbox" })).toBe(false);
    expect(writing({ tagName: "BUTTON" })).toBe(false);
  });
});

it("waits longer after each failed connection, up to fifteen seconds, never all at once", () => {
  expect(backoffMs(0, () => 0)).toBe(250);
  expect(backoffMs(3, () => 1)).toBe(4000);
  expect(backoffMs(50, () => 1)).toBe(15_000);
  expect(backoffMs(50, () => 0)).toBe(7500);
});

it("writes figures as people read them", () => {
  expect([numberText(0.27), numberText(0.04), numberText(0.0042), numberText(-8.2, "%"), numberText(17.24)]).toEqual(["0.27", "0.04", "0.004", "−8.2", "17.2"]);
  expect([quantityText(0.27, "m"), quantityText(21.4, "Cel"), quantityText(0.5, "deg"), quantityText(null, "m")]).toEqual(["0.27 m", "21.4 °C", "0.50°", "—"]);
});

it("runs a drill's clock through pauses and speeds", () => {
  const timeline = { name: "drl-1", segments: [{ wall_ms: 1000, scenario_ms: 0, rate: 1 }, { wall_ms: 11_000, scenario_ms: 10_000, rate: 0 }, { wall_ms: 31_000, scenario_ms: 10_000, rate: 10 }] };
  const drill = { timeline } as unknown as Drill;
  expect([elapsedS(drill, 6000), elapsedS(drill, 20_000), elapsedS(drill, 33_000)]).toEqual([5, 10, 30]);
  expect(drillClock(372)).toBe("T+06:12");
});

it("sends each kind of user to where their work begins", () => {
  expect([home(["duty_officer"]), home(["responder"]), home(["property_manager"]), home(["trainer"]), home(["administrator"])]).toEqual(["/console", "/phone", "/registry", "/drills", "/registry"]);
});

it("tells a silent device from one that never spoke", () => {
  const device = (more: object): Device => ({ id: "d", name: "d", site_id: "s", zone_id: "z", profile: "p", edge_id: "e", ...more }) as Device;
  expect(ails(device({}))).toEqual(["never"]);
  expect(ails(device({ last_seen: "2026-11-22T08:00:00Z", status: "silent", battery_percent: 12 }))).toEqual(["offline", "low_battery"]);
  expect(ails(device({ last_seen: "2026-11-22T08:00:00Z", status: "online" }))).toEqual([]);
});

it("leaves room above the readings for the next level", () => {
  const telemetry = { t: [1], min: [0.01], mean: [0.02], max: [0.03], flag: [1], gaps: [], thresholds: [{ level: "II", value: 0.25, rule: "r" }] } as unknown as Telemetry;
  const [low, high] = yRange(telemetry);
  expect(low).toBe(0);
  expect(high).toBeGreaterThan(0.25);
});
