/** A line of the process, from its kind and parameters. */
import { numberText, quantityText, unitText } from "../format";
import { fill, hasText, tc } from "../i18n";
import type { TimelineItem } from "../types";

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** What rules judge in, where the evidence names only the point. */
const UNITS: Record<string, string> = { obscuration: "dB/m", temperature: "Cel", co: "[ppm]", level: "m", frequency: "Hz", tilt: "deg", gap: "mm", battery: "%" };

function nameOf(value: unknown): string {
  if (typeof value === "object" && value !== null && "name" in value) return text((value as { name: unknown }).name);
  return text(value);
}

function rateText(rate: number, unit: string): string {
  return unit === "m" ? `${numberText(rate * 100, "%")} cm/min` : `${numberText(rate)} ${unitText(unit)}/min`;
}

/** The bold part. */
export function processHead(item: TimelineItem): string {
  const params = item.params;
  const level = params["level"] ?? params["highest_level"] ?? (item.kind === "level_raised" ? params["to"] : undefined);
  const escalated = params["to"] ?? params["escalates_to"] ?? params["person"] ?? params["area"];
  const words = {
    level: typeof level === "string" && hasText("level", level) ? tc("level", level) : text(level),
    responder: nameOf(params["responder"] ?? params["responder_name"] ?? params["name"]) || (item.actor?.name ?? ""),
    outcome: typeof params["outcome"] === "string" ? tc("outcome", params["outcome"]) : "",
    to: nameOf(escalated),
  };
  return fill(tc("event", item.kind, words), { level: "", responder: "", outcome: "", to: "" }).replace(/\s+/g, " ").trim();
}

/** The rest: figures, words, who. */
export function processTail(item: TimelineItem): string {
  const params = item.params;
  const parts: string[] = [];
  const device = text(params["device_name"] ?? params["device"]);
  if (device) parts.push(device);
  if (typeof params["rule"] === "string") parts.push(hasText("rule", params["rule"]) ? tc("rule", params["rule"]) : params["rule"]);
  const evidence = (typeof params["evidence"] === "object" && params["evidence"] !== null ? params["evidence"] : params) as Record<string, unknown>;
  const unit = text(evidence["unit"]) || (UNITS[text(evidence["point"])] ?? "");
  if (typeof evidence["value"] === "number") parts.push(quantityText(evidence["value"], unit));
  if (typeof evidence["rate"] === "number") parts.push(rateText(evidence["rate"], unit));
  for (const key of ["text", "note", "cause", "caller", "what"]) {
    const value = text(params[key]);
    if (value) parts.push(key === "cause" ? tc("cause", value) : value);
  }
  const reason = item.kind === "level_raised" ? "" : text(params["reason"]); // there it is a word of the system
  if (reason) parts.push(hasText("phone", `cannot_${reason}`) ? tc("phone", `cannot_${reason}`) : tc("reason", reason));
  const actor = item.actor;
  const named = item.kind === "acknowledged" || !["accepted", "declined", "en_route", "on_scene", "cleared", "expired"].includes(item.kind);
  if (actor?.kind === "person" && actor.name && named) parts.push(actor.name);
  return parts.join(" · ");
}
