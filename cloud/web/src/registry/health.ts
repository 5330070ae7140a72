/** What stands beside a device: silent, low battery, badly heard, not yet heard of. Colourless: health is never a hazard level. Pure. */
import type { Device, Link } from "../types";

export type Ail = "never" | "offline" | "low_battery" | "weak_signal" | "disabled";

export const LOW_BATTERY = 20;
/** Wi-Fi is lost at a strength at which LoRa still has a long way to go. */
const WIFI = ["shelly", "tasmota", "esphome"];
const BARS = { wifi: [-88, -80, -70, -60], radio: [-122, -115, -105, -90], lqi: [20, 50, 100, 150], snr: [-17, -12.5, -7.5] };

function statusText(device: Device): string {
  const status = device.status;
  if (typeof status === "string") return status;
  const state = status?.["state"] ?? status?.["status"];
  return typeof state === "string" ? state : "";
}

/** Percent, or null where nothing is known. */
export function battery(device: Device): number | null {
  return typeof device.battery_percent === "number" ? device.battery_percent : null;
}

const reached = (value: number, limits: number[]): number => limits.filter((limit) => value >= limit).length;

/** Bars of five (0 … 4) that a link deserves, the worst of what is known of it; null where nothing is. */
export function bars(device: Device): number | null {
  const link: Partial<Link> = device.link ?? {};
  const found: number[] = [];
  if (typeof link.lqi === "number") found.push(reached(link.lqi, BARS.lqi));
  if (typeof link.rssi_dbm === "number") found.push(reached(link.rssi_dbm, WIFI.includes((device.address ?? "").split(":")[0]!) ? BARS.wifi : BARS.radio));
  if (typeof link.snr_db === "number") found.push(1 + reached(link.snr_db, BARS.snr));
  return found.length ? Math.min(...found) : null;
}

/** The number beside the bars. */
export function signalText(device: Device): string {
  const link: Partial<Link> = device.link ?? {};
  if (typeof link.rssi_dbm === "number") return `${Math.round(link.rssi_dbm).toString().replace("-", "−")} dBm`;
  if (typeof link.lqi === "number") return `LQI ${Math.round(link.lqi)}`;
  return typeof link.snr_db === "number" ? `${link.snr_db.toFixed(1).replace("-", "−")} dB` : "";
}

/** What is wrong with a device, worst first; nothing when it is fine. */
export function ails(device: Device): Ail[] {
  const found: Ail[] = [];
  if (device.enabled === false) found.push("disabled");
  if (!device.last_seen) found.push("never");
  else if (["silent", "offline", "lost"].includes(statusText(device))) found.push("offline");
  const charge = battery(device);
  if (charge !== null && charge < LOW_BATTERY) found.push("low_battery");
  const heard = bars(device);
  if (heard !== null && heard < 2) found.push("weak_signal");
  return found;
}

/** Seconds since a device was last heard. */
export function silentS(device: Device, nowMs: number): number | null {
  return device.last_seen ? Math.max(0, (nowMs - Date.parse(device.last_seen)) / 1000) : null;
}

export type SortKey = "care" | "id" | "ago" | "battery" | "signal";

const WEIGHT: Record<Ail, number> = { disabled: 2, offline: 4, never: 3, low_battery: 1, weak_signal: 1 };
const care = (device: Device): number => ails(device).reduce((sum, ail) => sum + WEIGHT[ail], 0);

/** Devices in order, the ones that need a person first; where nothing is known comes last. */
export function sorted(devices: Device[], by: SortKey): Device[] {
  const value = (device: Device): number => {
    switch (by) {
      case "care": return -care(device);
      case "ago": return device.last_seen ? Date.parse(device.last_seen) : Infinity;
      case "battery": return battery(device) ?? Infinity;
      case "signal": return bars(device) ?? Infinity;
      default: return 0;
    }
  };
  const known = new Map(devices.map((device) => [device.id, value(device)]));
  return [...devices].sort((a, b) => {
    const [one, other] = [known.get(a.id)!, known.get(b.id)!];
    return one === other ? a.id.localeCompare(b.id) : one < other ? -1 : 1;
  });
}
