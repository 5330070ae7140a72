/**
 * How a rising level may go on: the model that the rule `forecast` states (rules/kinds/forecast.py), drawn. A rise goes
 * on for T = 15 minutes as it was, then eases; how far it goes is uncertain by a factor exp(1.2 s), so 10 % and 90 % lie
 * at exp(∓1.2816 · 1.2). Nothing is invented here: the rate is the one that the edge sent with its alert. Pure.
 */
import type { TimelineItem } from "../types";

export const LASTS_MIN = 15;
const SPREAD = Math.exp(1.2816 * 1.2);
/** Minutes drawn, and minutes after which a rate is too old to draw from. */
export const AHEAD_MIN = 20;
const FRESH_MS = 10 * 60_000;

export interface Outlook {
  t: number[];
  low: number[];
  middle: number[];
  high: number[];
}

/** The newest rate (unit a minute) that came with an alert of a device, and when; null when there is none, or it fell. */
export function rateOf(items: readonly TimelineItem[], device: string, point: string | null = null): { rate: number; atMs: number } | null {
  for (const item of [...items].sort((a, b) => b.seq - a.seq)) {
    if (!item.kind.startsWith("alert_") || item.params["device"] !== device) continue;
    if (item.kind === "alert_cleared") return null;
    const evidence = (typeof item.params["evidence"] === "object" && item.params["evidence"] !== null ? item.params["evidence"] : item.params) as Record<string, unknown>;
    if (point !== null && typeof evidence["point"] === "string" && evidence["point"] !== point) continue;
    const rate = evidence["rate_per_min"] ?? evidence["rate"];
    if (typeof rate === "number") return rate > 0 ? { rate, atMs: Date.parse(item.occurred_at ?? item.at) } : null;
  }
  return null;
}

/** From the newest reading on; null when the rate is older than ten minutes of that reading. */
export function outlook(lastMs: number, lastValue: number, rate: { rate: number; atMs: number } | null): Outlook | null {
  if (!rate || Math.abs(lastMs - rate.atMs) > FRESH_MS) return null;
  const found: Outlook = { t: [], low: [], middle: [], high: [] };
  for (let minute = 0; minute <= AHEAD_MIN; minute += 1) {
    const rise = rate.rate * LASTS_MIN * (1 - Math.exp(-minute / LASTS_MIN));
    found.t.push(lastMs + minute * 60_000);
    found.low.push(lastValue + rise / SPREAD);
    found.middle.push(lastValue + rise);
    found.high.push(lastValue + rise * SPREAD);
  }
  return found;
}

/** Minutes until the middle line reaches a value; null when it does not within what is drawn. */
export function minutesTo(found: Outlook, value: number): number | null {
  const at = found.middle.findIndex((one) => one >= value);
  return at <= 0 ? null : at;
}
