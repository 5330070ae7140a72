/** Pages, and who may open them. The cloud checks every request again; this only keeps people from dead ends. */
import { createRouter, createWebHistory, type RouteRecordRaw } from "vue-router";
import { hasRole, home, loadSession, session } from "./session";
import type { Role } from "./types";

declare module "vue-router" {
  interface RouteMeta {
    roles?: Role[];
    /** Shows nothing of anybody: no need to sign in. */
    open?: boolean;
  }
}

const routes: RouteRecordRaw[] = [
  { path: "/", redirect: () => (session.value ? home(session.value.person.roles) : "/signin") },
  { path: "/signin", name: "signin", component: () => import("./screens/SignIn.vue") },
  { path: "/console/:incident?", name: "console", component: () => import("./screens/DutyConsole.vue"), meta: { roles: ["duty_officer", "administrator"] } },
  { path: "/phone", name: "phone", component: () => import("./screens/PhoneTask.vue"), meta: { roles: ["responder"] } },
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
    if (to.redirectedFrom?.path === "/" && session.value) return home(session.value.person.roles);
  }
  if (to.name === "signin" || to.meta.open) return true;
  if (!session.value) return { name: "signin", query: to.fullPath === "/" ? {} : { to: to.fullPath } };
  const roles = to.meta.roles;
  if (roles && !hasRole(...roles)) return home(session.value.person.roles);
  return true;
});
