/** What the cloud answers where its OpenAPI document only says "an object". An answer that gets a model there leaves here. */
import type { Assignment, Card, Incident, Level, Listed, Measure, Proposal, Proposals, Summary, Task, TimelineItem } from "./types";

interface Named {
  id: string;
  name: string;
}

export interface Reservation {
  id: string;
  incident_id: string;
  responder: { id: string; name: string; kind: "person" | "team" };
  task: string | null;
  by: Named;
  at: string;
  until: string;
  ended_at: string | null;
  end: string | null;
}

/** 联合派单: several incidents at once, each pair with why it is not the nearest. */
export interface JointPlan {
  pairs: (JointIncident & { responder: Proposal; why: { code: string; name?: string; number?: string; to?: string; level?: Level } })[];
  unserved: JointIncident[];
}

interface JointIncident {
  incident_id: string;
  number: string;
  level: Level;
  place: string;
}

/** 转交: another duty officer is asked to take an incident. */
export interface OwnerHandOff {
  id: string;
  incident_id: string;
  number: string;
  level: Level;
  place: string;
  from: Named;
  to: Named;
  note: string;
  at: string;
  due_at: string;
  ended_at: string | null;
  end: string | null;
  reason: string | null;
}

/** 无人跟进: what the auditor found and still is so. */
export interface UnattendedItem {
  incident_id: string;
  number: string;
  level: Level;
  place: string;
  owner: Named | null;
  code: string;
  text_zh: string;
  text_en: string;
  params: Record<string, unknown>;
  found_at: string;
  seen_at: string;
  told: number | boolean | null;
  exercise: string | null;
}

export type PlanLine = Card["lines"][number] & { code: string };

export interface IncidentPlan {
  hazard: string;
  level: Level;
  name_zh: string;
  name_en: string;
  own: boolean;
  revision: number;
  text_zh: string;
  text_en: string;
  ask: string[];
  tell: string[];
  measures: string[];
  arrive_s: number;
  cards: { role: string; lines: PlanLine[] }[];
  overdue: number;
}

export interface TaskCatalogue {
  tasks: Record<string, { zh: string; en: string }>;
  [key: string]: unknown;
}

export type MeasureWithIncident = Measure & { incident: { id: string; number: string; state: string; place: string } };
export type Mode = Record<string, unknown> & { id: string; kind: string; name: string; area_path: string; ends_at: string; staffing_gaps: { post: string; wanted: number; have: number }[] };

export type Service = "fire" | "medical" | "police" | "traffic" | "power" | "gas" | "drainage";

/** A call to a service outside and what became of it. People dial, the system never does. */
export interface OutsideCall {
  id: string;
  incident_id: string;
  service: Service;
  name_zh: string;
  name_en: string;
  state: "called" | "answered" | "arrived" | "handed_over" | "stood_down";
  called_at: string;
  called_by: Named | null;
  answered_at: string | null;
  answered_by: string | null;
  reference: string | null;
  expected_at: string | null;
  arrived_at: string | null;
  unit: string | null;
  handed_over_at: string | null;
  received_by: string | null;
  ended_at: string | null;
  due_at: string | null;
  meets: boolean;
  exercise: string | null;
}

/** What is read aloud, in the order in which their dispatcher asks. */
export interface ReadCard {
  service: Service;
  name_zh: string;
  name_en: string;
  greeting_zh: string;
  greeting_en: string;
  lines: { code: string; ask_zh: string; ask_en: string; text_zh: string; text_en: string; known: boolean }[];
  unknown: string[];
  addable: string[];
  exercise: boolean;
  meet?: { task: string; gate: string; proposals: Proposal[] };
}

export interface CallChain {
  id: string;
  round: number;
  state: string;
  level: Level;
  began_at: string;
  ended_at: string | null;
  contacts: { id: string; name: string; role: string; number: string; tel?: string; masked: boolean; note?: string; scope: string }[];
  next_contact: string | null;
  calls: { id: string; contact_id: string; way: string; began_at: string; answered_at: string | null; on_duty_at: string | null; ended_at: string | null; result: string | null; detail: string; by: Named | null }[];
}

export interface KnockDoor {
  id: string;
  text: string;
  vulnerable: boolean;
  part: string | null;
  outcome: string | null;
  outcome_at: string | null;
  open: boolean;
  persons?: number | null;
  flags?: string[];
  key_with?: string | null;
  note?: string | null;
}

export interface KnockListOut {
  id: string;
  rule: string;
  made_at: string;
  summary: { doors: number; open: number; vulnerable_open: number; no_answer: number } | null;
  doors: KnockDoor[];
}

export interface WhistleCall {
  id: string;
  whistle_id: string | null;
  department_id: string;
  state: string;
  cause: string;
  cause_text: string;
  note: string;
  at: string | null;
  proposed_at: string | null;
}

export interface IncidentWhistles {
  items: WhistleCall[];
  causes: { key: string; text_zh: string; text_en: string; why: string }[];
  departments: { id: string; name: string; name_en: string; trade: string; phone?: string | null; open?: unknown }[];
  calls_directly: boolean;
}

