/** What the cloud says over /api/v1. Times are RFC 3339 UTC text. */

export type Role = "duty_officer" | "property_manager" | "trainer" | "responder" | "administrator";
export type Level = "I" | "II" | "III" | "IV";
export type Hazard = "smoke" | "water_level" | "curtain_wall" | "device" | "gateway";
export type IncidentState =
  | "raised" | "accepted" | "dispatched" | "in_progress" | "resolved" | "verified" | "closed" | "void"
  | "merged" | "pending";
export type AssignmentState =
  | "offered" | "acknowledged" | "en_route" | "on_scene" | "cleared" | "declined" | "expired" | "cancelled";
export type Outcome = "fire" | "danger_caught" | "hazard_true" | "nuisance" | "fault" | "human" | "test" | "unknown";
export type Scalar = string | number | boolean | null;
export type Params = Record<string, Scalar>;

export interface Person {
  id: string;
  username?: string;
  name: string;
  name_en?: string | null;
  roles?: Role[];
  area_path?: string | null;
}

export interface Demo {
  rate: number;
  timeline: string;
  label_zh: string;
  label_en: string;
}

export interface Session {
  token?: string;
  person: Person & { roles: Role[] };
  server_time: string;
  demo?: Demo | null;
}

export interface Exercise {
  id: string;
  name: string;
}

export interface Place {
  site_id: string | null;
  site: string | null;
  building_id: string | null;
  building: string | null;
  zone_id: string | null;
  zone: string | null;
  text: string | null;
  lon: number | null;
  lat: number | null;
  grid_id: string | null;
  grid: string | null;
  grid_path: string | null;
}

export interface Headline {
  code: string;
  params: Params;
}

export interface AlarmSummary {
  alarm_id: string;
  device: string;
  device_name: string | null;
  rule: string;
  level: Level | null;
  isa: string;
  active: boolean;
  acknowledged: boolean;
  latched: boolean;
  suspect: boolean;
  shelved_until?: string | null;
  suppressed_by?: string | null;
  out_of_service_until?: string | null;
  unsteady?: boolean;
  repeats?: number;
  opened_at: string;
  cleared_at: string | null;
}

export interface Responder {
  id: string;
  name: string;
  kind: "person" | "team";
}

export interface Assignment {
  id: string;
  incident_id: string;
  responder: Responder;
  state: AssignmentState;
  offered_at: string;
  due_at: string | null;
  acknowledged_at: string | null;
  en_route_at: string | null;
  on_scene_at: string | null;
  cleared_at: string | null;
  decline_reason: string | null;
  exercise: Exercise | string | null;
}

export interface Deadline {
  step: "acknowledge" | "dispatch" | "accept" | "set_out" | "arrive" | "report" | "close" | "deferral" | "pending";
  due_at: string;
  escalates_to: { tier: string | number; area: string | null; person: string | null } | null;
}

export interface Incident {
  id: string;
  number: string;
  state: IncidentState;
  hazard: Hazard;
  level: Level | null;
  highest_level: Level | null;
  headline: Headline;
  place: Place;
  origin: "sensor" | "phone" | "walk_in" | "patrol" | "hotline" | "place_code" | "rule";
  opened_at: string;
  updated_at: string;
  acknowledged_at: string | null;
  acknowledged_by: { id: string; name: string } | null;
  owner: { id: string; name: string } | string | null;
  alert_count: number;
  alarms: AlarmSummary[];
  assignments: Assignment[];
  deadline: Deadline | null;
  escalation_tier: number;
  exercise: Exercise | null;
  timeline: string;
  outcome: Outcome | null;
  cause: string | null;
  closed_at: string | null;
  parent_id?: string | null;
  children?: { id: string; number: string; state: IncidentState; level: Level; place: string }[] | null;
  merged_into?: string | null;
  measures?: Measure[];
  knock_list?: { id: string; doors: number; open: number; vulnerable_open: number; no_answer: number } | null;
  level_cap?: { level: Level; over: Level; calling: number } | null;
  reopened_at?: string | null;
  pending?: { reason: string; until: string; by: { id: string; name: string } } | null;
  position?: number;
}

/** 管控措施: in force until a named person ends it. */
export interface Measure {
  id: string;
  incident_id: string;
  kind: string;
  text_zh: string;
  text_en: string;
  place: string;
  note: string;
  since: string;
  put_by: { id: string; name: string };
  in_charge: string;
  may_end: "duty_officer" | "duty_leader" | "who_put_it" | "outside";
  review_at: string | null;
  ended_at: string | null;
  ended_by: { id: string; name: string } | null;
  end_reason: string | null;
  end_authority: string | null;
  exercise: string | null;
}

export interface TimelineItem {
  seq: number;
  kind: string;
  at: string;
  occurred_at: string | null;
  lag_s: number | null;
  actor: { kind: "person" | "edge" | "system" | "rule"; id: string | null; name: string | null } | null;
  params: Record<string, unknown>;
  exercise: string | null;
  /** Fields that were forgotten: they had a personal value. */
  forgotten?: string[];
}

export interface Reason {
  code: string;
  ok: boolean;
  params: Params;
}

export interface Proposal {
  responder_id: string;
  name: string;
  kind: "person" | "team";
  role: string | null;
  distance_m: number | null;
  walk_min: number | null;
  recommended: boolean;
  task?: string | null;
  score: number;
  reasons: Reason[];
  missing: string[];
}

