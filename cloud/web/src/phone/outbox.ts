/** Taps on their way out: written to the phone first, sent one after the other, tried again when the network is back. */
import { computed, ref } from "vue";
import { api, Problem } from "../api";
import { serverTime } from "../clock";
import { backoffMs } from "../feed";
import { keep, kept } from "../preferences";
import { person } from "../session";
import type { Assignment } from "../types";
import { send } from "../http";
import { dropFile, fileOf, keepFile } from "./files";
import { added, bodyOf, headDoors, isDoor, isFile, isStep, isTick, without, type Act, type DoorOutcome, type DoorTap, type FileTap, type Queued, type TickTap } from "./taps";

const MOST_DOORS = 100;

function load(): Queued[] {
  const text = kept("taps");
  if (!text) return [];
  const value = JSON.parse(text) as unknown;
  return Array.isArray(value) ? (value as Queued[]) : [];
}

const all = ref<Queued[]>(load());
/** What the person who is signed in has still to send. */
export const taps = computed(() => all.value.filter((one) => one.person === person.value?.id));
export const waiting = computed(() => taps.value.length);
export const sending = ref(false);
/** Why the cloud did not take the last refused tap. */
export const refused = ref<{ tap: Queued; problem: Problem } | null>(null);
/** Photos and voice notes that the cloud has from this tab, by incident. */
export const filed = ref<Record<string, number>>({});

let attempts = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let afterSent: () => void = () => undefined;
let taken: (answer: Assignment) => void = () => undefined;

/** `each` takes the cloud's answer before its tap leaves the queue, so that the page never falls back a step in between. */
export function whenSent(then: () => void, each: (answer: Assignment) => void): void {
  afterSent = then;
  taken = each;
}

function save(to: Queued[]): void {
  all.value = to;
  keep("taps", JSON.stringify(to));
}

/** What every tap has: it counts from now, whether or not there is a network. */
function fresh(): { key: string; person: string; at: string } | null {
  refused.value = null;
  const who = person.value?.id;
  return who === undefined ? null : { key: crypto.randomUUID(), person: who, at: new Date(serverTime()).toISOString() };
}

function put(one: Queued): void {
  save(added(all.value, one));
  void flush();
}

/** A step of a task. */
export function tap(assignment: string, act: Act, more: { reason?: string; note?: string } = {}): void {
  const head = fresh();
  if (head) put({ ...head, assignment, act, ...more });
}

/** What came of a door. */
export function tapDoor(incident: string, door: string, outcome: DoorOutcome): void {
  const head = fresh();
  if (head) put({ ...head, kind: "door", incident, door, outcome });
}

/** A line of the card is done. */
export function tickLine(incident: string, role: string, code: string): void {
  const head = fresh();
  if (head) put({ ...head, kind: "tick", incident, role, code });
}

/** A photo or a voice note: its content is on the phone before the tap is in the queue. */
export async function attach(incident: string, content: Blob, note = ""): Promise<void> {
  const head = fresh();
  if (!head) return;
  await keepFile(head.key, content);
  put({ ...head, kind: "file", incident, media: content.type, note });
}

const header = (one: Queued): Record<string, string> => ({ "Idempotency-Key": one.key });

async function sendFile(one: FileTap): Promise<void> {
  const content = await fileOf(one.key);
  if (content) {
    await send("post", "/incidents/{incident_id}/attachments", {
      path: { incident_id: one.incident }, query: { at: one.at, note: one.note }, body: content, headers: { ...header(one), "Content-Type": one.media },
    });
    filed.value = { ...filed.value, [one.incident]: (filed.value[one.incident] ?? 0) + 1 };
  }
  await dropFile(one.key);
}

async function sendDoors(doors: DoorTap[]): Promise<void> {
  const first = doors[0];
  if (!first) return;
  const body = { taps: doors.map((one) => ({ key: one.key, door_id: one.door, outcome: one.outcome, at: one.at, note: "" })) };
  await send("post", "/incidents/{incident_id}/knock-list/taps", { path: { incident_id: first.incident }, body }); // each tap carries its own key
}

async function sendTick(one: TickTap): Promise<void> {
  await send("post", "/incidents/{incident_id}/plan/ticks", { path: { incident_id: one.incident }, body: { role: one.role, code: one.code, at: one.at }, headers: header(one) });
}

/** Sends the head of the queue; what has gone out with it. */
async function sendHead(first: Queued, alone: boolean): Promise<Queued[]> {
  if (isStep(first)) taken((await api.tap(first.assignment, first.act, bodyOf(first), first.key)).body);
  else if (isTick(first)) await sendTick(first);
  else if (isFile(first)) await sendFile(first);
  else {
    const doors = headDoors(taps.value, alone ? 1 : MOST_DOORS);
    await sendDoors(doors);
    return doors;
  }
  return [first];
}

const comesBack = (problem: Problem): boolean => problem.away || problem.status >= 500 || problem.status === 401 || problem.status === 429;

/** Sends what waits, oldest first. Stops at the first that finds no network; what is refused for good is dropped and said. */
export async function flush(): Promise<void> {
  if (sending.value) return;
  sending.value = true;
  clearTimeout(timer);
  let sent = 0;
  let alone = false; // one wrong door of many: the others go one by one
  try {
    let first = taps.value[0];
    while (first) {
      let gone: Queued[] = [first];
      try {
        gone = await sendHead(first, alone);
        sent += gone.length;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (comesBack(error)) {
          timer = setTimeout(() => void flush(), backoffMs(attempts));
          attempts += 1;
          return;
        }
        if (isDoor(first) && !alone && headDoors(taps.value, 2).length > 1) {
          alone = true;
          continue;
        }
        refused.value = { tap: first, problem: error };
        if (isFile(first)) await dropFile(first.key);
      }
      attempts = 0;
      save(gone.reduce((rest, one) => without(rest, one.key), all.value));
      first = taps.value[0];
    }
  } finally {
    sending.value = false;
    if (sent > 0 || refused.value) afterSent();
  }
}

if (typeof window !== "undefined") {
  window.addEventListener("online", () => {
    attempts = 0;
    void flush();
  });
}
