/** The first useful screen, the console with its list, comes in 400 kB however slow the line; the map follows. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

const DIST = join(import.meta.dirname, "../dist");
const LIMIT = 400_000;

/** A built file and what it needs before it runs: static imports, not what it may load later. */
function needed(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  if (!name.endsWith(".js")) return found;
  const text = readFileSync(join(DIST, "assets", name), "utf8");
  for (const match of text.matchAll(/(?:from|import)\s*"\.\/([\w.-]+\.js)"/g)) needed(match[1]!, found);
  return found;
}

it.skipIf(!existsSync(join(DIST, "index.html")))("the console is useful after 400 kB", () => {
  const page = readFileSync(join(DIST, "index.html"), "utf8");
  const files = new Set([...page.matchAll(/\/assets\/([\w.-]+\.(?:js|css))/g)].map((match) => match[1]!));
  const all = readdirSync(join(DIST, "assets"));
  for (const name of all) if (/^DutyConsole-.*\.js$/.test(name)) files.add(name);
  const wanted = new Set<string>();
  for (const name of files) needed(name, wanted);
  const styles = all.filter((name) => name.endsWith(".css") && !/AreaMap|Phone|Registry|Drill|Preview|Gallery/.test(name));
  const scripts = [...wanted].filter((name) => name.endsWith(".js"));
  expect(scripts.some((name) => /maplibre|AreaMap/.test(name)), "the map comes later").toBe(false);
  const size = [...scripts, ...styles].reduce((sum, name) => sum + gzipSync(readFileSync(join(DIST, "assets", name))).length, gzipSync(page).length);
  expect(scripts.length).toBeGreaterThan(1);
  expect(size).toBeLessThan(LIMIT);
  console.info(`first useful screen: ${Math.round(size / 1000)} kB gzip in ${scripts.length + styles.length} files`);
});
