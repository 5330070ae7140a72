/**
 * What happens, as this tab hears it. Consoles share one stream a browser (live/hub.ts, in a shared worker), so that six
 * open tabs do not use up the browser's connections; where there is no shared worker the tab has a stream of its own.
 */
import { computed, ref } from "vue";
import { nowMs, serverTime, setServerTime } from "./clock";
import type { FromHub, ToHub } from "./live/hub";
import { Stream, type Hearer, type RawEvent } from "./live/stream";

export type FeedEvent = RawEvent;
export { backoffMs } from "./live/stream";

export type FeedState = "closed" | "connecting" | "live" | "lost";
export const feedState = ref<FeedState>("closed");
export const feedPosition = ref<number | null>(null);
/** Server time of the moment since which nothing has come; null while it is live. */
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

/** Either kind of line to the stream. */
interface Line {
  retryNow(): void;
  end(): void;
}

let line: Line | null = null;
let missed = 0;
/** Events that came after a loss and before the stream called itself live again. */
const hearer: Hearer = {
  event(event) {
    if (Number.isFinite(event.position)) {
      if (feedPosition.value !== null && event.position <= feedPosition.value) return;
      feedPosition.value = event.position;
    }
    if (lostSince.value !== null || (caughtUp.value !== null && nowMs.value - caughtUp.value.at < 2000)) missed += 1;
    if (caughtUp.value !== null && missed > caughtUp.value.events) caughtUp.value = { ...caughtUp.value, events: missed };
    for (const listener of listeners) listener(event);
  },
  state(state, since) {
    if (state === "lost") {
      lostSince.value = since === null ? nowMs.value : serverTime(since);
      missed = 0;
    } else if (state === "live") {
      if (lostSince.value !== null) caughtUp.value = { at: nowMs.value, events: missed };
      lostSince.value = null;
    }
    feedState.value = state;
  },
  clock: (stamp) => setServerTime(stamp),
  reset(position) {
    feedPosition.value = position;
    for (const listAgain of resets) listAgain();
  },
  refused: () => askWho(),
};

function sharedLine(after: number | null, who: string): Line {
  const worker = new SharedWorker(new URL("./live/worker.ts", import.meta.url), { type: "module", name: "shouwang-feed" });
  const tell = (message: ToHub): void => worker.port.postMessage(message);
  const leave = (): void => tell({ do: "leave" });
  const back = (event: PageTransitionEvent): void => {
    if (event.persisted) tell({ do: "follow", after: feedPosition.value, who });
  };
  worker.port.onmessage = (message: MessageEvent<FromHub>) => {
    const said = message.data;
    if (said.say === "event") hearer.event(said.event);
    else if (said.say === "state") hearer.state(said.state, said.since);
    else if (said.say === "clock") hearer.clock(said.stamp);
    else if (said.say === "reset") hearer.reset(said.position);
    else hearer.refused();
  };
  worker.onerror = () => {
    // The worker's script did not load: a stream of one's own does the same.
    leave();
    if (line === mine) line = ownLine(feedPosition.value);
  };
  tell({ do: "follow", after, who });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", back);
  const mine: Line = {
    retryNow: () => tell({ do: "retry" }),
    end: () => {
      leave();
      removeEventListener("pagehide", leave);
      removeEventListener("pageshow", back);
      worker.port.close();
    },
  };
  return mine;
}

function ownLine(after: number | null): Line {
  return new Stream(hearer, after);
}

/**
 * Opens the stream after `position`. Already open: a lower position than the one reached changes nothing.
 * `shared`: whose browser it is; without it the tab (a phone) has a stream of its own.
 */
export function startFeed(position: number | null, shared: { who: string } | null = null): void {
  if (line !== null) return;
  if (position !== null) feedPosition.value = position;
  feedState.value = "connecting";
  line = shared !== null && typeof SharedWorker !== "undefined" ? sharedLine(position, shared.who) : ownLine(position);
}

export function stopFeed(): void {
  line?.end();
  line = null;
  feedState.value = "closed";
  feedPosition.value = null;
  lostSince.value = null;
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
  if (feedState.value === "lost") line?.retryNow();
}

if (typeof window !== "undefined") window.addEventListener("online", retryNow);
