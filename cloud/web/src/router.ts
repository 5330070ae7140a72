/** Pages, and who may open them. The cloud checks every request again; this only keeps people from dead ends. */
import { createRouter, createWebHistory, type RouteLocation, type RouteLocationRaw, type RouteRecordRaw } from "vue-router";
import { hasRole, home, loadSession, session } from "./session";
import type { Role } from "./types";

declare module "vue-router" {
  interface RouteMeta {
    roles?: Role[];
    /** Shows nothing of anybody: no need to sign in. */
    open?: boolean;
  }
}

/** Where this person's work begins; a touched notification names the incident that it is about. */
function start(from: RouteLocation): RouteLocationRaw {
  const path = home(session.value?.person.roles ?? []);
  const incident = from.query["incident"];
  if (typeof incident !== "string" || !incident) return path;
  return path === "/console" ? `/console/${encodeURIComponent(incident)}` : { path, query: { incident } };
}

const routes: RouteRecordRaw[] = [
  { path: "/", redirect: (to) => (session.value ? start(to) : { path: "/signin", query: to.query }) },
  { path: "/signin", name: "signin", component: () => import("./screens/SignIn.vue") },
  { path: "/console/:incident?", name: "console", component: () => import("./screens/DutyConsole.vue"), meta: { roles: ["duty_officer", "administrator"] } },
  { path: "/phone", name: "phone", component: () => import("./screens/PhoneTask.vue"), meta: { roles: ["responder"] } },
  { path: "/leader", name: "leader", component: () => import("./screens/LeaderDesk.vue"), meta: { roles: ["duty_officer"] } },
  { path: "/registry/:view(found)?", name: "registry", component: () => import("./screens/DeviceRegistry.vue"), meta: { roles: ["property_manager", "administrator"] } },
  { path: "/preview", name: "preview", component: () => import("./screens/RulePreview.vue"), meta: { roles: ["duty_officer", "property_manager", "administrator"] } },
  { path: "/drills/:drill?", name: "drills", component: () => import("./screens/DrillRoom.vue"), meta: { roles: ["trainer", "administrator"] } },
  { path: "/gallery", name: "gallery", component: () => import("./screens/PartsGallery.vue"), meta: { open: true } },
  { path: "/:rest(.*)*", redirect: "/" },
];

export const router = createRouter({ history: createWebHistory(), routes });

let asked = false;

router.beforeEach(async (to) => {
  if (!asked) {
    asked = true;
    await loadSession();
    if (to.path === "/signin" && session.value) return home(session.value.person.roles);
    if (to.redirectedFrom?.path === "/" && session.value) return start(to.redirectedFrom);
  }
  if (to.name === "signin" || to.meta.open) return true;
  if (!session.value) return { name: "signin", query: to.fullPath === "/" ? {} : { to: to.fullPath } };
  const roles = to.meta.roles;
  if (roles && !hasRole(...roles)) return home(session.value.person.roles);
  return true;
});
