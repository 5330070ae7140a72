/** The incident that the duty officer looks at, with what only the detail shows: process and proposals. */
import { computed, ref, watch } from "vue";
import { api, Problem } from "../api";
import { onFeed, type FeedEvent } from "../feed";
import { incidents } from "../incident/store";
import { isOpen } from "../incident/order";
import type { Proposal, Proposals, TimelineItem } from "../types";

export const selectedId = ref<string | null>(null);
export const selected = computed(() => (selectedId.value === null ? null : (incidents.get(selectedId.value) ?? null)));
export const process = ref<TimelineItem[]>([]);
export const proposals = ref<Proposals | null>(null);

/** Those fit to go first; the others only fill up to three, each with what it lacks. */
export const shownProposals = computed<Proposal[]>(() => {
  const items = proposals.value?.items ?? [];
  const fit = items.filter((one) => one.recommended).slice(0, 4);
  return [...fit, ...items.filter((one) => !one.recommended).slice(0, Math.max(0, 3 - fit.length))];
});

let processTimer: ReturnType<typeof setTimeout> | undefined;
let proposalTimer: ReturnType<typeof setTimeout> | undefined;

async function loadProcess(id: string): Promise<void> {
  try {
    const items = await api.timeline(id);
    if (selectedId.value === id) process.value = items;
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // a refused or lost answer leaves the last one standing
  }
}

async function loadProposals(id: string): Promise<void> {
  const incident = incidents.get(id);
  if (!incident || !isOpen(incident)) {
    proposals.value = null;
    return;
  }
  try {
    const answer = await api.proposals(id);
    if (selectedId.value === id) proposals.value = answer;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (selectedId.value === id && error.status === 409) proposals.value = { items: [], not_recommended: [] };
  }
}

/** Asks again a moment later, so that a burst of changes makes one request. */
export function refreshDetail(what: "process" | "proposals" | "both" = "both"): void {
  const id = selectedId.value;
  if (id === null) return;
  if (what !== "proposals") {
    clearTimeout(processTimer);
    processTimer = setTimeout(() => void loadProcess(id), 120);
  }
  if (what !== "process") {
    clearTimeout(proposalTimer);
    proposalTimer = setTimeout(() => void loadProposals(id), 200);
  }
}

watch(selectedId, (id) => {
  process.value = [];
  proposals.value = null;
  if (id !== null) {
    void loadProcess(id);
    void loadProposals(id);
  }
});

function incidentOf(event: FeedEvent): string {
  const value = event.value as { incident_id?: unknown; id?: unknown } | null;
  if (value && typeof value.incident_id === "string") return value.incident_id;
  return event.key;
}

function receive(event: FeedEvent): void {
  const id = selectedId.value;
  if (id === null) return;
  if (event.kind === "assignment") refreshDetail("proposals");
  if ((event.kind === "timeline" || event.kind === "incident") && incidentOf(event) === id) refreshDetail(event.kind === "timeline" ? "process" : "both");
}

/** Follows the feed for as long as the console is open. */
export function followSelected(): () => void {
  return onFeed(receive, () => refreshDetail());
}
