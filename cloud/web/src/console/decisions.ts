/** Decisions that need a word with them: which fields each asks for, and what it does. One form draws them all (DecisionForm.vue). */
import { api } from "../api";
import { serverTime } from "../clock";
import { t } from "../i18n";
import { isOpen, isTaken } from "../incident/order";
import { selectedId } from "./selected";
import { put } from "../incident/store";
import { say } from "../parts/toasts";
import type { Incident, Level } from "../types";
import { act } from "./acts";

export type DecisionName =
  | "level" | "merge" | "unmerge" | "split" | "leave_parent" | "reopen" | "put_off" | "come_back" | "defer" | "hand_off" | "take_over" | "void" | "shelve" | "out_of_service";

export type FieldName = "reason" | "note" | "until" | "level" | "checked" | "into" | "person" | "alarms" | "alarm" | "whole_device";
export type Checked = "on_scene" | "video" | "phone";

export interface Values {
  reason: string;
  note: string;
  /** Epoch ms. */
  until: number | null;
  level: Level | null;
  checked: Checked | null;
  into: string | null;
  person: string | null;
  alarms: string[];
  alarm: string | null;
  whole_device: boolean;
}

export interface Decision {
  fields: FieldName[];
  /** Minutes from now that are offered for `until`. */
  spans?: number[];
  /** Whether it can be decided now. */
  fits: (incident: Incident, me: string) => boolean;
  run: (incident: Incident, values: Values) => Promise<boolean>;
}

const iso = (ms: number | null): string => new Date(ms ?? serverTime()).toISOString();
const alarmUp = (incident: Incident): boolean => isOpen(incident) && incident.alarms.length > 0;
const ownerOf = (incident: Incident): string | null => (typeof incident.owner === "object" ? (incident.owner?.id ?? null) : null);

export const DECISIONS: Record<DecisionName, Decision> = {
  level: {
    fields: ["level", "checked", "reason"],
    fits: isOpen,
    run: (incident, v) => act(incident, "level", () => api.setLevel(incident.id, v.level ?? "II", v.reason, v.checked), t("done.level")),
  },
  merge: {
    fields: ["into", "reason"],
    fits: isOpen,
    run: async (incident, v) => {
      const done = await act(incident, "merge", () => api.merge(incident.id, v.into ?? "", v.reason), t("done.merged"));
      if (done) selectedId.value = v.into;
      return done;
    },
  },
  unmerge: { fields: ["reason"], fits: (incident) => incident.state === "merged", run: (incident, v) => act(incident, "unmerge", () => api.unmerge(incident.id, v.reason), t("done.unmerged")) },
  split: {
    fields: ["alarms", "reason"],
    fits: (incident) => isOpen(incident) && incident.alarms.length > 1,
    run: (incident, v) =>
      act(
        incident, "split",
        async () => {
          const other = await api.split(incident.id, v.alarms, v.reason);
          put(other);
          say(t("done.split", { number: other.number }));
          return api.incident(incident.id);
        },
      ),
  },
  leave_parent: { fields: ["reason"], fits: (incident) => isOpen(incident) && Boolean(incident.parent_id), run: (incident, v) => act(incident, "leave", () => api.leaveParent(incident.id, v.reason)) },
  reopen: { fields: ["reason"], fits: (incident) => ["closed", "resolved", "verified", "void"].includes(incident.state), run: (incident, v) => act(incident, "reopen", () => api.reopen(incident.id, v.reason), t("done.reopened")) },
  put_off: {
    fields: ["until", "reason"], spans: [1440, 4320, 10_080, 43_200],
    fits: (incident) => isOpen(incident) && incident.state !== "pending" && isTaken(incident),
    run: (incident, v) => act(incident, "put-off", () => api.putOff(incident.id, iso(v.until), v.reason), t("done.put_off")),
  },
  come_back: { fields: ["reason"], fits: (incident) => incident.state === "pending", run: (incident, v) => act(incident, "come-back", () => api.comeBack(incident.id, v.reason)) },
  defer: {
    fields: ["until", "reason"], spans: [10, 15, 60, 240],
    fits: (incident) => isOpen(incident) && isTaken(incident) && incident.level !== "I" && incident.state !== "pending" && incident.deadline?.step !== "deferral",
    run: (incident, v) => act(incident, "defer", () => api.defer(incident.id, iso(v.until), v.reason), t("done.deferred")),
  },
  hand_off: {
    fields: ["person", "note"],
    fits: (incident, me) => isOpen(incident) && ownerOf(incident) === me,
    run: (incident, v) =>
      act(incident, "hand-off", async () => {
        const asked = await api.handOff(incident.id, v.person ?? "", v.note);
        say(t("done.hand_off", { name: asked.to.name }));
        return api.incident(incident.id);
      }),
  },
  take_over: {
    fields: ["reason"],
    fits: (incident, me) => isOpen(incident) && ownerOf(incident) !== null && ownerOf(incident) !== me,
    run: (incident, v) => act(incident, "take-over", () => api.takeOver(incident.id, v.reason), t("done.taken_over")),
  },
  void: { fields: ["reason"], fits: isOpen, run: (incident, v) => act(incident, "void", () => api.voidIncident(incident.id, v.reason), t("done.void", { number: incident.number })) },
  shelve: {
    fields: ["alarm", "until", "reason"], spans: [15, 30, 60, 240, 480],
    fits: alarmUp,
    run: (incident, v) => act(incident, "shelve", () => api.shelve(incident.id, v.alarm ?? "", iso(v.until), v.reason), t("done.asked")),
  },
  out_of_service: {
    fields: ["alarm", "whole_device", "until", "reason"], spans: [60, 240, 480, 1440],
    fits: alarmUp,
    run: (incident, v) => act(incident, "out-of-service", () => api.outOfService(incident.id, v.alarm ?? "", iso(v.until), v.reason, v.whole_device), t("done.asked")),
  },
};

/** In the order of the menu. */
export const MENU: DecisionName[] = ["level", "shelve", "out_of_service", "merge", "split", "unmerge", "leave_parent", "hand_off", "take_over", "defer", "put_off", "come_back", "reopen", "void"];

export function fitting(incident: Incident, me: string): DecisionName[] {
  return MENU.filter((name) => DECISIONS[name].fits(incident, me));
}
