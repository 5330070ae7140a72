/** What the duty officer does to an incident; each answer is put into the list at once, the feed confirms it. */
import { ref } from "vue";
import { api } from "../api";
import { t } from "../i18n";
import { put, refetch } from "../incident/store";
import { isTaken } from "../incident/order";
import { say, sayProblem } from "../parts/toasts";
import type { Incident, Outcome, Proposal } from "../types";
import { refreshDetail } from "./selected";

/** Ids of incidents with a request under way. */
export const busy = ref(new Set<string>());
const running = new Set<string>();
const queues = new Map<string, Promise<unknown>>();

/** One act at a time for an incident, in the order of the key presses; the same act pressed twice happens once. */
function once(incident: Incident, name: string, act: () => Promise<Incident>, done: string | null): Promise<boolean> {
  const key = `${incident.id}:${name}`;
  if (running.has(key)) return Promise.resolve(false);
  running.add(key);
  busy.value = new Set([...busy.value, incident.id]);
  const turn = (queues.get(incident.id) ?? Promise.resolve()).then(() => attempt(incident, act, done));
  queues.set(incident.id, turn);
  return turn.finally(() => {
    running.delete(key);
    if (queues.get(incident.id) !== turn) return;
    queues.delete(incident.id);
    busy.value = new Set([...busy.value].filter((id) => id !== incident.id));
  });
}

async function attempt(incident: Incident, act: () => Promise<Incident>, done: string | null): Promise<boolean> {
  try {
    put(await act());
    if (done) say(done);
    refreshDetail();
    return true;
  } catch (error) {
    sayProblem(error);
    await refetch(incident.id).catch(() => undefined);
    return false;
  }
}

/** Any act on an incident whose answer is the incident. */
export function act(incident: Incident, name: string, run: () => Promise<Incident>, done: string | null = null): Promise<boolean> {
  return once(incident, name, run, done);
}

export const acknowledge = (incident: Incident): Promise<boolean> =>
  isTaken(incident)
    ? Promise.resolve(true)
    : once(incident, "acknowledge", () => api.acknowledge(incident.id), t("done.acknowledged", { number: incident.number }));

export const dispatch = (incident: Incident, to: Pick<Proposal, "responder_id" | "name">, more: { task?: string | null; move?: boolean } = {}): Promise<boolean> =>
  once(incident, "dispatch", () => api.dispatch(incident.id, to.responder_id, more), t("done.sent", { name: to.name }));

export const note = (incident: Incident, text: string): Promise<boolean> =>
  once(incident, "note", () => api.note(incident.id, text), t("done.noted"));

export const resolve = (incident: Incident): Promise<boolean> => once(incident, "resolve", () => api.resolve(incident.id, ""), null);
export const verify = (incident: Incident): Promise<boolean> => once(incident, "verify", () => api.verify(incident.id), null);

export const close = (incident: Incident, outcome: Outcome, cause: string, text: string): Promise<boolean> =>
  once(incident, "close", () => api.close(incident.id, outcome, cause, text), t(outcome === "unknown" ? "done.kept_open" : "done.closed", { number: incident.number }));

export const reset = (incident: Incident, alarm: string): Promise<boolean> => once(incident, "reset", () => api.reset(incident.id, alarm), t("done.asked"));

export const unshelve = (incident: Incident, alarm: string): Promise<boolean> => once(incident, "unshelve", () => api.unshelve(incident.id, alarm), t("done.asked"));

export const intoService = (incident: Incident, alarm: string): Promise<boolean> => once(incident, "into-service", () => api.intoService(incident.id, alarm, false), t("done.asked"));

/** An act that is not one incident's; true when it was done. */
export async function attempted(run: () => Promise<unknown>, done: string | null = null): Promise<boolean> {
  try {
    await run();
    if (done) say(done);
    return true;
  } catch (error) {
    sayProblem(error);
    return false;
  }
}
