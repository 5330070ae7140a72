/** Short messages that go by themselves. */
import { ref } from "vue";
import { Problem } from "../api";
import { hasText, isChinese, t, tc } from "../i18n";

export interface Toast {
  id: number;
  text: string;
}

export const toasts = ref<Toast[]>([]);
let next = 1;

export function say(text: string, ms = 4500): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
  }, ms);
}

/** What a person reads when the cloud said no: its own detail, or what to do. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return t("problem.unknown");
  if (error.away) return t("problem.away");
  if (error.status >= 500) return t("problem.500");
  const lines = error.errors.map((one) => [one.where, one.what, one.fix].filter(Boolean).join(" · "));
  const detail = error.message && error.message !== error.title ? error.message : "";
  const known = hasText("problem", String(error.status)) ? tc("problem", String(error.status)) : "";
  if (detail || lines.length) return [isChinese.value ? known : "", detail, ...lines].filter(Boolean).join(" ");
  return known || error.title;
}

export function sayProblem(error: unknown): void {
  say(problemText(error), 7000);
}
