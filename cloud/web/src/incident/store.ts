/**
 * The open incidents of this tab: a list, then every change by the feed. In a storm hundreds of changes come in a second;
 * they are gathered and shown together, so that the list is sorted and drawn a few times a second, not once a change.
 */
import { computed, nextTick, ref, shallowReactive, shallowRef } from "vue";
import { api } from "../api";
import { onFeed, startFeed, type FeedEvent } from "../feed";
import { person } from "../session";
import type { Incident, Summary } from "../types";
import { isOpen, ordered } from "./order";

/** Incidents themselves are never changed, only replaced: no need to watch their insides. */
export const incidents = shallowReactive(new Map<string, Incident>());
export const loaded = ref(false);
export const summary = ref<Summary | null>(null);
/** The incident that came last by the feed, for whoever announces it. */
export const newest = shallowRef<Incident | null>(null);

export const openIncidents = computed(() => [...incidents.values()].filter(isOpen));
export const orderedOpen = computed(() => ordered(openIncidents.value));

/** Incidents that are over and still stand in the list: some, for whoever goes back to one. */
const OVER_KEPT = 100;
let lookedAt: string | null = null;

/** The incident in view stays here even when it is over. */
export function lookAt(id: string | null): void {
  lookedAt = id;
}

function isIncident(value: unknown): value is Incident {
  return typeof value === "object" && value !== null && "state" in value && "headline" in value && "place" in value;
}

export function put(incident: Incident): void {
  const known = incidents.get(incident.id);
  // Answers and feed events cross: the older one never overwrites the newer.
  if (known && newer(known, incident)) return;
  incidents.set(incident.id, incident);
  if (!known && loaded.value && isOpen(incident)) newest.value = incident;
}

function newer(known: Incident, other: Incident): boolean {
  if (known.position !== undefined && other.position !== undefined) return known.position > other.position;
  return known.updated_at > other.updated_at;
}

export async function listIncidents(): Promise<void> {
  const { body, position } = await api.incidents("open");
  const seen = new Set(body.map((incident) => incident.id));
  for (const id of [...incidents.keys()]) if (!seen.has(id) && id !== lookedAt) incidents.delete(id);
  for (const incident of body) incidents.set(incident.id, incident);
  loaded.value = true;
  startFeed(position, { who: person.value?.id ?? "" });
  refreshSummary();
}

const SUMMARY_EVERY_MS = 1000;
let summaryTimer: ReturnType<typeof setTimeout> | undefined;
let summaryAsked = 0;

/** The four numbers, asked for again after anything that could change them, at most once a second. */
export function refreshSummary(delayMs = 0): void {
  if (summaryTimer !== undefined) return;
  const wait = Math.max(delayMs, summaryAsked + SUMMARY_EVERY_MS - Date.now());
  summaryTimer = setTimeout(() => {
    summaryTimer = undefined;
    summaryAsked = Date.now();
    api.summary().then(
      (answer) => (summary.value = answer),
      () => undefined, // the stale banner says that the cloud is away
    );
  }, Math.max(0, wait));
}

const refetching = new Set<string>();

export async function refetch(id: string): Promise<void> {
  if (refetching.has(id)) return;
  refetching.add(id);
  try {
    incidents.set(id, await api.incident(id));
  } finally {
    refetching.delete(id);
  }
}

const gathered = new Map<string, Incident>();
let showTimer: ReturnType<typeof setTimeout> | undefined;
let pauseMs = 0;
let shownAt = 0;

/** The pause between two drawings: eight times what the last one took, so that at least most of the time is people's. */
export function pauseAfter(costMs: number): number {
  return Math.min(1000, Math.max(60, costMs * 8));
}

function show(): void {
  clearTimeout(showTimer);
  showTimer = undefined;
  const began = performance.now();
  for (const incident of gathered.values()) put(incident);
  gathered.clear();
  prune();
  void nextTick(() => {
    shownAt = performance.now();
    pauseMs = pauseAfter(shownAt - began);
  });
}

function prune(): void {
  let over = 0;
  for (const incident of incidents.values()) if (!isOpen(incident)) over += 1;
  for (const [id, incident] of incidents) {
    if (over <= OVER_KEPT) break;
    if (isOpen(incident) || id === lookedAt) continue;
    incidents.delete(id);
    over -= 1;
  }
}

function gather(incident: Incident): void {
  gathered.set(incident.id, incident);
  if (document.hidden) show(); // a hidden tab's timers sleep, its bell must not
  else showTimer ??= setTimeout(show, Math.max(0, shownAt + pauseMs - performance.now()));
}

function receive(event: FeedEvent): void {
  if (event.kind === "incident") {
    if (isIncident(event.value)) gather({ ...event.value, position: event.position });
    else if (event.key) void refetch(event.key).catch(() => undefined); // gone or not for us: the next list says so
  }
  if (["incident", "assignment", "edge", "drill", "measure"].includes(event.kind)) refreshSummary(250);
}

let stop: (() => void) | null = null;

export function followIncidents(): void {
  stop ??= onFeed(receive, () => void listIncidents().catch(() => undefined)); // away: the feed will say reset again
}

export function forgetIncidents(): void {
  stop?.();
  stop = null;
  clearTimeout(showTimer);
  showTimer = undefined;
  clearTimeout(summaryTimer);
  summaryTimer = undefined;
  gathered.clear();
  incidents.clear();
  newest.value = null;
  loaded.value = false;
  summary.value = null;
}
