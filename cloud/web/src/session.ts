/** Who is signed in on this tab, and where that person's work begins. */
import { computed, ref } from "vue";
import { api, Problem, whenSignedOut } from "./api";
import { setServerTime } from "./clock";
import { keep, kept } from "./preferences";
import type { Role, Session } from "./types";

export const session = ref<Session | null>(null);
export const person = computed(() => session.value?.person ?? null);
export const demo = computed(() => session.value?.demo ?? null);

export function hasRole(...roles: Role[]): boolean {
  const mine = person.value?.roles ?? [];
  return roles.some((role) => mine.includes(role));
}

function take(answer: Session): Session {
  setServerTime(answer.server_time);
  session.value = answer;
  // A phone that opens without a network still shows whose it is and what is queued; nothing secret is kept.
  keep("person", JSON.stringify({ ...answer, token: undefined }));
  return answer;
}

/** Asks the cloud who we are. Without a network a responder goes on as the person last signed in here. */
export async function loadSession(): Promise<Session | null> {
  if (!kept("person")) return null; // nobody signed in on this device: no need to ask
  try {
    return take(await api.session());
  } catch (error) {
    if (error instanceof Problem && error.away) {
      const last = kept("person");
      if (last) session.value = JSON.parse(last) as Session;
      return session.value;
    }
    forget();
    return null;
  }
}

export async function signIn(username: string, password: string): Promise<Session> {
  return take(await api.signIn(username, password));
}

export async function signOut(): Promise<void> {
  try {
    await api.signOut();
  } catch {
    // signed out here all the same; the cookie dies with its time limit
  }
  forget();
}

export function forget(): void {
  session.value = null;
  keep("person", "");
}

whenSignedOut(forget);

/** Somebody else signed in on another tab of this browser: what this one shows is not theirs, so it begins anew. */
if (typeof window !== "undefined") {
  window.addEventListener("storage", (event) => {
    if (event.key !== "shouwang.person" || session.value === null) return;
    const other = event.newValue ? (JSON.parse(event.newValue) as Session) : null;
    if (other === null) session.value = null;
    else if (other.person.id !== session.value.person.id) location.reload();
  });
}

/** Too narrow for the console: a leader's phone. */
const isPhone = (): boolean => typeof window !== "undefined" && Math.min(window.screen.width, window.innerWidth) < 600;

/** The page on which this person's work begins. */
export function home(roles: readonly Role[]): string {
  if (roles.includes("duty_officer")) return isPhone() ? "/leader" : "/console";
  if (roles.includes("responder")) return "/phone";
  if (roles.includes("property_manager") || roles.includes("administrator")) return "/registry";
  if (roles.includes("trainer")) return "/drills";
  return "/signin";
}
