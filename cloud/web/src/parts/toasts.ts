/** Short messages that go by themselves. */
import { ref } from "vue";
import { Problem } from "../api";
import { faultText, isCoded } from "../faults";
import { hasText, isChinese, t, tc } from "../i18n";

export interface Toast {
  id: number;
  text: string;
  action?: Action | undefined;
}

/** What can be done about it while it stands: mostly, take it back. */
export interface Action {
  text: string;
  run: () => void;
}

export const toasts = ref<Toast[]>([]);
let next = 1;

export function say(text: string, ms = 4500, action?: Action): void {
  const id = next++;
  toasts.value = [...toasts.value.slice(-3), { id, text, action }];
  setTimeout(() => drop(id), ms);
}

export function drop(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** What a person reads when the cloud said no, in their language: by the refusal's code, its fields, its status. */
export function problemText(error: unknown): string {
  if (!(error instanceof Problem)) return t("problem.unknown");
  if (error.away) return t("problem.away");
  if (error.status >= 500) return t("problem.500");
  const lines = error.errors.map(faultText).filter(Boolean);
  if (lines.length && error.errors.every(isCoded)) return lines.join(" "); // all of it is said in the reader's language
  const detail = error.message && error.message !== error.title ? error.message : "";
  if (!isChinese.value) return [detail || error.title, ...lines].filter(Boolean).join(" ");
  if (error.code && hasText("refused", error.code)) {
    return [tc("refused", error.code), ...lines.filter((line) => /[\u4e00-\u9fff]/.test(line))].join(" "); // the rest is for developers
  }
  const known = hasText("problem", String(error.status)) ? tc("problem", String(error.status)) : t("problem.unknown");
  return [known, ...lines].join(" ");
}

export function sayProblem(error: unknown): void {
  say(problemText(error), 7000);
}
