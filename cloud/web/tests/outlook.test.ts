import { expect, it } from "vitest";
import { minutesTo, outlook, rateOf } from "../src/console/outlook";
import type { TimelineItem } from "../src/types";

const alert = (seq: number, params: object, kind = "alert_raised"): TimelineItem => ({ seq, kind, at: "2026-11-22T02:00:01Z", occurred_at: "2026-11-22T02:00:00Z", params } as unknown as TimelineItem);
const NOW = Date.parse("2026-11-22T02:00:00Z");

it("takes the newest rate that came with an alert of the device", () => {
  const items = [alert(1, { device: "d", evidence: { rate: 0.01 } }), alert(2, { device: "e", evidence: { rate_per_min: 0.09 } }), alert(3, { device: "d", evidence: { rate_per_min: 0.02 } })];
  expect(rateOf(items, "d")).toEqual({ rate: 0.02, atMs: NOW });
  expect(rateOf([...items, alert(4, { device: "d" }, "alert_cleared")], "d")).toBeNull();
  expect(rateOf([alert(1, { device: "d", evidence: { value: 0.3 } })], "d")).toBeNull();
});

it("rises as it did and then eases, and is uncertain by a factor that grows with the rise", () => {
  const found = outlook(NOW, 0.2, { rate: 0.02, atMs: NOW })!;
  expect([found.low[0], found.middle[0], found.high[0]]).toEqual([0.2, 0.2, 0.2]);
  expect(found.middle[1]).toBeCloseTo(0.2194, 3);
  expect(found.middle.at(-1)).toBeCloseTo(0.2 + 0.02 * 15 * (1 - Math.exp(-20 / 15)), 6);
  expect(found.high.every((high, index) => high >= found.middle[index]! && found.middle[index]! >= found.low[index]!)).toBe(true);
  expect([minutesTo(found, 0.25), minutesTo(found, 0.2), minutesTo(found, 9)]).toEqual([3, null, null]);
});

it("draws nothing from a rate of long ago", () => {
  expect(outlook(NOW, 0.2, { rate: 0.02, atMs: NOW - 11 * 60_000 })).toBeNull();
  expect(outlook(NOW, 0.2, null)).toBeNull();
});
