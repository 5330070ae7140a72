import { expect, it } from "vitest";
import { finds, initials } from "../src/pinyin";

it("reads the initials of places and people", () => {
  expect(initials("望湖苑 7幢1单元302室")).toBe("why7z1dy302s");
  expect(initials("柳荫路铁路下穿")).toBe("lyltlxc");
  expect(initials("临江中心 B座")).toBe("ljzxbz");
  expect([initials("周启明"), initials("沈雨桐"), initials("陆建国"), initials("林知远"), initials("马涛"), initials("区娜")]).toEqual(["zqm", "syt", "ljg", "lzy", "mt", "qn"]);
});

it("finds by words, by initials, and by both mixed", () => {
  const text = "望湖苑 7幢1单元302室";
  expect([finds(text, "望湖"), finds(text, "why 302"), finds(text, "WHY7"), finds(text, "7幢 302"), finds(text, "")]).toEqual([true, true, true, true, true]);
  expect([finds(text, "ly"), finds(text, "why 303")]).toEqual([false, false]);
});
