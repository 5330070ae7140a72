/**
 * One server-sent event stream: starts after a position, resumes at the last event seen, waits longer after each failure
 * (with jitter, so that a hundred consoles do not come back in one second), and notices when nothing comes any more.
 * Runs in a page or in a shared worker: no Vue, no window.
 */

export interface RawEvent {
  kind: string;
  key: string;
  at: string | null;
  value: unknown;
  position: number;
}

export type StreamState = "connecting" | "live" | "lost";

export interface Hearer {
  event(event: RawEvent): void;
  /** `since`: local epoch ms of the last sign of life, when it is lost. */
  state(state: StreamState, since: number | null): void;
  clock(stamp: string): void;
  /** The position is too old for the log: list again. */
  reset(position: number | null): void;
  /** Refused several times running: perhaps nobody is signed in any more. */
  refused(): void;
}

/** Kinds of events, as the cloud names them. A kind that is not here is not heard. */
export const KINDS = [
  "incident", "timeline", "assignment", "device", "drill", "edge", "registry", "summary", "found", "measure", "hand_off", "handoff", "whistle", "household", "knock",
  "mode", "plan", "notification", "notify_fault", "call", "rota", "cover", "duty_log", "desk_note", "handover", "reservation",
] as const;
/** The server beats every 5 s; three beats missed and the picture may be old. */
export const SILENT_MS = 16_000;

/** Milliseconds to wait before attempt n: doubling to 15 s, each spread over half to full. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}

export class Stream {
  position: number | null;
  state: StreamState = "connecting";
  since: number | null = null;
  private source: EventSource | null = null;
  private attempts = 0;
  private lastHeard: number | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setTimeout> | undefined;
  private ended = false;

  constructor(private readonly hearer: Hearer, after: number | null, private readonly opened: (url: string) => EventSource = (url) => new EventSource(url)) {
    this.position = after;
    this.open();
  }

  end(): void {
    this.ended = true;
    this.source?.close();
    this.source = null;
    clearTimeout(this.retry);
    clearTimeout(this.watch);
  }

  /** Try now, for a person who cannot wait for the back-off. */
  retryNow(): void {
    if (this.state !== "lost" || this.ended) return;
    clearTimeout(this.retry);
    this.open();
  }

  private open(): void {
    if (this.ended) return;
    this.source?.close();
    const stream = this.opened(`/api/v1/feed${this.position === null ? "" : `?after=${this.position}`}`);
    this.source = stream;
    stream.onopen = () => this.alive();
    stream.onerror = () => {
      if (this.source === stream) this.lost();
    };
    for (const kind of KINDS) stream.addEventListener(kind, (message) => this.receive(kind, message as MessageEvent<string>));
    stream.addEventListener("clock", (message) => {
      this.alive();
      const data = JSON.parse((message as MessageEvent<string>).data) as { server_time?: string };
      if (data.server_time) this.hearer.clock(data.server_time);
    });
    stream.addEventListener("reset", (message) => {
      this.alive();
      const position = Number((message as MessageEvent<string>).lastEventId);
      this.position = Number.isFinite(position) ? position : null;
      this.hearer.reset(this.position);
    });
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.lost(), SILENT_MS);
  }

  private receive(kind: string, message: MessageEvent<string>): void {
    const position = Number(message.lastEventId);
    if (message.lastEventId !== "" && Number.isFinite(position)) {
      if (this.position !== null && position <= this.position) return; // seen before the connection broke
      this.position = position;
    }
    const data = JSON.parse(message.data) as Partial<RawEvent>;
    this.hearer.event({ kind: data.kind ?? kind, key: data.key ?? "", at: data.at ?? null, value: data.value, position }); // before `alive`: it was missed
    this.alive();
  }

  private alive(): void {
    this.lastHeard = Date.now();
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.lost(), SILENT_MS);
    if (this.state === "live") return;
    this.attempts = 0;
    this.since = null;
    this.state = "live";
    this.hearer.state("live", null);
  }

  private lost(): void {
    this.source?.close();
    this.source = null;
    clearTimeout(this.watch);
    clearTimeout(this.retry);
    if (this.ended) return;
    if (this.state !== "lost") {
      this.since = this.lastHeard ?? Date.now();
      this.state = "lost";
      this.hearer.state("lost", this.since);
    }
    this.retry = setTimeout(() => this.open(), backoffMs(this.attempts));
    this.attempts += 1;
    if (this.attempts % 4 === 2) this.hearer.refused();
  }
}
