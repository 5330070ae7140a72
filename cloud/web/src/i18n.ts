/** Words of the screens. Chinese is the source; English has the same keys (a test holds it). */
import { computed, ref } from "vue";
import en from "./locales/en.json";
import zh from "./locales/zh-CN.json";
import { kept, keep } from "./preferences";

export type Language = "zh-CN" | "en";
export type MessageKey = keyof typeof zh;

const tables: Record<Language, Record<string, string>> = { "zh-CN": zh, en };

export const language = ref<Language>(kept("language") === "en" ? "en" : "zh-CN");
export const isChinese = computed(() => language.value === "zh-CN");

export function setLanguage(to: Language): void {
  language.value = to;
  keep("language", to);
  if (typeof document !== "undefined") document.documentElement.lang = to;
}

export function fill(text: string, params: Record<string, unknown> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = params[name];
    return value === undefined || value === null ? whole : String(value);
  });
}

/** The text of a key that is known when this is compiled. */
export function t(key: MessageKey, params: Record<string, unknown> = {}): string {
  return fill(tables[language.value][key] ?? key, params);
}

/** The text of a code that came over the wire; an unknown code shows itself rather than nothing. */
export function tc(group: string, code: string | null | undefined, params: Record<string, unknown> = {}): string {
  if (!code) return "";
  const text = tables[language.value][`${group}.${code}`];
  return text === undefined ? code : fill(text, params);
}

export function hasText(group: string, code: string): boolean {
  return tables[language.value][`${group}.${code}`] !== undefined;
}

/** One of two labels that data carries in both languages. */
export function label(values: Record<string, unknown> | object | null | undefined, stem: string): string {
  const record = (values ?? {}) as Record<string, unknown>;
  const order = isChinese.value ? [`${stem}_zh`, stem, `${stem}_en`] : [`${stem}_en`, stem, `${stem}_zh`];
  for (const name of order) {
    const value = record[name];
    if (typeof value === "string" && value) return value;
  }
  return "";
}

export function personName(person: { name: string; name_en?: string | null }): string {
  return !isChinese.value && person.name_en ? person.name_en : person.name;
}
