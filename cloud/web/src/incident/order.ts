/** Which incident comes first: nobody took it yet, then real before exercise, then level, then the oldest. Pure. */
import { finds } from "../pinyin";
import type { Incident, Level } from "../types";

const RANK: Record<Level, number> = { I: 0, II: 1, III: 2, IV: 3 };
const OVER = new Set(["closed", "void", "merged"]);

export const isOpen = (incident: Pick<Incident, "state">): boolean => !OVER.has(incident.state);
export const isExercise = (incident: Pick<Incident, "exercise">): boolean => incident.exercise !== null && incident.exercise !== undefined;
export const isTaken = (incident: Pick<Incident, "acknowledged_at">): boolean => Boolean(incident.acknowledged_at);
/** Health of devices and gateways is not a hazard: no level shape, no sound. */
export const isDevice = (incident: Pick<Incident, "hazard">): boolean => incident.hazard === "device" || incident.hazard === "gateway";

export function levelRank(level: Level | null | undefined): number {
  return level ? RANK[level] : 4;
}

/** The level that the block shows: of the whole incident, so that a reading that falls does not calm the list. */
export function shownLevel(incident: Pick<Incident, "level" | "highest_level">): Level | null {
  return levelRank(incident.level) <= levelRank(incident.highest_level) ? incident.level : incident.highest_level;
}

export function compare(a: Incident, b: Incident): number {
  return (
    Number(isTaken(a)) - Number(isTaken(b)) ||
    Number(isExercise(a)) - Number(isExercise(b)) ||
    Number(isDevice(a)) - Number(isDevice(b)) ||
    levelRank(shownLevel(a)) - levelRank(shownLevel(b)) ||
    a.opened_at.localeCompare(b.opened_at) ||
    a.id.localeCompare(b.id)
  );
}

export function ordered(incidents: Iterable<Incident>): Incident[] {
  return [...incidents].sort(compare);
}

/** Incidents that ring: open, real, a hazard, taken by nobody. */
export function ringing(incidents: Iterable<Incident>): Incident[] {
  return [...incidents].filter((incident) => isOpen(incident) && !isExercise(incident) && !isTaken(incident) && !isDevice(incident));
}

/** What a person typed into the search box, anywhere in number, place, headline or people; Chinese by its initials too. */
export function matches(incident: Incident, text: string, headline: string): boolean {
  if (!text.trim()) return true;
  const place = incident.place;
  const all = [incident.number, headline, place.site, place.building, place.zone, place.text, place.grid, ...incident.assignments.map((one) => one.responder.name)];
  return finds(all.filter(Boolean).join(" "), text);
}