export interface Proposals {
  items: Proposal[];
  not_recommended: { name: string; reason?: string; code?: string }[];
  /** Why nobody is recommended: what is missing, of how many. */
  gaps?: { code: string; count: number }[];
  /** What a person could decide all the same. */
  alternatives?: { responder_id: string; name: string; how: string; params: Record<string, unknown> }[];
  reservations?: import("./answers").Reservation[];
}

export interface Card {
  role?: string;
  lines: {
    code?: string; text_zh?: string; text_en?: string; tick?: boolean;
    due_at?: string | null; done_at?: string | null; done_by?: { id: string; name: string } | null; overdue?: boolean;
  }[];
}

export interface Task extends Assignment {
  incident: Incident;
  card?: Card | null;
}

export interface Summary {
  unacknowledged: number;
  oldest_unacknowledged_s: number | null;
  people_on_the_way: number;
  people_on_scene: number;
  measures_in_force: number;
  edges_offline: number;
  edges: number;
  drills_running: number;
  flood: boolean;
  unattended?: number;
}

export interface Telemetry {
  device: string;
  point: string;
  unit: string;
  timeline: string;
  t: number[];
  min: (number | null)[];
  mean: (number | null)[];
  max: (number | null)[];
  flag: number[];
  thresholds: { level: Level; value: number; rule: string }[];
  gaps: [number, number][];
}

export interface Zone {
  id: string;
  name: string;
  floor: number | null;
  lon: number | null;
  lat: number | null;
}

export interface Building {
  id: string;
  name: string;
  outline?: unknown;
  zones: Zone[];
}

export interface Site {
  id: string;
  name: string;
  lon: number | null;
  lat: number | null;
  grid_path: string | null;
  buildings: Building[];
  zones?: Zone[];
}

export interface Device {
  id: string;
  name: string;
  site_id: string;
  zone_id: string | null;
  building_id?: string | null;
  profile: string;
  edge_id: string;
  hazard?: Hazard | null;
  timeline?: string;
  enabled?: boolean;
  parameters?: Record<string, number>;
  rules?: Record<string, unknown>;
  status?: string | Record<string, unknown> | null;
  last_seen?: string | null;
  address?: string | null;
  link?: Link | null;
  battery_percent?: number | null;
  joined_at?: string | null;
  newest?: Record<string, unknown> | null;
  [key: string]: unknown;
}

/** How a device's radio is heard, in whatever measure its convention gives. */
export interface Link {
  rssi_dbm: number | null;
  snr_db: number | null;
  lqi: number | null;
  margin_db?: number | null;
}

/** A convention that devices may speak: what stands before the colon of an address. */
export interface Source {
  name: string;
  label_zh: string;
  label_en: string;
  form: "eui" | "ieee" | "text";
  own_account: boolean;
}

/** An address that speaks and is registered nowhere; name, vendor and model are its own words. */
export interface Found {
  id: number;
  edge_id: string;
  source: string;
  address: string;
  topic: string;
  name: string | null;
  vendor: string | null;
  model: string | null;
  suggested_profile: string | null;
  first_seen: string;
  last_seen: string;
  messages: number;
  state: "new" | "ignored";
}

/** One thing that is wrong; `code` and `params` say it in the reader's language, `what` and `fix` in English. */
export interface Fault {
  where?: string | null;
  column?: string | null;
  what?: string;
  fix?: string | null;
  code?: string;
  params?: Record<string, string | number>;
}

export interface Credentials {
  username: string;
  password: string;
  topic: string;
}

export interface ImportRow {
  row: number;
  verdict: "new" | "changed" | "same" | "error";
  id: string | null;
  errors: Fault[];
}

export interface ImportResult {
  rows: ImportRow[];
  counts: Record<string, number>;
  applied: boolean;
  credentials?: { id: string; password: string }[];
}

export interface Profile {
  name: string;
  vendor_zh: string;
  vendor_en?: string;
  model_zh: string;
  model_en?: string;
  hazard: Hazard;
  points: { name: string; unit: string; label_zh?: string; label_en?: string }[];
}

export interface Edge {
  id: string;
  name?: string | null;
  online?: boolean;
  last_seen?: string | null;
  [key: string]: unknown;
}

export interface Rejection {
  id?: string | number;
  edge: string | null;
  device: string | null;
  topic?: string | null;
  code?: string | null;
  reason?: string | null;
  detail?: string | null;
  at?: string | null;
  recorded_at?: string | null;
  count?: number;
  [key: string]: unknown;
}

export interface Scenario {
  id: string;
  name_zh?: string;
  name_en?: string;
  name?: string;
  description_zh?: string;
  description_en?: string;
  duration_s?: number;
  [key: string]: unknown;
}

export interface Inject {
  id: string;
  at_s: number;
  kind: string;
  label_zh: string;
  label_en: string;
  state: string;
  device?: string | null;
  params?: Record<string, unknown>;
}

export interface Objective {
  id: string;
  label_zh: string;
  label_en: string;
  met: boolean | null;
  value_s: number | null;
  limit_s?: number | null;
}

export interface Segment {
  wall: string | number;
  scenario: string | number;
  rate: number;
  [key: string]: unknown;
}

export interface Drill {
  id: string;
  name: string;
  scenario: string;
  state: "draft" | "running" | "paused" | "ended";
  timeline: { name: string; segments: Segment[] } | null;
  participants: Person[];
  injects: Inject[];
  incidents: string[];
  objectives: Objective[];
  started_at?: string | null;
  created_at?: string | null;
  [key: string]: unknown;
}

export interface Listed<T> {
  items: T[];
  next: string | null;
}
