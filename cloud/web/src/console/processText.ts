/** A line of the process, from its kind and parameters. */
import { numberText, quantityText, spanText, stampText, unitText } from "../format";
import { fill, hasText, label, tc } from "../i18n";
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

/** What a note of the system says, by its code; null for a person's own words. */
function said(item: TimelineItem): string | null {
  const code = text(item.params["code"]);
  if (item.kind !== "note" || !code || !hasText("said", code)) return null;
  const params = item.params;
  const move = `${text(params["kind"])}_${text(params["move"])}`;
  const task = typeof params["step"] === "string" ? tc("limit_over", params["step"]) : "";
  return fill(tc("said", code), {
    ...params, responder: nameOf(params["responder"]), until: typeof params["until"] === "string" ? stampText(params["until"]) : "", step: task,
    move: hasText("move", move) ? tc("move", move) : text(params["move"]), what: text(params["name"]) || (hasText("actuator", text(params["kind"])) ? tc("actuator", text(params["kind"])) : text(params["action"])),
    from: text(params["from"]) || "—", to: nameOf(params["to"]), after: spanText(Number(params["after_s"] ?? 0)), name: text(params["device_name"]),
  });
}

/** The bold part. */
export function processHead(item: TimelineItem): string {
  const note = said(item);
  if (note !== null) return note;
  const params = item.params;
  const level = params["level"] ?? params["highest_level"] ?? (item.kind === "level_raised" ? params["to"] : undefined);
  const escalated = params["to"] ?? params["escalates_to"] ?? params["person"] ?? params["area"];
  const words = {
    level: typeof level === "string" && hasText("level", level) ? tc("level", level) : text(level),
    responder: nameOf(params["responder"] ?? params["responder_name"] ?? params["name"]) || (item.actor?.name ?? ""),
    outcome: typeof params["outcome"] === "string" ? tc("outcome", params["outcome"]) : "",
    to: nameOf(escalated),
    number: text(params["number"]),
    place: text(params["place"]),
  };
  const ticked = item.kind === "card_ticked" ? label(params, "text") : "";
  const measure = item.kind === "measure_put" || item.kind === "measure_ended" ? label(params, "text") || (hasText("measure_kind", text(params["kind"])) ? tc("measure_kind", text(params["kind"])) : "") : "";
  return [fill(tc("event", item.kind, words), { level: "", responder: "", outcome: "", to: "", number: "", place: "" }), ticked, measure].filter(Boolean).join(" ").replace(/\s+/g, " ").trim();
}

/** The rest: figures, words, who. */
export function processTail(item: TimelineItem): string {
  const params = item.params;
  const parts: string[] = [];
  const device = text(params["device_name"] ?? params["device"]);
  if (device && !(said(item) ?? "").includes(device)) parts.push(device);
  if (typeof params["rule"] === "string" && item.kind !== "knock") parts.push(hasText("rule", params["rule"]) ? tc("rule", params["rule"]) : params["rule"]);
  const evidence = (typeof params["evidence"] === "object" && params["evidence"] !== null ? params["evidence"] : params) as Record<string, unknown>;
  const unit = text(evidence["unit"]) || (UNITS[text(evidence["point"])] ?? "");
  if (typeof evidence["value"] === "number") parts.push(quantityText(evidence["value"], unit));
  if (typeof evidence["rate"] === "number") parts.push(rateText(evidence["rate"], unit));
  const own = said(item) === null ? ["text", "note", "cause", "caller", "what"] : ["note", "why", "detail", ...(params["code"] === "take_over_reason" ? ["text"] : [])];
  for (const key of item.kind === "card_ticked" ? [] : own) {
    const value = text(params[key]);
    if (value) parts.push(key === "cause" ? tc("cause", value) : value);
  }
  const reason = item.kind === "level_raised" ? "" : text(params["reason"]); // there it is a word of the system
  if (reason && said(item) === null) parts.push(hasText("phone", `cannot_${reason}`) ? tc("phone", `cannot_${reason}`) : tc("reason", reason));
  const actor = item.actor;
  const named = item.kind === "acknowledged" || !["accepted", "declined", "en_route", "on_scene", "cleared", "expired"].includes(item.kind);
  if (actor?.kind === "person" && actor.name && named) parts.push(actor.name);
  return parts.join(" · ");
}
