/** The open incidents of this tab: a list, then every change by the feed. */
import { computed, reactive, ref } from "vue";
import { api } from "../api";
import { onFeed, startFeed, type FeedEvent } from "../feed";
import type { Incident, Summary } from "../types";
import { isOpen } from "./order";

export const incidents = reactive(new Map<string, Incident>());
export const loaded = ref(false);
export const summary = ref<Summary | null>(null);
/** Ids of incidents that came by the feed since the page opened, newest last: what the sound is for. */
export const arrivals = ref<string[]>([]);

export const openIncidents = computed(() => [...incidents.values()].filter(isOpen));

function isIncident(value: unknown): value is Incident {
  return typeof value === "object" && value !== null && "state" in value && "headline" in value && "place" in value;
}

export function put(incident: Incident): void {
  const known = incidents.get(incident.id);
  // Answers and feed events cross: the older one never overwrites the newer.
  if (known && newer(known, incident)) return;
  incidents.set(incident.id, incident);
  if (!known && loaded.value) arrivals.value = [...arrivals.value.slice(-99), incident.id];
}

function newer(known: Incident, other: Incident): boolean {
  if (known.position !== undefined && other.position !== undefined) return known.position > other.position;
  return known.updated_at > other.updated_at;
}

export async function listIncidents(): Promise<void> {
  const { body, position } = await api.incidents("open");
  const seen = new Set(body.map((incident) => incident.id));
  for (const id of [...incidents.keys()]) if (!seen.has(id)) incidents.delete(id);
  for (const incident of body) incidents.set(incident.id, incident);
  loaded.value = true;
  startFeed(position);
  void refreshSummary();
}

let summaryTimer: ReturnType<typeof setTimeout> | undefined;

/** The four numbers, asked for again shortly after anything that could change them. */
export function refreshSummary(delayMs = 0): Promise<void> {
  clearTimeout(summaryTimer);
  return new Promise((resolve) => {
    summaryTimer = setTimeout(() => {
      api.summary().then(
        (answer) => {
          summary.value = answer;
          resolve();
        },
        () => resolve(), // the stale banner says that the cloud is away
      );
    }, delayMs);
  });
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

function receive(event: FeedEvent): void {
  if (event.kind === "incident") {
    if (isIncident(event.value)) put({ ...event.value, position: event.position });
    else if (event.key) void refetch(event.key);
  }
  if (event.kind === "incident" || event.kind === "assignment" || event.kind === "edge" || event.kind === "drill") void refreshSummary(250);
}

let stop: (() => void) | null = null;

export function followIncidents(): void {
  stop ??= onFeed(receive, () => void listIncidents());
}

export function forgetIncidents(): void {
  stop?.();
  stop = null;
  incidents.clear();
  arrivals.value = [];
  loaded.value = false;
  summary.value = null;
}
