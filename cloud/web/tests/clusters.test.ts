import { expect, it } from "vitest";
import { marks, worldXY } from "../src/console/clusters";
import type { Incident } from "../src/types";

const BOX = [121, 31, 122, 32] as const;
const at = (id: string, lon: number, lat: number, more: object = {}): Incident =>
  ({ id, hazard: "water_level", level: "III", highest_level: "III", opened_at: `2026-11-22T01:0${id.length}:00Z`, acknowledged_at: null, exercise: null, place: { lon, lat }, ...more }) as unknown as Incident;

it("puts what would lie on one another under one mark, the worst shape outside", () => {
  const near = [at("a", 121.5, 31.5), at("b", 121.50001, 31.5, { level: "I" }), at("c", 121.50002, 31.5, { acknowledged_at: "x" })];
  const [mark, ...rest] = marks(near, 14, BOX, null);
  expect(rest).toEqual([]);
  expect([mark?.incidents.map((one) => one.id), mark?.shape, mark?.waiting]).toEqual([["b", "a", "c"], "I", 2]);
});

it("leaves the chosen one by itself, an exercise apart, and what is out of view out", () => {
  const all = [at("a", 121.5, 31.5), at("b", 121.5, 31.5), at("x", 121.5, 31.5, { exercise: { id: "d", name: "d" } }), at("far", 120, 31.5), at("nowhere", null as unknown as number, 31.5)];
  expect(marks(all, 14, BOX, "a").map((one) => [one.key, one.incidents.length, one.exercise]).sort()).toEqual([["a", 1, false], ["b", 1, false], ["x", 1, true]]);
});

it("opens a cluster when one goes nearer", () => {
  const two = [at("a", 121.5, 31.5), at("b", 121.504, 31.5)];
  expect([marks(two, 11, BOX, null).length, marks(two, 17, BOX, null).length]).toEqual([1, 2]);
});

it("draws as many marks for four thousand incidents as fit a screen", () => {
  const many = Array.from({ length: 4000 }, (_, n) => at(`i${n}`, 121.4 + (n % 80) * 0.001, 31.4 + Math.floor(n / 80) * 0.001));
  const [x0, y0] = worldXY(121.4, 31.4, 13);
  const [x1, y1] = worldXY(121.48, 31.45, 13);
  const cells = (Math.ceil((x1 - x0) / 46) + 1) * (Math.ceil((y0 - y1) / 46) + 1);
  expect(marks(many, 13, BOX, null).length).toBeLessThanOrEqual(cells);
});
