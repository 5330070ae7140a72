/** The one door to the cloud: every request is a path, a method and a body of the generated OpenAPI types (schema.d.ts). */
import type { Answers } from "./answers";
import type { paths } from "./schema";
import type { Fault } from "./types";

export type Method = "get" | "post" | "put" | "delete";
type Full<P extends string> = `/api/v1${P}` & keyof paths;
type Short<P> = P extends `/api/v1${infer Rest}` ? Rest : never;
/** Paths that answer to a method. */
export type Path<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? Short<P> : never;
}[keyof paths];
type Act<M extends Method, P extends string> = paths[Full<P>][M];
type Json<C> = C extends { content: { "application/json": infer B } } ? B : C extends { content: infer T } ? (keyof T extends never ? never : string | Blob) : never;
export type BodyOf<M extends Method, P extends string> = Act<M, P> extends { requestBody?: infer R } ? Json<NonNullable<R>> : never;
export type QueryOf<M extends Method, P extends string> = Act<M, P> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
type Good<R> = R extends { 200: infer A } ? A : R extends { 201: infer A } ? A : R extends { 202: infer A } ? A : never;
type Documented<M extends Method, P extends string> = Act<M, P> extends { responses: infer R } ? (Good<R> extends never ? null : Json<Good<R>>) : never;
/** What comes back: as documented; where the cloud documents an open object, as `answers.ts` writes it down. */
export type AnswerOf<M extends Method, P extends string> = `${M} ${P}` extends keyof Answers ? Answers[`${M} ${P}`] : Documented<M, P>;
type Names<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Named<P extends string> = { [K in Names<P>]: string | number };

export interface Given<M extends Method, P extends string> {
  path?: Named<P>;
  query?: QueryOf<M, P>;
  body?: BodyOf<M, P>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface Answer<T> {
  body: T;
  /** Feed position from which nothing is missed after this answer. */
  position: number | null;
}

/** RFC 9457 problem details, or the absence of an answer (status 0). */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly errors: Fault[];
  /** Stable name of this kind of refusal: the last word of the problem's `type`. */
  readonly code: string;

  constructor(status: number, title: string, detail: string, errors: Fault[] = [], code = "") {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.errors = errors;
    this.code = code;
  }

  /** Nobody answered: the network is away, not the request wrong. */
  get away(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

export const BASE = "/api/v1";
let onSignedOut: () => void = () => undefined;

/** Called once when the cloud no longer knows this session. */
export function whenSignedOut(then: () => void): void {
  onSignedOut = then;
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as { type?: string; title?: string; detail?: unknown; errors?: Fault[] };
    const detail = typeof body.detail === "string" ? body.detail : "";
    return new Problem(response.status, body.title ?? response.statusText, detail, body.errors ?? [], (body.type ?? "").split(":").at(-1) ?? "");
  } catch {
    return new Problem(response.status, response.statusText, "");
  }
}

/** The address of a path, its parameters and its query; nothing in a name can leave its place in the path. */
export function addressOf(path: string, named: Record<string, string | number> = {}, query: object = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(String(named[name])));
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return BASE + filled + (pairs.length ? `?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()}` : "");
}

interface Request {
  path?: Record<string, string | number>;
  query?: object;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

async function request(method: Method, path: string, given: Request): Promise<Answer<unknown>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const init: RequestInit = { method: method.toUpperCase(), credentials: "same-origin" };
  const body = given.body;
  if (typeof body === "string" || body instanceof Blob) init.body = body;
  else if (body !== undefined) {
    init.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  if (method !== "get") headers["Idempotency-Key"] = crypto.randomUUID?.() ?? key();
  init.headers = { ...headers, ...given.headers };
  if (given.signal) init.signal = given.signal;
  let response: Response;
  try {
    response = await fetch(addressOf(path, given.path, given.query), init);
  } catch {
    throw new Problem(0, "away", "");
  }
  if (!response.ok) {
    if (response.status === 401 && path !== "/session") onSignedOut();
    throw await problemOf(response);
  }
  const position = response.headers.get("X-Feed-Position");
  const text = await response.text();
  return { body: text ? (JSON.parse(text) as unknown) : null, position: position === null ? null : Number(position) };
}

/** A page served without TLS on the local network has no `randomUUID`. */
function key(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function send<M extends Method, P extends Path<M> & string>(method: M, path: P, given: Given<M, P> = {}): Promise<Answer<AnswerOf<M, P>>> {
  return (await request(method, path, given as Request)) as Answer<AnswerOf<M, P>>;
}

export async function get<P extends Path<"get"> & string>(path: P, given: Given<"get", P> = {}): Promise<AnswerOf<"get", P>> {
  return (await request("get", path, given as Request)).body as AnswerOf<"get", P>;
}

export async function post<P extends Path<"post"> & string>(path: P, given: Given<"post", P> = {}): Promise<AnswerOf<"post", P>> {
  return (await request("post", path, given as Request)).body as AnswerOf<"post", P>;
}
