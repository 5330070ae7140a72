/** The one door to the cloud: plain fetch against /api/v1 of the host that served this page. */
import { serverTime } from "./clock";
import type { Effective, Preview, RuleLayer } from "./preview/types";
import type {
  Assignment, Credentials, Device, Drill, Edge, Fault, Found, ImportResult, Incident, Listed, Outcome, Person, Profile, Proposals, Rejection, Scenario,
  Session, Site, Source, Summary, Task, Telemetry, TimelineItem,
} from "./types";

/** RFC 9457 problem details, or the absence of an answer (status 0). */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: Fault[];

  constructor(status: number, title: string, detail: string, errors: Fault[] = []) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.errors = errors;
  }

  /** Nobody answered: the network is away, not the request wrong. */
  get away(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

const BASE = "/api/v1";
let onSignedOut: () => void = () => undefined;

/** Called once when the cloud no longer knows this session. */
export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as { title?: string; detail?: unknown; errors?: Fault[] };
    const detail = typeof body.detail === "string" ? body.detail : "";
    return new Problem(response.status, body.title ?? response.statusText, detail, body.errors ?? []);
  } catch {
    return new Problem(response.status, response.statusText, "");
  }
}

export interface Answer<T> {
  body: T;
  /** Feed position from which nothing is missed after this answer. */
  position: number | null;
}

async function call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  const init: RequestInit = { method, headers: { Accept: "application/json", ...headers }, credentials: "same-origin" };
  if (typeof body === "string" || body instanceof Blob) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  if (method !== "GET") init.headers = { "Idempotency-Key": crypto.randomUUID(), ...init.headers };
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new Problem(0, "away", "");
  }
  if (!response.ok) {
    if (response.status === 401 && path !== "/session") onSignedOut();
    throw await problemOf(response);
  }
  const position = response.headers.get("X-Feed-Position");
  const text = await response.text();
  return { body: (text ? JSON.parse(text) : null) as T, position: position === null ? null : Number(position) };
}

const get = async <T>(path: string): Promise<T> => (await call<T>("GET", path)).body;
const post = async <T>(path: string, body: unknown = {}): Promise<T> => (await call<T>("POST", path, body)).body;
const id = encodeURIComponent;
const now = (): string => new Date(serverTime()).toISOString();

function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const pairs = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return pairs.length ? `?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()}` : "";
}

/** Every page of a cursor-paged list. */
async function all<T>(path: string, values: Record<string, string | number | null | undefined> = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Listed<T> = await get<Listed<T>>(path + query({ ...values, cursor }));
    items.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor !== null);
  return items;
}

