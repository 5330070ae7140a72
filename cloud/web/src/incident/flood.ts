/**
 * Flood mode: more than ten new incidents in ten minutes, and those of one grid and one kind stand as one row. What burns
 * and what a person reported never disappears in a group. Pure.
 */
import type { Incident, Level } from "../types";
import { isDevice, isExercise, isTaken, levelRank, shownLevel } from "./order";

export const WINDOW_MS = 600_000;
/** More than this begins it; this or fewer than the second ends it, so that it does not come and go. */
export const BEGINS_ABOVE = 10;
export const ENDS_AT = 5;

/** Real incidents that opened within the window. */
export function fresh(incidents: readonly Incident[], nowMs: number): number {
  return incidents.filter((one) => !isExercise(one) && nowMs - Date.parse(one.opened_at) < WINDOW_MS).length;
}

export function floodNow(before: boolean, count: number): boolean {
  return before ? count > ENDS_AT : count > BEGINS_ABOVE;
}

/** Fire, and whatever a person said in their own words, is read one by one. */
export function foldable(incident: Incident): boolean {
  if (isExercise(incident)) return false;
  if (incident.hazard === "smoke" && levelRank(shownLevel(incident)) <= 1) return false;
  return incident.origin === "sensor" || incident.origin === "rule" || isDevice(incident);
}

export interface Group {
  key: string;
  hazard: Incident["hazard"];
  grid: string;
  /** In the order of the list. */
  members: Incident[];
  level: Level | null;
  levels: { level: Level; count: number }[];
  waiting: number;
  oldestAt: string;
}

export type Row = { kind: "incident"; incident: Incident } | { kind: "group"; group: Group };

const LEVELS: Level[] = ["I", "II", "III", "IV"];

function grouped(key: string, members: Incident[]): Group {
  const first = members[0]!;
  const levels = LEVELS.map((level) => ({ level, count: members.filter((one) => shownLevel(one) === level).length })).filter((one) => one.count > 0);
  return {
    key,
    hazard: first.hazard,
    grid: first.place.grid ?? first.place.site ?? first.place.text ?? "",
    members,
    level: levels[0]?.level ?? null,
    levels,
    waiting: members.filter((one) => !isTaken(one)).length,
    oldestAt: members.reduce((oldest, one) => (one.opened_at < oldest ? one.opened_at : oldest), first.opened_at),
  };
}

/** Incidents in their order, those of one grid and kind folded where the first of them stood; two make a group. */
export function folded(incidents: readonly Incident[]): Row[] {
  const keyOf = (one: Incident): string => `${one.place.grid_id ?? one.place.grid ?? one.place.text ?? ""}|${one.hazard}`;
  const members = new Map<string, Incident[]>();
  for (const one of incidents) {
    if (!foldable(one)) continue;
    const others = members.get(keyOf(one));
    if (others) others.push(one);
    else members.set(keyOf(one), [one]);
  }
  const done = new Set<string>();
  const rows: Row[] = [];
  for (const one of incidents) {
    const key = keyOf(one);
    const all = members.get(key) ?? [];
    if (!foldable(one) || all.length < 2) rows.push({ kind: "incident", incident: one });
    else if (!done.has(key)) {
      done.add(key);
      rows.push({ kind: "group", group: grouped(key, all) });
    }
  }
  return rows;
}