export interface SheetOut {
  area: string;
  at: string;
  incidents: { id: string; number: string; level: Level; state: string; place: string; owner: Named | null; clocks: { kind: string; due_at: string }[]; exercise: string | null }[];
  measures: { id: string; text_zh: string; text_en: string; place: string; since: string; number: string }[];
  promises: { id: string; kind: string; text: string; number: string | null; due_at: string; overdue: boolean }[];
  alarms: { alarm_id: string; device_name: string; rule: string; why: string; until: string | null; number: string }[];
  devices: Record<string, unknown>[];
  gateways: Record<string, unknown>[];
  modes: Record<string, unknown>[];
  faults: Record<string, unknown>[];
  gaps: Record<string, unknown>[];
  drills: Record<string, unknown>[];
  notes: { id: string; text: string; due_at: string | null; by: Named }[];
  next?: Named | null;
  post?: string;
}

export interface HandoverOut {
  id: string;
  state: "given" | "taken" | "refused" | "withdrawn" | "forgotten";
  from: Named;
  to: Named | null;
  created_at: string;
  given_at: string | null;
  due_at: string | null;
  answered_at: string | null;
  remarks?: string;
  sheet?: SheetOut | null;
}

export interface ReadIn {
  waiting: HandoverOut[];
  sheet: SheetOut;
  last: HandoverOut | null;
  last_log: { id: string; from: string; to: string } | null;
}

export interface DutyLogOut {
  id: string;
  from: string;
  to: string;
  area?: string;
  signed_at: string | null;
  signed_by: Named | null;
  intact?: boolean | null;
  lines: { at: string; occurred_at: string | null; source: string; number: string | null; place: string | null; kind: string; kind_zh: string; who: string | null; text: string }[];
  notes: { seq: number; text?: string }[];
}

type OnIncident =
  | "acknowledge" | "notes" | "resolve" | "verify" | "close" | "void" | "reset" | "dispatch" | "shelve" | "unshelve" | "out-of-service" | "into-service"
  | "defer" | "resume" | "take-over" | "merge" | "unmerge" | "split" | "parent" | "leave-parent" | "level" | "reopen" | "put-off" | "come-back" | "measures" | "calls/begin" | "calls/stop";

export type Answers = {
  "get /incidents": Listed<Incident>;
  "post /incidents": Incident & { joined: boolean };
  "get /incidents/{incident_id}": Incident;
  "get /incidents/{incident_id}/timeline": Listed<TimelineItem> & { chain_intact: boolean };
  "get /incidents/{incident_id}/proposals": Proposals;
  "post /incidents/{incident_id}/reserve": Reservation;
  "post /reservations/{reservation_id}/release": Reservation;
  "post /reservations/{reservation_id}/offer": Incident;
  "get /dispatch/plan": JointPlan;
  "post /dispatch/plan": { items: Incident[] };
  "get /tasks": TaskCatalogue;
  "post /incidents/{incident_id}/hand-off": OwnerHandOff;
  "get /hand-offs/mine": Listed<OwnerHandOff>;
  "post /hand-offs/{hand_off_id}/accept": Incident;
  "post /hand-offs/{hand_off_id}/decline": Incident;
  "post /hand-offs/{hand_off_id}/withdraw": Incident;
  "get /unattended": Listed<UnattendedItem> & { timers_behind: unknown };
  "post /incident-families": Incident;
  "get /measures": Listed<MeasureWithIncident>;
  "get /incidents/{incident_id}/measures": Listed<Measure>;
  "post /measures/{measure_id}/end": Measure;
  "get /incidents/{incident_id}/plan": IncidentPlan;
  "post /incidents/{incident_id}/plan/ticks": IncidentPlan;
  "get /summary": Summary;
  "get /assignments/mine": Listed<Task>;
  "get /modes": Listed<Mode>;
  "post /incidents/{incident_id}/handoffs/card": ReadCard;
  "post /incidents/{incident_id}/handoffs": OutsideCall & { card: ReadCard };
  "get /incidents/{incident_id}/handoffs": Listed<OutsideCall>;
  "post /handoffs/{handoff_id}/meet": Incident;
  "get /incidents/{incident_id}/calls": Listed<CallChain>;
  "post /incidents/{incident_id}/calls": CallChain["calls"][number];
  "get /incidents/{incident_id}/knock-list": KnockListOut;
  "post /incidents/{incident_id}/knock-list": KnockListOut;
  "post /incidents/{incident_id}/knock-list/split": KnockListOut;
  "post /incidents/{incident_id}/knock-list/taps": { items: unknown[]; summary: KnockListOut["summary"] };
  "get /incidents/{incident_id}/whistles": IncidentWhistles;
  "post /incidents/{incident_id}/whistles": WhistleCall;
  "get /handover/sheet": SheetOut;
  "get /handover/read-in": ReadIn;
  "post /handovers": HandoverOut;
  "post /handovers/{handover_id}/take": HandoverOut;
  "post /handovers/{handover_id}/refuse": HandoverOut;
  "post /handovers/{handover_id}/withdraw": HandoverOut;
  "post /duty-logs": DutyLogOut;
  "post /duty-logs/{log_id}/sign": DutyLogOut;
} & { [A in OnIncident as `post /incidents/{incident_id}/${A}`]: Incident } & {
  [A in "accept" | "decline" | "en-route" | "on-scene" | "clear" as `post /assignments/{assignment_id}/${A}`]: Assignment;
} & { [A in "answered" | "again" | "arrived" | "hand-over" | "stand-down" as `post /handoffs/{handoff_id}/${A}`]: OutsideCall };

