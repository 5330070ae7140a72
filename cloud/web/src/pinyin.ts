/**
 * Places and people are found by the initials of their pinyin: "wh7" finds the site and block that are read so. The order
 * of the browser's own Chinese collation gives the initial, so no table has to be carried; of a character with
 * several readings it knows the most common.
 */
const FIRSTS: readonly (readonly [string, string])[] = [
  ["a", "\u963f"], ["b", "\u516b"], ["c", "\u5693"], ["d", "\u5491"], ["e", "\u59b8"], ["f", "\u53d1"], ["g", "\u65ee"], ["h", "\u54c8"],
  ["j", "\u4e0c"], ["k", "\u5494"], ["l", "\u5783"], ["m", "\u5988"], ["n", "\u62cf"], ["o", "\u5662"], ["p", "\u5991"], ["q", "\u4e03"],
  ["r", "\u5465"], ["s", "\u4ee8"], ["t", "\u4ed6"], ["w", "\u5c72"], ["x", "\u5915"], ["y", "\u4e2b"], ["z", "\u5e00"],
];
/** In addresses these are read otherwise than by themselves: block (zhuang), high-rise (sha), lane (long). */
const IN_ADDRESSES: Readonly<Record<string, string>> = { "\u5e62": "z", "\u53a6": "s", "\u5f04": "l" };
let collator: Intl.Collator | null = null;
const known = new Map<string, string>();

function initialOf(character: string): string {
  const read = IN_ADDRESSES[character];
  if (read) return read;
  collator ??= new Intl.Collator("zh-CN-u-co-pinyin");
  let found = "";
  for (const [letter, first] of FIRSTS) {
    if (collator.compare(character, first) < 0) break;
    found = letter;
  }
  return found;
}

/** Lower case, without spaces; Chinese characters as their initial. */
export function initials(text: string): string {
  const kept = known.get(text);
  if (kept !== undefined) return kept;
  let found = "";
  for (const character of text.toLowerCase()) {
    if (/\s/.test(character)) continue;
    found += /[\u4e00-\u9fff]/.test(character) ? initialOf(character) : character;
  }
  if (known.size > 20_000) known.clear();
  known.set(text, found);
  return found;
}

const squash = (text: string): string => text.replace(/\s+/g, "").toLowerCase();

/** Whether every word of a search is in a text: as written, or (letters and figures only) as initials. */
export function finds(text: string, search: string): boolean {
  const words = search.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const plain = squash(text);
  return words.every((word) => plain.includes(squash(word)) || (/^[a-z0-9-]+$/.test(word) && initials(text).includes(word)));
}
