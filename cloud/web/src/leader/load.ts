/** What the duty leader's page reads and writes; each answer as docs/whistles.md, people.md and handoffs.md describe it. */
import { api } from "../api";
import { serverTime } from "../clock";
import { get, post } from "../http";
import type { CoverGap, Handover, Question, RotaChange, WhistleOut, WhistleProposal } from "./waiting";
import { waiting } from "./waiting";

const as = <T>(value: unknown): T => value as T;
const now = (): string => new Date(serverTime()).toISOString();

export interface Cover {
  red: boolean;
  items: CoverGap[];
}

export async function questions(me: string): Promise<Question[]> {
  const [handOffs, handovers, changes, proposals, whistles] = await Promise.all([
    api.myHandOffs(), get("/handovers", { query: { state: "all", limit: 20 } }), get("/rota-changes", { query: { state: "asked" } }),
    get("/whistle-proposals"), get("/whistles", { query: { state: "open" } }),
  ]);
  return waiting({
    me, handOffs, handovers: as<{ items: Handover[] }>(handovers).items, changes: as<{ items: RotaChange[] }>(changes).items,
    proposals: as<{ items: WhistleProposal[] }>(proposals).items, whistles: as<{ items: WhistleOut[] }>(whistles).items,
  });
}

export const cover = async (): Promise<Cover> => as(await get("/cover", { query: { days: 2 } }));
export const departments = async (): Promise<{ id: string; name: string; name_en: string }[]> => as<{ items: { id: string; name: string; name_en: string }[] }>(await get("/departments")).items;

/** Whether this person is duty leader on shift, and until when. */
export async function leadsUntil(me: string): Promise<string | null> {
  const at = serverTime();
  const shift = (await api.shifts()).find((one) => one.post === "duty_leader" && one.person_id === me && Date.parse(one.starts_at) <= at && at < Date.parse(one.ends_at));
  return shift?.ends_at ?? null;
}

export interface Word {
  reason: string;
  department: string;
  score: number;
}

/** Yes: agreed, taken, countersigned, ruled, rated. */
export async function approve(one: Question, word: Word): Promise<void> {
  const at = now();
  if (one.kind === "hand_off") await api.answerHandOff(one.id, "accept", word.reason);
  else if (one.kind === "handover") await api.answerHandover(one.id, "take");
  else if (one.kind === "countersign") await post("/handovers/{handover_id}/countersign", { path: { handover_id: one.id } });
  else if (one.kind === "change") await post("/rota-changes/{change_id}/agree", { path: { change_id: one.id }, body: { note: word.reason } });
  else if (one.kind === "proposal") await post("/whistle-proposals/{call_id}/confirm", { path: { call_id: one.id }, body: { at } as never });
  else if (one.kind === "rule") await post("/whistles/{whistle_id}/rule", { path: { whistle_id: one.id }, body: { department_id: word.department, reason: word.reason, at } as never });
  else await post("/whistles/{whistle_id}/rating", { path: { whistle_id: one.id }, body: { score: word.score, note: word.reason, at } as never });
}

/** No, with the reason; everything stays as it was. What cannot be refused has no such button. */
export async function refuse(one: Question, reason: string): Promise<void> {
  const at = now();
  if (one.kind === "hand_off") await api.answerHandOff(one.id, "decline", reason);
  else if (one.kind === "handover") await api.answerHandover(one.id, "refuse", reason);
  else if (one.kind === "change") await post("/rota-changes/{change_id}/refuse", { path: { change_id: one.id }, body: { note: reason } });
  else if (one.kind === "proposal") await post("/whistle-proposals/{call_id}/refuse", { path: { call_id: one.id }, body: { reason, at } as never });
  else if (one.kind === "rate") await post("/whistles/{whistle_id}/send-back", { path: { whistle_id: one.id }, body: { reason, at } as never });
}

export const refusable = (one: Question): boolean => one.kind !== "countersign" && one.kind !== "rule";
