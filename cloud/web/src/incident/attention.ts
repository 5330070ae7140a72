/** What asks for the second tone: somebody took it, and a minute later nobody is on the way. Pure. */
import type { Incident } from "../types";
import { isDevice, isExercise, isOpen } from "./order";

export const NOBODY_AFTER_MS = 60_000;
const WORKED_ON = new Set(["raised", "accepted", "dispatched"]);

/** Ids of real hazards at level I or II that have been taken for a minute and to which nobody is on the way. */
export function nobodyGoing(incidents: readonly Incident[], nowMs: number): string[] {
  return incidents
    .filter(
      (one) =>
        isOpen(one) && !isExercise(one) && !isDevice(one) && WORKED_ON.has(one.state) && (one.level === "I" || one.level === "II") &&
        one.acknowledged_at !== null && nowMs - Date.parse(one.acknowledged_at) >= NOBODY_AFTER_MS &&
        !one.assignments.some((each) => each.state === "en_route" || each.state === "on_scene"),
    )
    .map((one) => one.id);
}
