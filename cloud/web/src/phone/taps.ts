/**
 * A responder's taps, kept with their own time until the cloud has them. Pure: storage and network live in outbox.ts.
 * The same tap sent twice carries the same key, so it counts once; the cloud tolerates any order.
 */
import type { AssignmentState, Task } from "../types";

export type Act = "accept" | "decline" | "en-route" | "on-scene" | "clear";

export interface Tap {
  /** Idempotency key, made when the finger lifts. */
  key: string;
  /** Whose tap it is: a phone that changes hands never sends one person's tap as another's. */
  person: string;
  assignment: string;
  act: Act;
  /** The device's time of the tap, corrected by the server's clock, RFC 3339. */
  at: string;
  reason?: string;
  note?: string;
}

export const STAMP: Record<Exclude<Act, "decline">, "acknowledged_at" | "en_route_at" | "on_scene_at" | "cleared_at"> = {
  accept: "acknowledged_at",
  "en-route": "en_route_at",
  "on-scene": "on_scene_at",
  clear: "cleared_at",
};

const STATE: Record<Act, AssignmentState> = {
  accept: "acknowledged",
  decline: "declined",
  "en-route": "en_route",
  "on-scene": "on_scene",
  clear: "cleared",
};

const ORDER: AssignmentState[] = ["offered", "acknowledged", "en_route", "on_scene", "cleared"];

/** Adds a tap at the end; a second tap of the same step on the same task is the same tap. */
export function added(queue: readonly Tap[], tap: Tap): Tap[] {
  return queue.some((one) => one.person === tap.person && one.assignment === tap.assignment && one.act === tap.act) ? [...queue] : [...queue, tap];
}

export function without(queue: readonly Tap[], key: string): Tap[] {
  return queue.filter((tap) => tap.key !== key);
}

/** What goes over the wire for a tap. */
export function bodyOf(tap: Tap): Record<string, string> {
  const body: Record<string, string> = { at: tap.at };
  if (tap.reason) body["reason"] = tap.reason;
  if (tap.note) body["note"] = tap.note;
  return body;
}

/** A task as its responder sees it: the cloud's word, then the taps that are still on this phone. */
export function projected(task: Task, queue: readonly Tap[]): Task {
  let shown: Task = { ...task };
  for (const tap of queue) {
    if (tap.assignment !== task.id) continue;
    if (tap.act !== "decline") {
      const stamp = STAMP[tap.act];
      shown = { ...shown, [stamp]: shown[stamp] ?? tap.at };
    }
    const wanted = STATE[tap.act];
    if (wanted === "declined" || ORDER.indexOf(wanted) > ORDER.indexOf(shown.state)) shown = { ...shown, state: wanted };
  }
  return shown;
}

/** The one next step of a task. */
export function nextAct(state: AssignmentState): Act | null {
  switch (state) {
    case "offered":
    case "expired":
      return "accept";
    case "acknowledged":
      return "en-route";
    case "en_route":
      return "on-scene";
    case "on_scene":
      return "clear";
    default:
      return null;
  }
}

/** Which task fills the screen: real before exercise, an offer that runs out before one under way, then the oldest. */
export function byUrgency(a: Task, b: Task): number {
  const exercise = Number(Boolean(a.incident.exercise)) - Number(Boolean(b.incident.exercise));
  const offered = Number(b.state === "offered") - Number(a.state === "offered");
  return exercise || offered || a.offered_at.localeCompare(b.offered_at);
}

/** Tasks that still want something of this responder. */
export function wanted(tasks: readonly Task[], queue: readonly Tap[]): Task[] {
  return tasks
    .map((task) => projected(task, queue))
    .filter((task) => ["offered", "acknowledged", "en_route", "on_scene"].includes(task.state))
    .sort(byUrgency);
}
