/** What the screens ask of the cloud, by name. Every request goes through http.ts, typed by the cloud's own OpenAPI document. */
import type { Service } from "./answers";
import { serverTime } from "./clock";
import { BASE, get, post, send, type Answer, type BodyOf, type Path } from "./http";
import type { Effective, Preview, RuleLayer } from "./preview/types";
import type {
  Assignment, Credentials, Device, Drill, Edge, Found, ImportResult, Incident, Level, Listed, Outcome, Person, Profile, Rejection, Scenario,
  Session, Site, Source, Task, Telemetry, TimelineItem,
} from "./types";

export { Problem, whenSignedOut } from "./http";
export type { Answer } from "./http";

const now = (): string => new Date(serverTime()).toISOString();
const here = (incident_id: string): { incident_id: string } => ({ incident_id });

/** Screens look at less than the cloud says; where both describe one thing, the screens' words hold. */
const as = <T>(value: unknown): T => value as T;

/** Every page of a cursor-paged list. */
async function all<T>(path: Path<"get"> & string, query: Record<string, string | number | null | undefined> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Listed<T> = as(await get(path, { query: { ...query, cursor } as never }));
    items.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor !== null);
  return items;
}

type Tap = "accept" | "decline" | "en-route" | "on-scene" | "clear";

export const api = {
  session: async (): Promise<Session> => as(await get("/session")),
  signIn: async (username: string, password: string): Promise<Session> => as(await post("/session", { body: { username, password } })),
  signOut: () => send("delete", "/session"),

  incidents: async (state: "open" | "closed" | "all"): Promise<Answer<Incident[]>> => {
    const first = await send("get", "/incidents", { query: { state, limit: 500 } });
    const items = [...first.body.items];
    let cursor = first.body.next ?? null;
    while (cursor !== null && state === "open") {
      const page: Listed<Incident> = await get("/incidents", { query: { state, limit: 500, cursor } });
      items.push(...page.items);
      cursor = page.next ?? null;
    }
    return { body: items, position: first.position };
  },
  incident: (incident: string) => get("/incidents/{incident_id}", { path: here(incident) }),
  createIncident: (body: BodyOf<"post", "/incidents">) => post("/incidents", { body }),
  timeline: async (incident: string): Promise<TimelineItem[]> => (await get("/incidents/{incident_id}/timeline", { path: here(incident) })).items,
  proposals: (incident: string) => get("/incidents/{incident_id}/proposals", { path: here(incident) }),
  acknowledge: (incident: string) => post("/incidents/{incident_id}/acknowledge", { path: here(incident), body: { at: now() } }),
  dispatch: (incident: string, responder_id: string, more: { task?: string | null; move?: boolean } = {}) =>
    post("/incidents/{incident_id}/dispatch", { path: here(incident), body: { responder_id, at: now(), ...more } }),
  note: (incident: string, text: string) => post("/incidents/{incident_id}/notes", { path: here(incident), body: { text, at: now() } }),
  resolve: (incident: string, note: string) => post("/incidents/{incident_id}/resolve", { path: here(incident), body: note ? { note } : {} }),
  verify: (incident: string) => post("/incidents/{incident_id}/verify", { path: here(incident), body: {} }),
  close: (incident: string, outcome: Outcome, cause: string, note: string) =>
    post("/incidents/{incident_id}/close", { path: here(incident), body: { outcome, ...(cause ? { cause } : {}), ...(note ? { note } : {}) } }),
  voidIncident: (incident: string, reason: string) => post("/incidents/{incident_id}/void", { path: here(incident), body: { reason } }),
  reset: (incident: string, alarm_id: string) => post("/incidents/{incident_id}/reset", { path: here(incident), body: { alarm_id } }),

  shelve: (incident: string, alarm_id: string, until: string, reason: string) =>
    post("/incidents/{incident_id}/shelve", { path: here(incident), body: { alarm_id, until, reason, at: now() } }),
  unshelve: (incident: string, alarm_id: string) => post("/incidents/{incident_id}/unshelve", { path: here(incident), body: { alarm_id, at: now() } }),
  outOfService: (incident: string, alarm_id: string, until: string, reason: string, whole_device: boolean) =>
    post("/incidents/{incident_id}/out-of-service", { path: here(incident), body: { alarm_id, until, reason, whole_device, at: now() } }),
  intoService: (incident: string, alarm_id: string, whole_device: boolean) =>
    post("/incidents/{incident_id}/into-service", { path: here(incident), body: { alarm_id, whole_device, at: now() } }),

  setLevel: (incident: string, level: Level, reason: string, checked: "on_scene" | "video" | "phone" | null) =>
    post("/incidents/{incident_id}/level", { path: here(incident), body: { level, reason, at: now(), ...(checked ? { checked } : {}) } }),
  reopen: (incident: string, reason: string) => post("/incidents/{incident_id}/reopen", { path: here(incident), body: { reason, at: now() } }),
  putOff: (incident: string, until: string, reason: string) => post("/incidents/{incident_id}/put-off", { path: here(incident), body: { until, reason } }),
  comeBack: (incident: string, reason: string) => post("/incidents/{incident_id}/come-back", { path: here(incident), body: { reason } }),
  merge: (incident: string, into: string, reason: string) => post("/incidents/{incident_id}/merge", { path: here(incident), body: { into, reason } }),
  unmerge: (incident: string, reason: string) => post("/incidents/{incident_id}/unmerge", { path: here(incident), body: { reason } }),
  split: async (incident: string, alarm_ids: string[], reason: string): Promise<Incident> =>
    as(await post("/incidents/{incident_id}/split", { path: here(incident), body: { alarm_ids, reason } })),
  leaveParent: (incident: string, reason: string) => post("/incidents/{incident_id}/leave-parent", { path: here(incident), body: { reason } }),
  defer: (incident: string, until: string, reason: string) => post("/incidents/{incident_id}/defer", { path: here(incident), body: { until, reason, at: now() } }),
  resume: (incident: string) => post("/incidents/{incident_id}/resume", { path: here(incident), body: { at: now() } }),
  takeOver: (incident: string, reason: string) => post("/incidents/{incident_id}/take-over", { path: here(incident), body: { reason, at: now() } }),
  handOff: (incident: string, to: string, note: string) => post("/incidents/{incident_id}/hand-off", { path: here(incident), body: { to, note, at: now() } }),
  myHandOffs: async () => (await get("/hand-offs/mine")).items,
  answerHandOff: (hand_off_id: string, act: "accept" | "decline" | "withdraw", reason = "") =>
    post(`/hand-offs/{hand_off_id}/${act}`, { path: { hand_off_id }, body: { reason, at: now() } }),
  unattended: async () => (await get("/unattended")).items,

  reserve: (incident: string, responder_id: string, task: string | null) => post("/incidents/{incident_id}/reserve", { path: here(incident), body: { responder_id, ...(task ? { task } : {}) } }),
  releaseReserved: (reservation_id: string) => post("/reservations/{reservation_id}/release", { path: { reservation_id } }),
  offerReserved: (reservation_id: string) => post("/reservations/{reservation_id}/offer", { path: { reservation_id } }),
  jointPlan: () => get("/dispatch/plan"),
  sendJoint: (pairs: { incident_id: string; responder_id: string; task?: string | null }[]) => post("/dispatch/plan", { body: { pairs, at: now() } }),
  tasks: () => get("/tasks"),

  measures: async (state: "in_force" | "ended" | "all" = "in_force") => (await get("/measures", { query: { state } })).items,
  putMeasure: (incident: string, body: BodyOf<"post", "/incidents/{incident_id}/measures">) => post("/incidents/{incident_id}/measures", { path: here(incident), body: { at: now(), ...body } }),
  endMeasure: (measure_id: string, reason: string, authority: string) => post("/measures/{measure_id}/end", { path: { measure_id }, body: { reason, authority, at: now() } }),

  incidentPlan: (incident: string) => get("/incidents/{incident_id}/plan", { path: here(incident) }),
  tick: (incident: string, role: string, code: string) => post("/incidents/{incident_id}/plan/ticks", { path: here(incident), body: { role, code, at: now() } }),
  modes: async () => (await get("/modes")).items,
  shifts: async (from?: string, to?: string) => (await get("/shifts", { query: { ...(from ? { from } : {}), ...(to ? { to } : {}) } })).items,
  responders: async () => (await get("/responders")).items,

  readCard: (incident: string, service: Service, details: Record<string, string>) => post("/incidents/{incident_id}/handoffs/card", { path: here(incident), body: { service, details } }),
  outsideCalled: (incident: string, service: Service, details: Record<string, string>) => post("/incidents/{incident_id}/handoffs", { path: here(incident), body: { service, details, at: now() } }),
  outsideCalls: async (incident: string) => (await get("/incidents/{incident_id}/handoffs", { path: here(incident) })).items,
  outsideAnswered: (handoff_id: string, answered_by: string, reference: string) => post("/handoffs/{handoff_id}/answered", { path: { handoff_id }, body: { answered_by, reference, at: now() } }),
  outsideArrived: (handoff_id: string, unit: string) => post("/handoffs/{handoff_id}/arrived", { path: { handoff_id }, body: { unit, at: now() } }),
  outsideHandedOver: (handoff_id: string, received_by: string, unaccounted: number | null) => post("/handoffs/{handoff_id}/hand-over", { path: { handoff_id }, body: { received_by, at: now(), ...(unaccounted === null ? {} : { unaccounted }) } }),
  outsideStandDown: (handoff_id: string, reason: string) => post("/handoffs/{handoff_id}/stand-down", { path: { handoff_id }, body: { reason, at: now() } }),
  meetEngine: (handoff_id: string, responder_id: string) => post("/handoffs/{handoff_id}/meet", { path: { handoff_id }, body: { responder_id, at: now() } }),
  callChains: async (incident: string) => (await get("/incidents/{incident_id}/calls", { path: here(incident) })).items,
  beginCalls: (incident: string) => post("/incidents/{incident_id}/calls/begin", { path: here(incident), body: { at: now() } }),
  stopCalls: (incident: string, reason: string) => post("/incidents/{incident_id}/calls/stop", { path: here(incident), body: { reason, at: now() } }),
  dialled: (incident: string, contact_id: string, result: BodyOf<"post", "/incidents/{incident_id}/calls">["result"], on_duty = false) => post("/incidents/{incident_id}/calls", { path: here(incident), body: { contact_id, result, on_duty, at: now() } }),
  knockList: (incident: string) => get("/incidents/{incident_id}/knock-list", { path: here(incident) }),
  makeKnockList: (incident: string, whole_building: boolean) => post("/incidents/{incident_id}/knock-list", { path: here(incident), body: { whole_building } as never }),
  splitKnockList: (incident: string, responder_ids: string[]) => post("/incidents/{incident_id}/knock-list/split", { path: here(incident), body: { responder_ids } }),
  whistles: (incident: string) => get("/incidents/{incident_id}/whistles", { path: here(incident) }),
  whistle: (incident: string, department_id: string, cause: string | null, cause_text: string, note: string) => post("/incidents/{incident_id}/whistles", { path: here(incident), body: { department_id, cause, cause_text, note, at: now() } }),
  readIn: () => get("/handover/read-in"),
  handoverSheet: () => get("/handover/sheet"),
  giveOver: (remarks: string) => post("/handovers", { body: { remarks, at: now() } }),
  answerHandover: (handover_id: string, act: "take" | "refuse" | "withdraw", reason = "") => post(`/handovers/{handover_id}/${act}`, { path: { handover_id }, body: (act === "take" ? { at: now() } : { reason, at: now() }) as never }),
  dutyLog: () => post("/duty-logs", { body: {} as never }),
  signDutyLog: (log_id: string) => post("/duty-logs/{log_id}/sign", { path: { log_id } }),

  myTasks: (): Promise<Answer<Listed<Task>>> => send("get", "/assignments/mine"),
  /** A responder's tap, with its own time and a key that stays the same when it is sent again. */
  tap: (assignment_id: string, act: string, body: Record<string, unknown>, key: string): Promise<Answer<Assignment>> =>
    send("post", `/assignments/{assignment_id}/${act as Tap}`, { path: { assignment_id }, body: body as never, headers: { "Idempotency-Key": key } }),

  feedPosition: () => get("/feed/position"),
  summary: () => get("/summary"),
  telemetry: async (device_id: string, values: { point?: string; from?: number; to?: number; points?: number; exercise?: string | null }): Promise<Telemetry> =>
    as(await get("/telemetry/{device_id}", { path: { device_id }, query: values })),
  map: async (): Promise<Record<string, GeoJSON.FeatureCollection>> => as(await get("/map")),

  sites: async (): Promise<Site[]> => as(await get("/sites")),
  devices: (values: { q?: string; site?: string } = {}) => all<Device>("/devices", values),
  device: async (device_id: string): Promise<Device> => as(await get("/devices/{device_id}", { path: { device_id } })),
  createDevice: async (body: Record<string, unknown>): Promise<{ device: Device; mqtt: Credentials }> => as(await post("/devices", { body: body as never })),
  changeDevice: async (device_id: string, body: Record<string, unknown>): Promise<Device> => as((await send("put", "/devices/{device_id}", { path: { device_id }, body: body as never })).body),
  deleteDevice: (device_id: string) => send("delete", "/devices/{device_id}", { path: { device_id } }),
  importDevices: async (csv: Blob, dry_run: boolean): Promise<ImportResult> =>
    as((await send("post", "/devices/import", { body: csv as never, query: { dry_run }, headers: { "Content-Type": "text/csv" } })).body),
  templateUrl: `${BASE}/devices/import/template.csv`,
  found: (state: "new" | "ignored" | "all") => all<Found>("/found-devices", { state, limit: 1000 }),
  ignoreFound: async (found_id: number): Promise<Found> => as(await post("/found-devices/{found_id}/ignore", { path: { found_id } })),
  restoreFound: async (found_id: number): Promise<Found> => as(await post("/found-devices/{found_id}/restore", { path: { found_id } })),
  sources: () => all<Source>("/sources"),
  profiles: async (): Promise<Profile[]> => as((await get("/profiles")).items),
  edges: async (): Promise<Edge[]> => as((await get("/edges")).items),
  rejections: async (query: { device?: string; edge?: string } = {}): Promise<Listed<Rejection>> => as(await get("/rejections", { query })),

  effectiveRules: async (device_id: string): Promise<Effective> => as(await get("/rulebook/devices/{device_id}", { path: { device_id } })),
  ruleLayer: async (scope: string, place_id: string): Promise<RuleLayer> => as(await get("/rulebook/layers/{scope}/{place_id}", { path: { scope, place_id } })),
  startPreview: async (body: Record<string, unknown>): Promise<Preview> => as(await post("/rulebook/preview", { body: body as never })),
  preview: async (preview_id: string): Promise<Preview> => as(await get("/rulebook/preview/{preview_id}", { path: { preview_id } })),

  scenarios: async (): Promise<Scenario[]> => as((await get("/drills/scenarios")).items),
  drills: () => all<Drill>("/drills"),
  drill: async (drill_id: string): Promise<Drill> => as(await get("/drills/{drill_id}", { path: { drill_id } })),
  createDrill: async (body: BodyOf<"post", "/drills">): Promise<Drill> => as(await post("/drills", { body })),
  participants: async (): Promise<Person[]> => as((await get("/people/participants")).items),
  rateDrill: async (drill_id: string, rate: number): Promise<Drill> => as(await post("/drills/{drill_id}/rate", { path: { drill_id }, body: { rate } })),
  injectDone: async (drill_id: string, inject_id: string): Promise<Drill> => as(await post("/drills/{drill_id}/injects/{inject_id}/done", { path: { drill_id, inject_id } })),
  moveDrill: async (drill_id: string, act: "start" | "pause" | "resume" | "stop"): Promise<Drill> => as(await post(`/drills/{drill_id}/${act}`, { path: { drill_id } })),
};
