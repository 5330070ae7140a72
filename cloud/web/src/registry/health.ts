/** What stands beside a device: silent, low battery, not yet heard of. Colourless: health is never a hazard level. Pure. */
import type { Device } from "../types";

export type Ail = "never" | "offline" | "low_battery" | "disabled";

export const LOW_BATTERY = 20;

function statusText(device: Device): string {
  const status = device.status;
  if (typeof status === "string") return status;
  const state = status?.["state"] ?? status?.["status"];
  return typeof state === "string" ? state : "";
}

export function battery(device: Device): number | null {
  const values = (device["values"] ?? device.newest) as Record<string, unknown> | null | undefined;
  const value = values?.["battery"];
  return typeof value === "number" ? value : null;
}

/** What is wrong with a device, worst first; nothing when it is fine. */
export function ails(device: Device): Ail[] {
  const found: Ail[] = [];
  if (device.enabled === false) found.push("disabled");
  if (!device.last_seen) found.push("never");
  else if (["silent", "offline", "lost"].includes(statusText(device))) found.push("offline");
  const charge = battery(device);
  if (charge !== null && charge < LOW_BATTERY) found.push("low_battery");
  return found;
}

/** Seconds since a device was last heard. */
export function silentS(device: Device, nowMs: number): number | null {
  return device.last_seen ? Math.max(0, (nowMs - Date.parse(device.last_seen)) / 1000) : null;
}
