/** Taps on their way out: written to the phone first, sent one after the other, tried again when the network is back. */
import { computed, ref } from "vue";
import { api, Problem } from "../api";
import { serverTime } from "../clock";
import { backoffMs } from "../feed";
import { keep, kept } from "../preferences";
import { person } from "../session";
import type { Assignment } from "../types";
import { added, bodyOf, without, type Act, type Tap } from "./taps";

function load(): Tap[] {
  const text = kept("taps");
  if (!text) return [];
  const value = JSON.parse(text) as unknown;
  return Array.isArray(value) ? (value as Tap[]) : [];
}

const all = ref<Tap[]>(load());
/** What the person who is signed in has still to send. */
export const taps = computed(() => all.value.filter((one) => one.person === person.value?.id));
export const waiting = computed(() => taps.value.length);
export const sending = ref(false);
/** Why the cloud did not take the last refused tap. */
export const refused = ref<{ tap: Tap; problem: Problem } | null>(null);

let attempts = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let afterSent: () => void = () => undefined;
let taken: (answer: Assignment) => void = () => undefined;

/** `each` takes the cloud's answer before its tap leaves the queue, so that the page never falls back a step in between. */
export function whenSent(then: () => void, each: (answer: Assignment) => void): void {
  afterSent = then;
  taken = each;
}

function save(to: Tap[]): void {
  all.value = to;
  keep("taps", JSON.stringify(to));
}

/** One tap: it counts from now, whether or not there is a network. */
export function tap(assignment: string, act: Act, more: { reason?: string; note?: string } = {}): void {
  refused.value = null;
  const who = person.value?.id;
  if (who === undefined) return;
  save(added(all.value, { key: crypto.randomUUID(), person: who, assignment, act, at: new Date(serverTime()).toISOString(), ...more }));
  void flush();
}

/** Sends what waits, oldest first. Stops at the first that finds no network; what is refused for good is dropped and said. */
export async function flush(): Promise<void> {
  if (sending.value) return;
  sending.value = true;
  clearTimeout(timer);
  let sent = 0;
  try {
    let first = taps.value[0];
    while (first) {
      try {
        taken((await api.tap(first.assignment, first.act, bodyOf(first), first.key)).body);
        sent += 1;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (error.away || error.status >= 500 || error.status === 401 || error.status === 429) {
          timer = setTimeout(() => void flush(), backoffMs(attempts));
          attempts += 1;
          return;
        }
        refused.value = { tap: first, problem: error };
      }
      attempts = 0;
      save(without(all.value, first.key));
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
