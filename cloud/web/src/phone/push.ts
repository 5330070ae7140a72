/** Whether this phone is woken by messages, and how it comes to be: subscribe, tell the cloud, test by its own receipt. */
import { computed, ref } from "vue";
import { get, post, Problem } from "../http";
import { kept, keep } from "../preferences";
import { onReceipt } from "./door";

export interface Way {
  id: string;
  kind: string;
  label: string;
  tested_at: string | null;
  failed_at: string | null;
  failure: string | null;
}

/** Why messages cannot wake this phone, or that they could (`off`) or do (`on`). */
export type PushState = "insecure" | "unsupported" | "install_first" | "denied" | "off" | "on";
export const TEST_S = 30;

/** Browsers offer the installation by an event of their own (not Safari). */
interface InstallOffer extends Event {
  prompt(): Promise<void>;
  userChoice: Promise<{ outcome: "accepted" | "dismissed" }>;
}

export const ways = ref<Way[]>([]);
export const subscribed = ref(false);
const permission = ref<NotificationPermission>(typeof Notification === "undefined" ? "default" : Notification.permission);
const offer = ref<InstallOffer | null>(null);
export const installable = computed(() => offer.value !== null);
export const installed = ref(typeof window !== "undefined" && (window.matchMedia("(display-mode: standalone)").matches || (navigator as { standalone?: boolean }).standalone === true));

if (typeof window !== "undefined") {
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer.value = event as InstallOffer;
  });
  window.addEventListener("appinstalled", () => {
    offer.value = null;
    installed.value = true;
  });
}

export type System = "ios" | "harmony" | "android" | "desk";

/** Which guide fits. Pure. */
export function systemOf(agent: string, touchPoints: number): System {
  if (/iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)) return "ios";
  if (/HarmonyOS|OpenHarmony/.test(agent)) return "harmony";
  return /Android/.test(agent) ? "android" : "desk";
}

export const system = typeof navigator === "undefined" ? "desk" : systemOf(navigator.userAgent, navigator.maxTouchPoints);

export const pushState = computed<PushState>(() => {
  if (!window.isSecureContext) return "insecure";
  const able = "serviceWorker" in navigator && "PushManager" in window && typeof Notification !== "undefined";
  if (!able) return system === "ios" && !installed.value ? "install_first" : "unsupported";
  if (permission.value === "denied") return "denied";
  return subscribed.value && permission.value === "granted" ? "on" : "off";
});

/** The way of this very browser, as the cloud keeps it. */
export const myWay = computed(() => ways.value.find((one) => one.id === wayId.value) ?? null);
const wayId = ref(kept("push.way") ?? "");

export async function install(): Promise<void> {
  const now = offer.value;
  if (!now) return;
  await now.prompt();
  if ((await now.userChoice).outcome === "accepted") offer.value = null;
}

export async function look(): Promise<void> {
  if (typeof Notification !== "undefined") permission.value = Notification.permission;
  if ("serviceWorker" in navigator && "PushManager" in window) {
    const registration = await navigator.serviceWorker.getRegistration();
    subscribed.value = Boolean(await registration?.pushManager.getSubscription());
  }
  ways.value = (await get("/ways")).items as Way[];
}

/** base64url → bytes, as `applicationServerKey` wants it. Pure. */
export function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replace(/-/g, "+").replace(/_/g, "/") + "=".repeat((4 - (key.length % 4)) % 4));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** The browser would not subscribe: mostly, its push service is not to be reached from here. */
export class NoPushService extends Error {}

/** By the tap of a finger: asks the person, the browser, the cloud. */
export async function switchOn(label: string): Promise<void> {
  permission.value = await Notification.requestPermission();
  if (permission.value !== "granted") return;
  const registration = await navigator.serviceWorker.ready;
  const key = (await get("/push/key"))["key"] as string;
  let subscription: PushSubscription;
  try {
    subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) });
  } catch (error) {
    throw new NoPushService(String(error));
  }
  const way = (await post("/push/subscriptions", { body: { ...(subscription.toJSON() as { endpoint: string; keys: { p256dh: string; auth: string } }), label } })) as Way;
  wayId.value = way.id;
  keep("push.way", way.id);
  await look();
}

/** True when the test came to this phone and its receipt to the cloud within the time. */
export async function test(way: string): Promise<boolean> {
  const answered = new Set<string>();
  let wanted = "";
  let end: (came: boolean) => void = () => undefined;
  const came = new Promise<boolean>((resolve) => (end = resolve));
  const stop = onReceipt((id) => {
    answered.add(id);
    if (id === wanted) end(true);
  });
  const timer = setTimeout(() => end(false), TEST_S * 1000);
  try {
    const begun = (await post("/ways/{way_id}/test", { path: { way_id: way } })) as { notification_id: string };
    wanted = begun.notification_id;
    if (answered.has(wanted)) end(true);
    const result = await came;
    await look();
    return result || ways.value.some((one) => one.id === way && one.tested_at !== null && Date.now() - Date.parse(one.tested_at) < 60_000);
  } finally {
    stop();
    clearTimeout(timer);
  }
}

export { Problem };
