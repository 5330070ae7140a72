/** What a person changes of a rule: thresholds and holds by level, and what of it goes to the cloud. */
import type { Level } from "../types";

export const LEVELS: readonly Level[] = ["I", "II", "III", "IV"];
/** Kinds whose thresholds are values of the point, so that they can be drawn over its curve. */
export const VALUE_KINDS = new Set(["level", "ponding"]);

export type Declaration = Record<string, unknown>;
export interface Row { level: Level; enter: number | null; exit: number | null; hold_s: number | null }

const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

export function rowsOf(rule: Declaration | undefined): Row[] {
  const levels = (rule?.["levels"] ?? {}) as Record<string, Record<string, unknown>>;
  return LEVELS.filter((level) => levels[level] && number(levels[level]["enter"]) !== null).map((level) => ({
    level, enter: number(levels[level]?.["enter"]), exit: number(levels[level]?.["exit"]), hold_s: number(levels[level]?.["hold_s"] ?? rule?.["hold_s"]),
  }));
}

const tidy = (value: number): number => Number(value.toPrecision(4));

/** Another threshold to enter takes the one to leave along, in proportion, as long as nobody wrote that one. */
export function follow(was: Row, now: Row): Row {
  if (was.enter && now.enter !== null && was.exit !== null) return { ...now, exit: tidy((now.enter * was.exit) / was.enter) };
  return now;
}

/** The layer as it would be: what stands there, with what differs from the rule in force. */
export function layerWith(standing: Record<string, Declaration | null>, rule: string, was: Row[], now: Row[]): Record<string, Declaration | null> {
  const levels: Record<string, Record<string, number | null>> = {};
  for (const row of now) {
    const before = was.find((one) => one.level === row.level);
    const keys = (["enter", "exit", "hold_s"] as const).filter((key) => row[key] !== before?.[key]);
    if (keys.length) levels[row.level] = Object.fromEntries(keys.map((key) => [key, row[key]]));
  }
  if (!Object.keys(levels).length) return standing;
  const own = standing[rule] ?? {};
  const below = (own["levels"] ?? {}) as Record<string, Record<string, unknown>>;
  const merged = { ...below };
  for (const [level, keys] of Object.entries(levels)) merged[level] = { ...(below[level] ?? {}), ...keys };
  return { ...standing, [rule]: { ...own, levels: merged } };
}
