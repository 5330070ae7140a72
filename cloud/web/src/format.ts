/** Times, spans, numbers and units as the screens write them. */
import { isChinese, language, t } from "./i18n";

const two = (value: number): string => String(value).padStart(2, "0");

export function clockText(ms: number | string | null | undefined): string {
  if (ms === null || ms === undefined) return "—";
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "—" : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function minuteText(ms: number | string | null | undefined): string {
  return clockText(ms).slice(0, 5);
}

export function dayText(ms: number): string {
  return new Intl.DateTimeFormat(language.value, { month: isChinese.value ? "long" : "short", day: "numeric", weekday: "short" }).format(ms);
}

export function stampText(ms: string | number | null | undefined): string {
  if (ms === null || ms === undefined) return "—";
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "—" : `${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockText(ms)}`;
}

/** 47 → "0:47", 3725 → "1:02:05"; days beyond. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole >= 172_800) return t("time.days", { n: Math.floor(whole / 86_400) });
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** How long ago, short: 9 s, 31 min, 26 h, 3 d. */
export function agoText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min`;
  if (whole < 172_800) return `${Math.floor(whole / 3600)} h`;
  return t("time.days", { n: Math.floor(whole / 86_400) });
}

const UNITS: Record<string, string> = {
  Cel: "°C", "[ppm]": "ppm", deg: "°", "1": "", "m/s2": "m/s²", "m.s-2": "m/s²", "[degF]": "°F", "cm/min": "cm/min", "dB/m": "dB/m",
};

export function unitText(unit: string | null | undefined): string {
  if (!unit) return "";
  return UNITS[unit] ?? unit;
}

export function numberText(value: number, unit?: string | null): string {
  const size = Math.abs(value);
  let digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.095 || size === 0 ? 2 : 3;
  if (unit === "%" || unit === "[ppm]" || unit === "ppm") digits = size >= 10 ? 0 : 1;
  const text = value.toFixed(digits).replace(/^-/, "−");
  return digits === 3 ? text.replace(/0$/, "") : text;
}

/** A number with its unit, a space between: 0.27 m. */
export function quantityText(value: unknown, unit?: string | null): string {
  if (value === null || value === undefined) return "—";
  const text = typeof value === "number" ? numberText(value, unit) : String(value);
  const mark = unitText(unit);
  if (!mark) return text;
  return mark === "°" ? `${text}°` : `${text} ${mark}`;
}

export function distanceText(metres: number | null): string {
  if (metres === null) return "";
  return metres < 995 ? `${Math.round(metres / 10) * 10} m` : `${(metres / 1000).toFixed(1)} km`;
}
