/** What is wrong, in the reader's language: by the fault's code where there is a text for it, else as the cloud wrote it. Pure. */
import { hasText, isChinese, t, tc } from "./i18n";
import type { Fault } from "./types";

/** The field or column as the screen names it; parameters and rules keep their own names. */
function fieldText(where: string | null | undefined): string {
  const name = (where ?? "").replace(/^(body|query|path)\./, "").replace(/^param_/, "");
  return hasText("field", name) ? tc("field", name) : name;
}

/** What the cloud says in English without a code yet, by the place where it says it: enough for a form of this screen. */
const BY_PLACE: readonly [RegExp, RegExp, string][] = [
  [/^until$/, /not in the future/, "past"],
  [/^until$/, /more than|not within/, "too_far_away"],
  [/^(alarm_ids?)$/, /not an alarm/, "no_alarm"],
  [/^authority$/, /outside/, "no_authority"],
  [/^checked$/, /./, "not_checked"],
  [/^into$/, /same/, "same_incident"],
  [/^to$/, /nobody/, "nobody_there"],
  [/^responder_id$/, /no responder/, "no_responder"],
];

function codeOf(fault: Fault): string {
  if (fault.code) return fault.code;
  const where = (fault.where ?? "").replace(/^body\./, "");
  return BY_PLACE.find(([place, words]) => place.test(where) && words.test(fault.what ?? ""))?.[2] ?? "";
}

export function isCoded(fault: Fault): boolean {
  const code = codeOf(fault);
  return Boolean(code && hasText("fault", code));
}

/** Some refusals say it in both languages, "… / …": the half that the reader reads; in one language only, that. */
function half(text: string): string {
  const parts = text.split(" / ");
  const chinese = parts.filter((part) => /[\u4e00-\u9fff]/.test(part));
  if (!isChinese.value) return parts.length === 2 && chinese.length ? (parts[1] ?? text) : text;
  return chinese[0] ?? text;
}

export function faultText(fault: Fault): string {
  const field = fieldText(fault.column ?? fault.where);
  const code = codeOf(fault);
  const coded = isCoded(fault);
  const kind = fault.params?.["kind"];
  const params = { ...fault.params, ...(typeof kind === "string" && hasText("measure_kind", kind) ? { kind: tc("measure_kind", kind) } : {}) };
  const what = coded ? tc("fault", code, params) : half(fault.what ?? "");
  const fix = coded ? (hasText("fix", code) ? tc("fix", code, params) : "") : half(fault.fix ?? "");
  const text = [what, fix].filter(Boolean).join(t("fault.between"));
  if (!text) return "";
  const named = field !== "" && !field.includes(".");
  return named ? t("fault.line", { field, text }) : text;
}
