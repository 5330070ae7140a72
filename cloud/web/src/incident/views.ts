/** What the list shows: one of the standing views, or one that a person has saved on this device. */
import { computed, ref } from "vue";
import { keep, kept } from "../preferences";
import type { Hazard, Incident, Level } from "../types";
import { isExercise, isTaken, matches, shownLevel } from "./order";
import { headlineText } from "./headline";

export interface Filter {
  text: string;
  levels: Level[];
  hazards: Hazard[];
  waiting: boolean;
  real: boolean;
}

export interface View {
  name: string;
  filter: Filter;
}

export const NONE: Filter = { text: "", levels: [], hazards: [], waiting: false, real: false };
const MOST = 6;

export function passes(incident: Incident, filter: Filter): boolean {
  if (filter.levels.length) {
    const level = shownLevel(incident);
    if (!level || !filter.levels.includes(level)) return false;
  }
  if (filter.hazards.length && !filter.hazards.includes(incident.hazard)) return false;
  if (filter.waiting && isTaken(incident)) return false;
  if (filter.real && isExercise(incident)) return false;
  return matches(incident, filter.text, headlineText(incident));
}

export function isEmpty(filter: Filter): boolean {
  return !filter.text.trim() && !filter.levels.length && !filter.hazards.length && !filter.waiting && !filter.real;
}

function stored(): View[] {
  try {
    const found = JSON.parse(kept("views") ?? "[]") as View[];
    return Array.isArray(found) ? found.filter((one) => typeof one.name === "string").map((one) => ({ name: one.name, filter: { ...NONE, ...one.filter } })) : [];
  } catch {
    return []; // written by another version: begin anew
  }
}

const saved = ref<View[]>(stored());
export const views = computed(() => saved.value);

function write(next: View[]): void {
  saved.value = next;
  keep("views", JSON.stringify(next));
}

/** Saves under a name; an older one of that name gives way. False when there are as many as fit. */
export function saveView(name: string, filter: Filter): boolean {
  const others = saved.value.filter((one) => one.name !== name);
  if (others.length >= MOST) return false;
  write([...others, { name, filter: { ...filter, levels: [...filter.levels], hazards: [...filter.hazards] } }]);
  return true;
}

export function dropView(name: string): View | null {
  const gone = saved.value.find((one) => one.name === name) ?? null;
  write(saved.value.filter((one) => one.name !== name));
  return gone;
}