export const api = {
  session: () => get<Session>("/session"),
  signIn: (username: string, password: string) => post<Session>("/session", { username, password }),
  signOut: () => call<null>("DELETE", "/session"),

  incidents: async (state: "open" | "closed" | "all"): Promise<Answer<Incident[]>> => {
    const first = await call<Listed<Incident>>("GET", `/incidents${query({ state, limit: 200 })}`);
    const items = [...first.body.items];
    let cursor = first.body.next ?? null;
    while (cursor !== null && state === "open") {
      const page: Listed<Incident> = await get<Listed<Incident>>(`/incidents${query({ state, limit: 200, cursor })}`);
      items.push(...page.items);
      cursor = page.next ?? null;
    }
    return { body: items, position: first.position };
  },
  incident: (incident: string) => get<Incident>(`/incidents/${id(incident)}`),
  createIncident: (body: { place: Record<string, unknown>; hazard: string; what: string; caller: string }) =>
    post<Incident>("/incidents", body),
  timeline: async (incident: string) => all<TimelineItem>(`/incidents/${id(incident)}/timeline`),
  proposals: (incident: string) => get<Proposals>(`/incidents/${id(incident)}/proposals`),
  acknowledge: (incident: string) => post<Incident>(`/incidents/${id(incident)}/acknowledge`, { at: now() }),
  dispatch: (incident: string, responder_id: string) =>
    post<Incident>(`/incidents/${id(incident)}/dispatch`, { responder_id, at: now() }),
  note: (incident: string, text: string) => post<Incident>(`/incidents/${id(incident)}/notes`, { text, at: now() }),
  resolve: (incident: string, note: string) => post<Incident>(`/incidents/${id(incident)}/resolve`, note ? { note } : {}),
  verify: (incident: string) => post<Incident>(`/incidents/${id(incident)}/verify`),
  close: (incident: string, outcome: Outcome, cause: string, note: string) =>
    post<Incident>(`/incidents/${id(incident)}/close`, { outcome, ...(cause ? { cause } : {}), ...(note ? { note } : {}) }),
  voidIncident: (incident: string, reason: string) => post<Incident>(`/incidents/${id(incident)}/void`, { reason }),
  reset: (incident: string, alarm_id: string) => post<Incident>(`/incidents/${id(incident)}/reset`, { alarm_id }),

  myTasks: () => call<Listed<Task>>("GET", "/assignments/mine"),
  /** A responder's tap, with its own time and a key that stays the same when it is sent again. */
  tap: (assignment: string, act: string, body: Record<string, unknown>, key: string) =>
    call<Assignment>("POST", `/assignments/${id(assignment)}/${act}`, body, { "Idempotency-Key": key }),

  feedPosition: () => get<{ position: number }>("/feed/position"),
  summary: () => get<Summary>("/summary"),
  telemetry: (device: string, values: { point?: string; from?: string; to?: string; points?: number; exercise?: string | null }) =>
    get<Telemetry>(`/telemetry/${id(device)}${query(values)}`),
  map: () => get<Record<string, GeoJSON.FeatureCollection>>("/map"),

  sites: async (): Promise<Site[]> => {
    const body = await get<Site[] | Listed<Site>>("/sites");
    return Array.isArray(body) ? body : body.items;
  },
  devices: (values: { q?: string; site?: string } = {}) => all<Device>("/devices", values),
  device: (device: string) => get<Device>(`/devices/${id(device)}`),
  createDevice: (body: Record<string, unknown>) => post<{ device: Device; mqtt: Credentials }>("/devices", body),
  changeDevice: async (device: string, body: Record<string, unknown>): Promise<Device> => (await call<Device>("PUT", `/devices/${id(device)}`, body)).body,
  deleteDevice: (device: string) => call<null>("DELETE", `/devices/${id(device)}`),
  importDevices: async (csv: Blob, dryRun: boolean): Promise<ImportResult> =>
    (await call<ImportResult>("POST", `/devices/import${query({ dry_run: dryRun })}`, csv, { "Content-Type": "text/csv" })).body,
  templateUrl: `${BASE}/devices/import/template.csv`,
  found: (state: "new" | "ignored" | "all") => all<Found>("/found-devices", { state, limit: 1000 }),
  ignoreFound: (found: number) => post<Found>(`/found-devices/${found}/ignore`),
  restoreFound: (found: number) => post<Found>(`/found-devices/${found}/restore`),
  sources: () => all<Source>("/sources"),
  profiles: async (): Promise<Profile[]> => {
    const body = await get<Profile[] | Listed<Profile>>("/profiles");
    return Array.isArray(body) ? body : body.items;
  },
  edges: async (): Promise<Edge[]> => {
    const body = await get<Edge[] | Listed<Edge>>("/edges");
    return Array.isArray(body) ? body : body.items;
  },
  rejections: (values: { device?: string; edge?: string } = {}) => get<Listed<Rejection>>(`/rejections${query(values)}`),

  effectiveRules: (device: string) => get<Effective>(`/rulebook/devices/${id(device)}`),
  ruleLayer: (scope: string, place: string) => get<RuleLayer>(`/rulebook/layers/${id(scope)}/${id(place)}`),
  startPreview: (body: Record<string, unknown>) => post<Preview>("/rulebook/preview", body),
  preview: (preview: string) => get<Preview>(`/rulebook/preview/${id(preview)}`),

  scenarios: async (): Promise<Scenario[]> => {
    const body = await get<Scenario[] | Listed<Scenario>>("/drills/scenarios");
    return Array.isArray(body) ? body : body.items;
  },
  drills: () => all<Drill>("/drills"),
  drill: (drill: string) => get<Drill>(`/drills/${id(drill)}`),
  createDrill: (body: { scenario: string; participants: string[]; rate?: number }) => post<Drill>("/drills", body),
  participants: async (): Promise<Person[]> => (await get<Listed<Person>>("/people/participants")).items,
  rateDrill: (drill: string, rate: number) => post<Drill>(`/drills/${id(drill)}/rate`, { rate }),
  injectDone: (drill: string, inject: string) => post<Drill>(`/drills/${id(drill)}/injects/${id(inject)}/done`),
  moveDrill: (drill: string, act: "start" | "pause" | "resume" | "stop") => post<Drill>(`/drills/${id(drill)}/${act}`),
};
