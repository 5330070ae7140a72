/** One line says what and where, from a code and its figures. */
import { numberText, quantityText, unitText } from "../format";
import { hasText, t, tc } from "../i18n";
import type { Incident, Params, Place } from "../types";

/** Rates of water come per minute; in centimetres they read like speech. */
function rateText(params: Params): string | null {
  const rate = params["rate"];
  if (typeof rate !== "number") return null;
  const unit = typeof params["unit"] === "string" ? params["unit"] : "m";
  if (unit === "m") return `${(rate * 100).toFixed(1)} cm`;
  return `${numberText(rate)} ${unitText(unit)}`;
}

export function headlineText(incident: Pick<Incident, "headline" | "hazard">): string {
  const { code, params } = incident.headline;
  if (code === "by_hand") {
    const text = params["text"];
    return typeof text === "string" && text ? text : tc("hazard", incident.hazard);
  }
  const value = quantityText(params["value"], typeof params["unit"] === "string" ? params["unit"] : null);
  const rate = rateText(params);
  if (code === "water_deep" && rate !== null && Number(params["rate"]) > 0) return t("headline.water_deep_rising", { value, rate });
  if (code === "water_rising") {
    return t(params["value"] === undefined || params["value"] === null ? "headline.water_rising" : "headline.water_rising_at", { value, rate: rate ?? "" });
  }
  if (!hasText("headline", code)) return tc("hazard", incident.hazard) || code;
  return tc("headline", code, { ...params, value, rate: rate ?? "" });
}

/** The place, coarse to fine, without saying anything twice. */
export function placeText(place: Place): string {
  const parts: string[] = [];
  for (const part of [place.site, place.building, place.zone]) {
    if (!part) continue;
    const last = parts.at(-1);
    if (last !== undefined && part.startsWith(last)) parts.pop();
    if (!parts.some((known) => known.includes(part))) parts.push(part);
  }
  if (!parts.length) return place.text ?? "";
  return parts.join(" ");
}
