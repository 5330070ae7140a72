import { describe, expect, it } from "vitest";
import { follow, layerWith, rowsOf } from "../src/preview/draft";

const RULE = { kind: "level", hold_s: 20, levels: { IV: { enter: 0.03, exit: 0.01 }, II: { enter: 0.25 }, I: {} } };

describe("a changed rule", () => {
  it("shows the levels that have a threshold, the worst first", () => {
    expect(rowsOf(RULE)).toEqual([
      { level: "II", enter: 0.25, exit: null, hold_s: 20 },
      { level: "IV", enter: 0.03, exit: 0.01, hold_s: 20 },
    ]);
    expect(rowsOf(undefined)).toEqual([]);
  });

  it("takes the threshold to leave along in proportion, unless there is none", () => {
    const [two, four] = rowsOf(RULE);
    expect(follow(four!, { ...four!, enter: 0.06 })).toMatchObject({ enter: 0.06, exit: 0.02 });
    expect(follow(two!, { ...two!, enter: 0.3 })).toMatchObject({ enter: 0.3, exit: null });
  });

  it("sends what differs, over what the layer says already", () => {
    const was = rowsOf(RULE);
    const now = was.map((row) => (row.level === "IV" ? { ...row, enter: 0.06 } : { ...row }));
    const standing = { silence: null, depth: { latch: true, levels: { IV: { hold_s: 60 } } } };
    expect(layerWith(standing, "depth", was, now)).toEqual({ silence: null, depth: { latch: true, levels: { IV: { hold_s: 60, enter: 0.06 } } } });
    expect(layerWith({}, "depth", was, was)).toEqual({});
  });
});
