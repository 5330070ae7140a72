/** Letter keys act on the console, but never while someone writes, and never in the middle of composing Chinese. */
import { onBeforeUnmount, onMounted } from "vue";

export interface KeyLike {
  key: string;
  isComposing?: boolean;
  keyCode?: number;
  ctrlKey?: boolean;
  altKey?: boolean;
  metaKey?: boolean;
  defaultPrevented?: boolean;
  target: unknown;
}

interface ElementLike {
  tagName?: string;
  isContentEditable?: boolean;
  type?: string;
}

/** Key 229 is what browsers report while an input method has the keyboard. */
export function composing(event: Pick<KeyLike, "isComposing" | "keyCode">): boolean {
  return event.isComposing === true || event.keyCode === 229;
}

export function writing(target: unknown): boolean {
  const element = target as ElementLike | null;
  const tag = element?.tagName?.toUpperCase();
  if (element?.isContentEditable === true || tag === "TEXTAREA" || tag === "SELECT") return true;
  return tag === "INPUT" && !["button", "checkbox", "radio", "submit", "reset", "range", "file"].includes(element?.type ?? "text");
}

/** The key of a shortcut, lower case; null when the press belongs to writing, composing, a dialog or the browser. */
export function shortcutOf(event: KeyLike, dialogOpen: boolean): string | null {
  if (event.defaultPrevented === true || composing(event) || event.ctrlKey === true || event.altKey === true || event.metaKey === true) return null;
  if (dialogOpen || writing(event.target)) return null;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** Binds shortcuts for as long as the component is shown. */
export function useShortcuts(handler: (key: string) => boolean): void {
  const listen = (event: KeyboardEvent): void => {
    const key = shortcutOf(event, document.querySelector("dialog[open]") !== null);
    if (key !== null && handler(key)) event.preventDefault();
  };
  onMounted(() => window.addEventListener("keydown", listen));
  onBeforeUnmount(() => window.removeEventListener("keydown", listen));
}

/** For a form's Enter: true when Enter only ends a composition and must not send. */
export function swallowsEnter(event: KeyboardEvent): boolean {
  return event.key === "Enter" && composing(event);
}
