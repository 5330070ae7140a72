import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import en from "../src/locales/en.json";
import zh from "../src/locales/zh-CN.json";

const tables = { zh: zh as Record<string, string>, en: en as Record<string, string> };
const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? sources(path) : /\.(vue|ts)$/.test(name) ? [path] : [];
  });
}

describe("words", () => {
  it("are the same keys in both languages", () => {
    expect(Object.keys(tables.en).sort()).toEqual(Object.keys(tables.zh).sort());
  });

  it("have the same holes in both languages, and none is empty", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      expect(text.trim(), key).not.toBe("");
      expect(tables.en[key]?.trim(), key).not.toBe("");
      expect(holes(tables.en[key] ?? ""), key).toEqual(holes(text));
    }
  });

  it("keep clear of the five traps of the glossary", () => {
    for (const [key, text] of Object.entries(tables.zh)) {
      expect(text, `${key}: 确认 alone is a verified fire`).not.toBe("确认");
      expect(text, `${key}: 演习 is police and army`).not.toContain("演习");
      expect(text, `${key}: Ⅰ–Ⅳ级 belongs to emergency response`).not.toMatch(/[ⅠⅡⅢⅣ]级|[IV]+级|[红橙黄蓝]色/);
    }
    expect(tables.zh["act.acknowledge"]).toBe("接警");
    expect(tables.zh["state.raised"]).toBe("待核实");
  });

  it("stand in the translation files, not in the screens", () => {
    const allowed = new Set(["中", "简体中文", "　", "、", "，", "；", "（", "）"]);
    for (const path of sources(join(import.meta.dirname, "../src"))) {
      const text = readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->|\/\/.*$/gm, "");
      const found = (text.match(/[\u4e00-\u9fff]+/g) ?? []).filter((word) => !allowed.has(word));
      expect(found, path).toEqual([]);
    }
  });

  it("are all used: a key that the code names exists, and no plain key is left over", () => {
    const code = sources(join(import.meta.dirname, "../src")).map((path) => readFileSync(path, "utf8")).join("\n");
    const groups = new Set([...code.matchAll(/tc\(["']([\w.]+)["']/g)].map((match) => match[1]!));
    const left = Object.keys(tables.zh).filter((key) => !code.includes(`"${key}"`) && !groups.has(key.slice(0, key.lastIndexOf("."))));
    const named = left.filter((key) => !code.includes(`'${key}'`));
    expect(named).toEqual([]);
  });
});
