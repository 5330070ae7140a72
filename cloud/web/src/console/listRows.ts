/** The rows of the list, with their heights: headings, incidents, groups of a flood and their members. Pure. */
import { folded, type Group } from "../incident/flood";
import { isExercise, isTaken } from "../incident/order";
import type { Incident } from "../types";

export type Heading = "waiting" | "taken" | "over";
export type ListRow = { key: string; height: number; heading?: boolean } & (
  | { kind: "heading"; of: Heading; count: number; rows: number }
  | { kind: "incident"; incident: Incident }
  | { kind: "child"; incident: Incident }
  | { kind: "group"; group: Group; opened: boolean }
);

export interface Heights {
  row: number;
  exercise: number;
  heading: number;
  child: number;
}

export function heightsOf(dense: boolean, low: boolean): Heights {
  if (dense) return { row: 42, exercise: 50, heading: 24, child: 28 };
  return low ? { row: 48, exercise: 60, heading: 26, child: 30 } : { row: 54, exercise: 66, heading: 26, child: 30 };
}

const rowOf = (incident: Incident, heights: Heights): ListRow => ({ key: incident.id, kind: "incident", incident, height: isExercise(incident) ? heights.exercise : heights.row });

function section(of: Heading, incidents: readonly Incident[], fold: boolean, opened: ReadonlySet<string>, heights: Heights): ListRow[] {
  if (!incidents.length) return [];
  const rows: ListRow[] = [];
  let count = 0;
  for (const one of fold ? folded(incidents) : incidents.map((incident) => ({ kind: "incident" as const, incident }))) {
    count += 1;
    if (one.kind === "incident") rows.push(rowOf(one.incident, heights));
    else {
      const key = `${of}:${one.group.key}`;
      rows.push({ key, kind: "group", group: { ...one.group, key }, opened: opened.has(key), height: heights.row });
      if (opened.has(key)) for (const incident of one.group.members) rows.push({ key: incident.id, kind: "child", incident, height: heights.child });
    }
  }
  return [{ key: `head:${of}`, kind: "heading", of, heading: true, count: incidents.length, rows: count, height: heights.heading }, ...rows];
}

/** Incidents in their order as rows: those that wait, then those that were taken. */
export function listRows(incidents: readonly Incident[], fold: boolean, opened: ReadonlySet<string>, heights: Heights): ListRow[] {
  return [
    ...section("waiting", incidents.filter((one) => !isTaken(one)), fold, opened, heights),
    ...section("taken", incidents.filter(isTaken), fold, opened, heights),
  ];
}

export function overRows(incidents: readonly Incident[], heights: Heights): ListRow[] {
  return section("over", incidents, false, new Set(), heights);
}

/** The incidents that keys move over: folded members only when their group is open. */
export function walkable(rows: readonly ListRow[]): Incident[] {
  return rows.flatMap((row) => {
    if (row.kind === "incident" || row.kind === "child") return [row.incident];
    if (row.kind === "group" && !row.opened) return row.group.members.slice(0, 1);
    return [];
  });
}
