import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Hub, KEPT, type FromHub } from "../src/live/hub";
import { SILENT_MS, Stream, type Hearer, type RawEvent } from "../src/live/stream";

class Source {
  static all: Source[] = [];
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  private readonly heard = new Map<string, (message: { data: string; lastEventId: string }) => void>();
  constructor(readonly url: string) {
    Source.all.push(this);
  }
  addEventListener(kind: string, listener: never): void {
    this.heard.set(kind, listener);
  }
  close(): void {
    this.closed = true;
  }
  say(kind: string, position: number, value: unknown = {}): void {
    this.heard.get(kind)?.({ data: JSON.stringify({ kind, key: "k", value }), lastEventId: String(position) });
  }
}

const opened = (url: string): EventSource => new Source(url) as unknown as EventSource;
const last = (): Source => Source.all.at(-1)!;

beforeEach(() => {
  Source.all = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

function heard(): { hearer: Hearer; events: number[]; states: string[]; refused: () => number } {
  const events: number[] = [];
  const states: string[] = [];
  let refused = 0;
  return {
    events, states, refused: () => refused,
    hearer: {
      event: (event: RawEvent) => void events.push(event.position), state: (state) => void states.push(state), clock: () => undefined, reset: () => undefined,
      refused: () => void (refused += 1),
    },
  };
}

describe("one stream", () => {
  it("resumes after the last event seen and takes none twice", () => {
    const { hearer, events, states } = heard();
    const stream = new Stream(hearer, 7, opened);
    expect(last().url).toBe("/api/v1/feed?after=7");
    last().onopen?.();
    last().say("incident", 8);
    last().say("timeline", 9);
    last().onerror?.();
    expect(states).toEqual(["live", "lost"]);
    vi.advanceTimersByTime(600);
    expect(last().url).toBe("/api/v1/feed?after=9");
    last().say("timeline", 9);
    last().say("incident", 10);
    expect(events).toEqual([8, 9, 10]);
    expect(states).toEqual(["live", "lost", "live"]);
    stream.end();
    expect(last().closed).toBe(true);
  });
  it("is lost when three beats are missed, and waits longer each time", () => {
    const { hearer, states, refused } = heard();
    new Stream(hearer, 0, opened);
    last().onopen?.();
    vi.advanceTimersByTime(SILENT_MS + 1);
    expect(states).toEqual(["live", "lost"]);
    for (let attempt = 0; attempt < 8; attempt += 1) {
      vi.advanceTimersByTime(15_000);
      last().onerror?.();
    }
    const many = Source.all.length;
    vi.advanceTimersByTime(7000); // never less than half of fifteen seconds by now
    expect(Source.all.length).toBe(many);
    expect(refused()).toBeGreaterThan(0);
  });
});

describe("the stream that tabs share", () => {
  const tab = (): { said: FromHub[]; postMessage(message: FromHub): void; positions(): number[] } => {
    const said: FromHub[] = [];
    return { said, postMessage: (message) => void said.push(message), positions: () => said.flatMap((one) => (one.say === "event" ? [one.event.position] : [])) };
  };
  it("is one however many tabs there are, and gives a late tab what came since its list", () => {
    const hub = new Hub(opened);
    const [first, second] = [tab(), tab()];
    hub.hear(first, { do: "follow", after: 10, who: "p" });
    last().onopen?.();
    for (const position of [11, 12, 13]) last().say("incident", position);
    hub.hear(second, { do: "follow", after: 12, who: "p" });
    last().say("incident", 14);
    expect(Source.all.length).toBe(1);
    expect([first.positions(), second.positions()]).toEqual([[11, 12, 13, 14], [13, 14]]);
    expect(second.said[0]).toEqual({ say: "state", state: "live", since: null });
  });
  it("tells a tab to list again when memory does not reach back to its list", () => {
    const hub = new Hub(opened);
    hub.hear(tab(), { do: "follow", after: 100, who: "p" });
    const old = tab();
    hub.hear(old, { do: "follow", after: 90, who: "p" });
    expect(old.said.some((one) => one.say === "reset")).toBe(true);
    for (let position = 101; position < 101 + KEPT * 2; position += 1) last().say("incident", position);
    const late = tab();
    hub.hear(late, { do: "follow", after: 101, who: "p" });
    expect(late.said.some((one) => one.say === "reset")).toBe(true);
  });
  it("ends with its last tab, and gives nothing of one person to another", () => {
    const hub = new Hub(opened);
    const [first, second] = [tab(), tab()];
    hub.hear(first, { do: "follow", after: 1, who: "p" });
    last().say("incident", 2);
    hub.hear(second, { do: "follow", after: 1, who: "q" });
    expect(Source.all.map((one) => one.closed)).toEqual([true, false]);
    expect(second.positions()).toEqual([]);
    hub.hear(first, { do: "leave" });
    hub.hear(second, { do: "leave" });
    expect(last().closed).toBe(true);
  });
});
