/** The incident that the duty officer looks at, with what only the detail shows: process and proposals. */
import { computed, ref, watch } from "vue";
import { api, Problem } from "../api";
import { onFeed, type FeedEvent } from "../feed";
import type { IncidentPlan } from "../answers";
import { incidents, lookAt } from "../incident/store";
import { isOpen } from "../incident/order";
import type { Proposal, Proposals, TimelineItem } from "../types";

export const selectedId = ref<string | null>(null);
export const selected = computed(() => (selectedId.value === null ? null : (incidents.get(selectedId.value) ?? null)));
export const process = ref<TimelineItem[]>([]);
export const proposals = ref<Proposals | null>(null);
export const plan = ref<IncidentPlan | null>(null);
/** Every proposal, for whoever wants to choose by hand. */
export const allProposals = ref(false);

/** Those fit to go first; the others only fill up to three, each with what it lacks. */
export const shownProposals = computed<Proposal[]>(() => {
  const items = proposals.value?.items ?? [];
  if (allProposals.value) return items;
  const fit = items.filter((one) => one.recommended).slice(0, 3);
  return [...fit, ...items.filter((one) => !one.recommended).slice(0, Math.max(0, 3 - fit.length))];
});

let planTimer: ReturnType<typeof setTimeout> | undefined;
let processTimer: ReturnType<typeof setTimeout> | undefined;
let proposalTimer: ReturnType<typeof setTimeout> | undefined;
let proposalDue = 0;

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

async function loadPlan(id: string): Promise<void> {
  try {
    const answer = await api.incidentPlan(id);
    if (selectedId.value === id) plan.value = answer;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

async function again(load: (id: string) => Promise<void>): Promise<void> {
  if (selectedId.value !== null) await load(selectedId.value);
}

/** Asks again a moment later, so that a burst of changes makes one request; what happened elsewhere can wait longer. */
export function refreshDetail(what: "process" | "proposals" | "both" = "both", elsewhere = false): void {
  if (selectedId.value === null) return;
  if (what !== "proposals") {
    processTimer ??= setTimeout(() => ((processTimer = undefined), void again(loadProcess)), 150);
  }
  if (what === "both") {
    planTimer ??= setTimeout(() => ((planTimer = undefined), void again(loadPlan)), 300);
  }
  if (what !== "process") {
    const due = Date.now() + (elsewhere ? 2000 : 200);
    if (proposalTimer !== undefined && proposalDue <= due) return;
    clearTimeout(proposalTimer);
    proposalDue = due;
    proposalTimer = setTimeout(() => ((proposalTimer = undefined), void again(loadProposals)), due - Date.now());
  }
}

watch(selectedId, (id) => {
  process.value = [];
  proposals.value = null;
  plan.value = null;
  allProposals.value = false;
  lookAt(id);
  if (id !== null) {
    void loadPlan(id);
    void loadProcess(id);
    void loadProposals(id);
  }
});

function incidentOf(event: FeedEvent): string {
  const value = event.value as { incident_id?: unknown; id?: unknown } | null;
  if (value && typeof value.incident_id === "string") return value.incident_id;
  return event.key;
}

function kindOf(event: FeedEvent): string {
  const value = event.value as { kind?: unknown } | null;
  return value && typeof value.kind === "string" ? value.kind : "";
}

function receive(event: FeedEvent): void {
  const id = selectedId.value;
  if (id === null) return;
  if (event.kind === "assignment" || event.kind === "reservation") refreshDetail("proposals", incidentOf(event) !== id);
  if (event.kind === "timeline" && incidentOf(event) === id && kindOf(event) === "card_ticked") refreshDetail("both");
  if ((event.kind === "timeline" || event.kind === "incident") && incidentOf(event) === id) refreshDetail(event.kind === "timeline" ? "process" : "both");
}

/** Follows the feed for as long as the console is open. */
export function followSelected(): () => void {
  return onFeed(receive, () => refreshDetail());
}
