/**
 * A responder's taps, kept with their own time until the cloud has them. Pure: storage and network live in outbox.ts.
 * The same tap sent twice carries the same key, so it counts once; the cloud tolerates any order.
 */
import type { KnockDoor } from "../answers";
import type { AssignmentState, Card, Task } from "../types";

export type Act = "accept" | "decline" | "en-route" | "on-scene" | "clear";

interface Kept {
  /** Idempotency key, made when the finger lifts. */
  key: string;
  /** Whose tap it is: a phone that changes hands never sends one person's tap as another's. */
  person: string;
  /** The device's time of the tap, corrected by the server's clock, RFC 3339. */
  at: string;
}

/** A step of a task. */
export interface Tap extends Kept {
  kind?: "step";
  assignment: string;
  act: Act;
  reason?: string;
  note?: string;
}

export type DoorOutcome = "answered_out" | "moved" | "answered_refuses" | "no_answer" | "not_at_home" | "helped_out";

/** What came of a door. */
export interface DoorTap extends Kept {
  kind: "door";
  incident: string;
  door: string;
  outcome: DoorOutcome;
}

/** A line of the card is done. */
export interface TickTap extends Kept {
  kind: "tick";
  incident: string;
  role: string;
  code: string;
}

/** A photo or a voice note; its content lies in the phone's database under the same key (files.ts). */
export interface FileTap extends Kept {
  kind: "file";
  incident: string;
  media: string;
  note: string;
}

export type Queued = Tap | DoorTap | TickTap | FileTap;

export const isStep = (one: Queued): one is Tap => one.kind === undefined || one.kind === "step";
export const isDoor = (one: Queued): one is DoorTap => one.kind === "door";
export const isTick = (one: Queued): one is TickTap => one.kind === "tick";
export const isFile = (one: Queued): one is FileTap => one.kind === "file";

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

/** Which taps are the same however often the finger comes down. Doors: each counts, the latest stands. */
function sameAs(tap: Queued, one: Queued): boolean {
  if (tap.person !== one.person) return false;
  if (isStep(tap) && isStep(one)) return one.assignment === tap.assignment && one.act === tap.act;
  return isTick(tap) && isTick(one) && one.incident === tap.incident && one.role === tap.role && one.code === tap.code;
}

/** Adds a tap at the end; a second tap of the same step on the same task, or of the same line, is the same tap. */
export function added<Q extends Queued>(queue: readonly Q[], tap: Q): Q[] {
  return queue.some((one) => sameAs(tap, one)) ? [...queue] : [...queue, tap];
}

export function without<Q extends Queued>(queue: readonly Q[], key: string): Q[] {
  return queue.filter((tap) => tap.key !== key);
}

/** Doors in one request: those of one incident that stand together at the head of the queue. */
export function headDoors(queue: readonly Queued[], most: number): DoorTap[] {
  const first = queue[0];
  if (!first || !isDoor(first)) return [];
  const end = queue.findIndex((one) => !isDoor(one) || one.incident !== first.incident);
  return queue.slice(0, end === -1 ? most : Math.min(end, most)).filter(isDoor);
}

/** A door as whoever knocks sees it: the cloud's word, then the taps still on this phone; the latest by its own time stands. */
export function doorsWith(doors: readonly KnockDoor[], queue: readonly Queued[]): (KnockDoor & { queued: boolean })[] {
  return doors.map((door) => {
    const mine = queue.filter(isDoor).filter((one) => one.door === door.id);
    const last = mine.reduce<DoorTap | null>((best, one) => (best === null || one.at >= best.at ? one : best), null);
    if (last === null || (door.outcome_at !== null && Date.parse(door.outcome_at) > Date.parse(last.at))) return { ...door, queued: mine.length > 0 };
    return { ...door, outcome: last.outcome, outcome_at: last.at, open: last.outcome === "no_answer" && door.vulnerable, queued: true };
  });
}

/** A line of the card with the ticks that are still on this phone. */
export function linesWith(card: Card | null | undefined, incident: string, queue: readonly Queued[]): (Card["lines"][number] & { queued: boolean })[] {
  return (card?.lines ?? []).map((line) => {
    const mine = queue.find((one) => isTick(one) && one.incident === incident && one.code === line.code);
    return { ...line, done_at: line.done_at ?? mine?.at ?? null, queued: mine !== undefined };
  });
}

/** What goes over the wire for a tap. */
export function bodyOf(tap: Tap): Record<string, string> {
  const body: Record<string, string> = { at: tap.at };
  if (tap.reason) body["reason"] = tap.reason;
  if (tap.note) body["note"] = tap.note;
  return body;
}

/** A task as its responder sees it: the cloud's word, then the taps that are still on this phone. */
export function projected(task: Task, queue: readonly Queued[]): Task {
  let shown: Task = { ...task };
  for (const tap of queue) {
    if (!isStep(tap) || tap.assignment !== task.id) continue;
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
export function wanted(tasks: readonly Task[], queue: readonly Queued[]): Task[] {
  return tasks
    .map((task) => projected(task, queue))
    .filter((task) => ["offered", "acknowledged", "en_route", "on_scene"].includes(task.state))
    .sort(byUrgency);
}
