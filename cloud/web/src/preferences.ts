/** What a person chose on this device: language, theme, mute. Storage may be forbidden; then a choice lasts as long as the tab. */
import { ref } from "vue";

const memory = new Map<string, string>();

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`shouwang.${name}`);
  } catch {
    return memory.get(name) ?? null;
  }
}

export function keep(name: string, value: string): void {
  memory.set(name, value);
  try {
    localStorage.setItem(`shouwang.${name}`, value);
  } catch {
    // private window: the copy in memory serves
  }
}

export type Theme = "light" | "dark";

const initial = typeof document !== "undefined" && document.documentElement.dataset["theme"] === "dark" ? "dark" : "light";
export const theme = ref<Theme>(initial);

export function setTheme(to: Theme): void {
  theme.value = to;
  keep("theme", to);
  document.documentElement.dataset["theme"] = to;
}

export type Density = "roomy" | "dense";
export const density = ref<Density>(kept("density") === "dense" ? "dense" : "roomy");

export function setDensity(to: Density): void {
  density.value = to;
  keep("density", to);
}
