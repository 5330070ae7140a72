/** Exercise time of a drill, from its clock segments. Pure. */
import type { Drill } from "../types";

interface Segment {
  wall_ms: number;
  scenario_ms: number;
  rate: number;
}

/** Seconds of exercise time since the start, at a wall instant; 0 before the start. */
export function elapsedS(drill: Pick<Drill, "timeline">, nowMs: number): number {
  const segments = (drill.timeline?.segments ?? []) as unknown as Segment[];
  const first = segments[0];
  if (!first) return 0;
  const current = segments.findLast((one) => one.wall_ms <= nowMs) ?? first;
  const scenario = current.scenario_ms + Math.max(0, nowMs - current.wall_ms) * current.rate;
  return Math.max(0, (scenario - first.scenario_ms) / 1000);
}

/** T+06:12 */
export function drillClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `T+${two(Math.floor(whole / 60))}:${two(whole % 60)}`;
}
