/** Seconds left until the next step up, for the ring. Pure: the time is passed in. */
import type { Assignment, Incident } from "../types";

export interface TimeLeft {
  seconds: number;
  /** Share of the limit that is left, 0 to 1. */
  share: number;
  overdue: boolean;
}

export function left(due: string, from: string | null, nowMs: number): TimeLeft {
  const dueMs = Date.parse(due);
  const fromMs = from === null ? dueMs - 120_000 : Date.parse(from);
  const seconds = Math.ceil((dueMs - nowMs) / 1000);
  const total = Math.max(1000, dueMs - fromMs);
  return { seconds: Math.max(0, seconds), share: Math.min(1, Math.max(0, (dueMs - nowMs) / total)), overdue: seconds <= 0 };
}

export const ACTIVE_ASSIGNMENT = new Set(["offered", "acknowledged", "en_route", "on_scene"]);

export function activeAssignments(incident: Pick<Incident, "assignments">): Assignment[] {
  return incident.assignments.filter((one) => ACTIVE_ASSIGNMENT.has(one.state));
}

/** Where the people of an incident have got to: the furthest step of any of them. */
export function furthest(incident: Pick<Incident, "assignments">): Assignment | null {
  const order = ["on_scene", "en_route", "acknowledged", "offered"];
  for (const state of order) {
    const found = incident.assignments.find((one) => one.state === state);
    if (found) return found;
  }
  return null;
}

/** Time left of an incident's running limit; null when no limit runs. */
export function incidentTimeLeft(incident: Incident, nowMs: number): TimeLeft | null {
  const deadline = incident.deadline;
  if (!deadline) return null;
  const offers = incident.assignments.filter((one) => one.state === "offered").map((one) => one.offered_at);
  const from = deadline.step === "accept" ? (offers.sort().at(-1) ?? null) : incident.opened_at;
  return left(deadline.due_at, plausible(from, deadline.due_at) ? from : null, nowMs);
}

/** An incident of another timeline opened at a time of that timeline: no use as the start of a wall-clock limit. */
function plausible(from: string | null, due: string): boolean {
  if (from === null) return false;
  const span = Date.parse(due) - Date.parse(from);
  return span > 0 && span < 3_600_000;
}

/** 47 → "47", 160 → "160", 720 → "12′". */
export function ringText(seconds: number): string {
  return seconds < 200 ? String(seconds) : `${Math.round(seconds / 60)}′`;
}
