/**
 * One event stream a tab. It starts at the position of a list, resumes at the last event seen, waits longer after each
 * failure (with jitter, so that a hundred consoles do not come back in one second), and says when it is stale.
 */
import { computed, ref } from "vue";
import { nowMs, setServerTime } from "./clock";

export interface FeedEvent {
  kind: string;
  key: string;
  at: string | null;
  value: unknown;
  position: number;
}

const KINDS = ["incident", "timeline", "assignment", "device", "drill", "edge", "registry", "summary"] as const;
/** The server beats every 5 s; three beats missed and the picture may be old. */
const SILENT_MS = 16_000;

export type FeedState = "closed" | "connecting" | "live" | "lost";
export const feedState = ref<FeedState>("closed");
export const feedPosition = ref<number | null>(null);
/** Server time of the last sign of life. */
export const lastHeard = ref<number | null>(null);
export const lostSince = ref<number | null>(null);
export const caughtUp = ref<{ at: number; events: number } | null>(null);

export const staleForS = computed(() => (lostSince.value === null ? 0 : Math.max(0, (nowMs.value - lostSince.value) / 1000)));

let askWho: () => void = () => undefined;

/** Called now and then while the stream is refused: perhaps nobody is signed in any more. */
export function whenRefused(then: () => void): void {
  askWho = then;
}

type Listener = (event: FeedEvent) => void;
const listeners = new Set<Listener>();
const resets = new Set<() => void>();

let source: EventSource | null = null;
let attempts = 0;
let retry: ReturnType<typeof setTimeout> | undefined;
let watch: ReturnType<typeof setTimeout> | undefined;
let missed = 0;
let wanted = false;

/** Seconds to wait before attempt n: doubling to 15 s, each spread over half to full. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}

function alive(stamp?: string): void {
  if (stamp) setServerTime(stamp);
  lastHeard.value = nowMs.value;
  if (feedState.value !== "live") {
    if (lostSince.value !== null) caughtUp.value = { at: nowMs.value, events: missed };
    feedState.value = "live";
    lostSince.value = null;
    attempts = 0;
  }
  clearTimeout(watch);
  watch = setTimeout(lost, SILENT_MS);
}

function lost(): void {
  source?.close();
  source = null;
  clearTimeout(watch);
  clearTimeout(retry);
  if (!wanted) return;
  if (feedState.value !== "lost") {
    lostSince.value = lastHeard.value ?? nowMs.value;
    missed = 0;
    feedState.value = "lost";
  }
  retry = setTimeout(open, backoffMs(attempts));
  attempts += 1;
  if (attempts % 4 === 2) askWho();
}

function receive(kind: string, message: MessageEvent<string>): void {
  const position = Number(message.lastEventId);
  if (Number.isFinite(position) && message.lastEventId !== "") {
    if (feedPosition.value !== null && position <= feedPosition.value) return; // seen before the connection broke
    feedPosition.value = position;
  }
  const data = JSON.parse(message.data) as Partial<FeedEvent> & { value?: unknown };
  if (feedState.value === "lost" || lostSince.value !== null) missed += 1;
  alive();
  const event: FeedEvent = { kind: data.kind ?? kind, key: data.key ?? "", at: data.at ?? null, value: data.value, position };
  for (const listener of listeners) listener(event);
}

function open(): void {
  if (!wanted) return;
  const after = feedPosition.value === null ? "" : `?after=${feedPosition.value}`;
  const stream = new EventSource(`/api/v1/feed${after}`);
  source = stream;
  stream.onopen = () => alive();
  stream.onerror = () => {
    if (source === stream) lost();
  };
  for (const kind of KINDS) stream.addEventListener(kind, (message) => receive(kind, message as MessageEvent<string>));
  stream.addEventListener("clock", (message) => {
    const data = JSON.parse((message as MessageEvent<string>).data) as { server_time?: string };
    alive(data.server_time);
  });
  stream.addEventListener("reset", (message) => {
    alive();
    const position = Number((message as MessageEvent<string>).lastEventId);
    feedPosition.value = Number.isFinite(position) ? position : null;
    for (const listAgain of resets) listAgain();
  });
  clearTimeout(watch);
  watch = setTimeout(lost, SILENT_MS);
}

/** Opens the stream after `position`. Already open: a lower position than the one reached changes nothing. */
export function startFeed(position: number | null): void {
  if (position !== null && (feedPosition.value === null || !wanted)) feedPosition.value = position;
  if (wanted) return;
  wanted = true;
  feedState.value = "connecting";
  open();
}

export function stopFeed(): void {
  wanted = false;
  source?.close();
  source = null;
  clearTimeout(retry);
  clearTimeout(watch);
  feedState.value = "closed";
  feedPosition.value = null;
  lostSince.value = null;
  lastHeard.value = null;
  attempts = 0;
}

/** Hears every event until the returned function is called. */
export function onFeed(listener: Listener, listAgain?: () => void): () => void {
  listeners.add(listener);
  if (listAgain) resets.add(listAgain);
  return () => {
    listeners.delete(listener);
    if (listAgain) resets.delete(listAgain);
  };
}

/** Try now, for a person who cannot wait for the back-off. */
export function retryNow(): void {
  if (feedState.value !== "lost") return;
  clearTimeout(retry);
  open();
}

if (typeof window !== "undefined") window.addEventListener("online", retryNow);
