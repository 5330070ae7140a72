/** What waits for a duty leader's word, out of whatever the cloud has that asks for one. Pure. */
import type { HandoverOut, OwnerHandOff } from "../answers";
import type { Level } from "../types";

interface Named {
  id: string;
  name: string;
}

export interface RotaChange {
  id: string;
  kind: string;
  state: string;
  who: string | null;
  by: string | null;
  from: string;
  to: string;
  reason: string;
  asked_at: string;
  asked_by: Named | null;
  mine_to_answer: boolean;
}

export interface WhistleProposal {
  id: string;
  department_id: string;
  cause_text: string;
  street: { name: string };
  note: string;
  proposed_at: string | null;
  proposed_by: Named | null;
  clocks: { due_at: string }[];
  incident: { id: string; number: string; level: Level; place: { text: string | null } };
}

interface Department {
  id: string;
  name: string;
  name_en: string;
}

export interface WhistleOut {
  id: string;
  number: string;
  state: string;
  level: Level;
  cause_text: string;
  holder: Department | null;
  clocks: { step: string; due_at: string }[];
  returns: { id: string; reason: string; by: Named | null; department: Department | null; suggests: Department | null; arbiter: Named | null; due_at: string | null; ended_at: string | null; at: string }[];
  turns: { done_at: string | null; answered_by: Named | null }[];
  calls: { incident: { id: string; number: string } }[];
  ratings: { id: string; stands: boolean; by: Named | null }[];
  called_at: string;
  exercise: string | null;
}

export interface Handover extends HandoverOut {
  countersigned_at: string | null;
  area_path: string;
}

export interface CoverGap {
  need: string;
  area: string;
  text_zh: string;
  text_en: string;
  from: string;
  to: string;
  wanted: number;
  have: number;
  why: { text_zh: string; text_en: string; name: string }[];
}

export interface Given {
  me: string;
  handOffs: OwnerHandOff[];
  handovers: Handover[];
  changes: RotaChange[];
  proposals: WhistleProposal[];
  whistles: WhistleOut[];
}

/** One question. `rule` and `rate` ask for more than yes or no. */
export type Question = { id: string; at: string; due: string | null; level: Level | null; exercise: boolean } & (
  | { kind: "hand_off"; of: OwnerHandOff }
  | { kind: "handover"; of: Handover }
  | { kind: "countersign"; of: Handover }
  | { kind: "change"; of: RotaChange }
  | { kind: "proposal"; of: WhistleProposal }
  | { kind: "rule"; of: WhistleOut }
  | { kind: "rate"; of: WhistleOut }
);

const RANK: Record<string, number> = { I: 0, II: 1, III: 2, IV: 3 };

/** Real before exercise; what runs out first, then level, then what has waited longest. */
export function first(a: Question, b: Question): number {
  const exercise = Number(a.exercise) - Number(b.exercise);
  const due = (a.due ? Date.parse(a.due) : Infinity) - (b.due ? Date.parse(b.due) : Infinity);
  const level = (RANK[a.level ?? ""] ?? 4) - (RANK[b.level ?? ""] ?? 4);
  return exercise || (Number.isNaN(due) ? 0 : due) || level || a.at.localeCompare(b.at);
}

export function waiting(given: Given): Question[] {
  const { me } = given;
  const asked: Question[] = [];
  for (const of of given.handOffs) {
    if (of.to.id === me && of.ended_at === null) asked.push({ kind: "hand_off", id: of.id, of, at: of.at, due: of.due_at, level: of.level, exercise: false });
  }
  for (const of of given.handovers) {
    const head = { id: of.id, of, at: of.given_at ?? of.created_at, level: null, exercise: false };
    if (of.state === "given" && of.to?.id === me) asked.push({ ...head, kind: "handover", due: of.due_at });
    if (of.state === "taken" && !of.countersigned_at && of.from.id !== me) asked.push({ ...head, kind: "countersign", due: null });
  }
  for (const of of given.changes) {
    if (of.mine_to_answer) asked.push({ kind: "change", id: of.id, of, at: of.asked_at, due: of.from, level: null, exercise: false });
  }
  for (const of of given.proposals) {
    asked.push({ kind: "proposal", id: of.id, of, at: of.proposed_at ?? "", due: of.clocks[0]?.due_at ?? null, level: of.incident.level, exercise: false });
  }
  for (const of of given.whistles) {
    const head = { id: of.id, of, at: of.called_at, level: of.level, exercise: of.exercise !== null };
    const back = of.returns.find((one) => one.ended_at === null);
    if (back) asked.push({ ...head, kind: "rule", due: back.due_at });
    else if (of.state === "done" && !of.ratings.some((one) => one.stands && one.by?.id === me)) {
      asked.push({ ...head, kind: "rate", due: of.clocks.find((one) => one.step === "rate")?.due_at ?? null });
    }
  }
  return asked.sort(first);
}
