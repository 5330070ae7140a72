/** What is wrong, in the reader's language: by the fault's code where there is a text for it, else as the cloud wrote it. Pure. */
import { hasText, t, tc } from "./i18n";
import type { Fault } from "./types";

/** The field or column as the screen names it; parameters and rules keep their own names. */
function fieldText(where: string | null | undefined): string {
  const name = (where ?? "").replace(/^(body|query|path)\./, "").replace(/^param_/, "");
  return hasText("field", name) ? tc("field", name) : name;
}

export function isCoded(fault: Fault): boolean {
  return Boolean(fault.code && hasText("fault", fault.code));
}

export function faultText(fault: Fault): string {
  const field = fieldText(fault.column ?? fault.where);
  const code = fault.code ?? "";
  const coded = isCoded(fault);
  const what = coded ? tc("fault", code, fault.params) : (fault.what ?? "");
  const fix = coded ? (hasText("fix", code) ? tc("fix", code, fault.params) : "") : (fault.fix ?? "");
  const text = [what, fix].filter(Boolean).join(t("fault.between"));
  return field ? t("fault.line", { field, text }) : text;
}
