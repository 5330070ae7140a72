/** What the cloud says of a preview. */
import type { Level } from "../types";
import type { Declaration } from "./draft";

export type Verdict = "same" | "earlier" | "later" | "level" | "joined" | "split" | "only_before" | "only_after";
export interface PreviewAlarm { opened_at: string; cleared_at: string | null; on_s: number; level: Level; suspect: boolean }
export interface PreviewPair { verdict: Verdict; rule: string; shift_s: number | null; before: PreviewAlarm | null; after: PreviewAlarm | null }
export interface PreviewSide { alarms: number; suspect: number; on_s: number; by_level: Record<Level, number> }
export interface PreviewCounts { verdicts: Record<Verdict, number>; before: PreviewSide; after: PreviewSide }
export interface PreviewDevice extends PreviewCounts { id: string; name: string; readings: number; share_with_data: number; blind: Record<string, string>; pairs: PreviewPair[]; pairs_left_out: number }
export interface PreviewResult {
  from: string;
  to: string;
  days: number;
  readings: number;
  changed_rules: string[];
  totals: PreviewCounts;
  devices: PreviewDevice[];
  cut: { reason: string; judged_from: string; judged_to: string } | null;
  caveats: { code: string; params: Record<string, string | number> }[];
}
export interface Preview { id: string; state: "waiting" | "running" | "done" | "failed" | "cancelled"; progress: number; problem: string | null; result: PreviewResult | null }
export interface Effective { device: string; rules: Record<string, { declaration: Declaration; origin: Record<string, string> }> }
export interface RuleLayer { scope: string; id: string; rules: Record<string, Declaration | null>; quality: Record<string, Declaration | null> }
