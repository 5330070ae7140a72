/**
 * One stream for all tabs of a browser. A tab that joins later says after which position it listed; what came since is
 * given to it from memory, or it is told to list again when that memory does not reach back so far.
 */
import { Stream, type Hearer, type RawEvent, type StreamState } from "./stream";

/** What a tab says. */
export type ToHub = { do: "follow"; after: number | null; who: string } | { do: "retry" } | { do: "leave" };
/** What a tab hears. */
export type FromHub =
  | { say: "event"; event: RawEvent }
  | { say: "state"; state: StreamState; since: number | null }
  | { say: "clock"; stamp: string }
  | { say: "reset"; position: number | null }
  | { say: "refused" };

export interface Port {
  postMessage(message: FromHub): void;
}

/** Events kept for tabs that join late: a storm fills this in half a minute, a tab opens in seconds. */
export const KEPT = 2000;

export class Hub {
  private readonly ports = new Set<Port>();
  private stream: Stream | null = null;
  private who = "";
  private kept: RawEvent[] = [];
  /** Every event after this position is in `kept`; null: unknown, nothing can be promised. */
  private base: number | null = null;

  constructor(private readonly opened?: (url: string) => EventSource) {}

  hear(port: Port, message: ToHub): void {
    if (message.do === "follow") this.follow(port, message.after, message.who);
    else if (message.do === "retry") this.stream?.retryNow();
    else this.leave(port);
  }

  private follow(port: Port, after: number | null, who: string): void {
    if (who !== this.who) this.stop(); // somebody else signed in: what was heard before is not theirs
    this.who = who;
    this.ports.add(port);
    if (this.stream === null) {
      this.base = after;
      this.kept = [];
      this.stream = new Stream(this.hearer(), after, this.opened);
      return;
    }
    port.postMessage({ say: "state", state: this.stream.state, since: this.stream.since });
    if (after === null) return;
    if (this.base === null || after < this.base) port.postMessage({ say: "reset", position: this.stream.position });
    else for (const event of this.kept) if (event.position > after) port.postMessage({ say: "event", event });
  }

  private leave(port: Port): void {
    this.ports.delete(port);
    if (this.ports.size === 0) this.stop();
  }

  private stop(): void {
    this.stream?.end();
    this.stream = null;
    this.kept = [];
    this.base = null;
    if (this.ports.size) for (const port of this.ports) port.postMessage({ say: "refused" });
  }

  private tell(message: FromHub): void {
    for (const port of this.ports) port.postMessage(message);
  }

  private hearer(): Hearer {
    return {
      event: (event) => {
        this.kept.push(event);
        if (this.kept.length > KEPT * 1.25) {
          const gone = this.kept.splice(0, this.kept.length - KEPT);
          this.base = gone.at(-1)?.position ?? this.base;
        }
        this.tell({ say: "event", event });
      },
      state: (state, since) => this.tell({ say: "state", state, since }),
      clock: (stamp) => this.tell({ say: "clock", stamp }),
      reset: (position) => {
        this.kept = [];
        this.base = position;
        this.tell({ say: "reset", position });
      },
      refused: () => this.tell({ say: "refused" }),
    };
  }
}
