/** What uPlot does not draw by itself. All in canvas pixels; `u.bbox` is the plotting area. */
import type uPlot from "uplot";
import { numberText } from "../format";
import type { Level, Telemetry } from "../types";
import { minutesTo, type Outlook } from "./outlook";

export interface Palette {
  ink: string;
  ink2: string;
  line: string;
  sunk: string;
  raised: string;
  panel: string;
  levels: Record<Level, { fill: string; edge: string; ink: string }>;
  font: string;
  words: { missing: string; quality: string; level: (one: Level) => string; reaches: (min: number, level: Level) => string };
  hollow: string | null;
  hollowFill: string;
}

const ratio = (): number => (typeof devicePixelRatio === "number" ? devicePixelRatio : 1);
const scaledFont = (font: string): string => font.replace(/^(\d+)px/, (_all, size: string) => `${Number(size) * ratio()}px`);

/** Room for the readings and for the next level above them, so that a calm curve is not drawn as a mountain. */
export function yRange(telemetry: Telemetry): [number, number] {
  const values = [...telemetry.min, ...telemetry.max, ...telemetry.mean].filter((value): value is number => value !== null && Number.isFinite(value));
  const limits = telemetry.thresholds.map((one) => one.value);
  let low = Math.min(...values, ...limits, Infinity);
  let high = Math.max(...values, ...limits, -Infinity);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  if (low >= 0 && low < high * 0.5) low = 0;
  const span = high - low || Math.abs(high) || 1;
  high += span * 0.12;
  if (low !== 0) low -= span * 0.08;
  return [low, high];
}

export function drawGaps(u: uPlot, telemetry: Telemetry, colours: Palette): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = scaledFont(colours.font);
  for (const [from, to] of telemetry.gaps) {
    const left = Math.max(bbox.left, u.valToPos(from / 1000, "x", true));
    const right = Math.min(bbox.left + bbox.width, u.valToPos(to / 1000, "x", true));
    if (right <= left) continue;
    ctx.fillStyle = colours.sunk;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    if (right - left > 30 * ratio()) {
      ctx.fillStyle = colours.ink2;
      ctx.textAlign = "center";
      ctx.textBaseline = "top";
      ctx.fillText(colours.words.missing, (left + right) / 2, bbox.top + 3 * ratio());
    }
  }
  ctx.restore();
}

/** Lowest to highest reading of each column. */
export function drawBand(u: uPlot, telemetry: Telemetry, colours: Palette): void {
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colours.ink2;
  ctx.globalAlpha = 0.28;
  ctx.lineWidth = Math.max(1, ratio());
  ctx.beginPath();
  telemetry.t.forEach((ms, index) => {
    const low = telemetry.min[index];
    const high = telemetry.max[index];
    if (low === null || low === undefined || high === null || high === undefined || low === high) return;
    const x = u.valToPos(ms / 1000, "x", true);
    ctx.moveTo(x, u.valToPos(low, "y", true));
    ctx.lineTo(x, u.valToPos(high, "y", true));
  });
  ctx.stroke();
  ctx.restore();
}

function shape(ctx: CanvasRenderingContext2D, level: Level, x: number, y: number, size: number): void {
  const half = size / 2;
  ctx.beginPath();
  if (level === "I") ctx.rect(x - half, y - half, size, size);
  else if (level === "II") {
    ctx.moveTo(x, y - half);
    ctx.lineTo(x + half, y + half);
    ctx.lineTo(x - half, y + half);
    ctx.closePath();
  } else if (level === "III") {
    ctx.moveTo(x, y - half * 1.15);
    ctx.lineTo(x + half * 1.15, y);
    ctx.lineTo(x, y + half * 1.15);
    ctx.lineTo(x - half * 1.15, y);
    ctx.closePath();
  } else ctx.arc(x, y, half, 0, 2 * Math.PI);
}

/** Dashed line at each level's entry, its shape and word at the right edge; words pushed apart when they would touch. */
export function drawThresholds(u: uPlot, telemetry: Telemetry, colours: Palette): void {
  const { ctx, bbox } = u;
  const px = ratio();
  ctx.save();
  ctx.font = scaledFont(colours.font);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  let lowest = -Infinity;
  const sorted = [...telemetry.thresholds].sort((a, b) => b.value - a.value);
  for (const one of sorted) {
    const y = u.valToPos(one.value, "y", true);
    if (y < bbox.top - 1 || y > bbox.top + bbox.height + 1) continue;
    const colour = colours.levels[one.level];
    ctx.strokeStyle = colours.hollow ?? colour.ink;
    ctx.lineWidth = 1.3 * px;
    ctx.setLineDash([6 * px, 3 * px]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    const textY = Math.max(y, lowest + 15 * px);
    lowest = textY;
    const x = bbox.left + bbox.width + 10 * px;
    shape(ctx, one.level, x, textY, 9 * px);
    ctx.fillStyle = colours.hollow ? colours.hollowFill : colour.fill;
    ctx.strokeStyle = colours.hollow ?? colour.edge;
    ctx.lineWidth = 1.2 * px;
    ctx.fill();
    ctx.stroke();
    ctx.fillStyle = colours.hollow ?? colour.ink;
    ctx.font = `700 ${scaledFont(colours.font)}`;
    ctx.fillText(`${colours.words.level(one.level)} ${numberText(one.value)}`, x + 9 * px, textY);
  }
  ctx.restore();
}

/** Quality under the axis: bars for good, a triangle for suspect, a cross for failed, a dash for not judged. */
export function drawQuality(u: uPlot, telemetry: Telemetry, colours: Palette): void {
  const { ctx, bbox } = u;
  const px = ratio();
  const y = bbox.top + bbox.height + 31 * px;
  ctx.save();
  ctx.font = scaledFont(colours.font);
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.fillStyle = colours.ink2;
  ctx.fillText(colours.words.quality, bbox.left - 4 * px, y);
  let lastX = -Infinity;
  telemetry.t.forEach((ms, index) => {
    const x = u.valToPos(ms / 1000, "x", true);
    const flag = telemetry.flag[index];
    if (flag === 3 || flag === 4) {
      ctx.strokeStyle = colours.ink;
      ctx.fillStyle = colours.panel;
      ctx.lineWidth = 1.4 * px;
      if (flag === 3) {
        shape(ctx, "II", x, y, 8 * px);
        ctx.fill();
      } else {
        ctx.beginPath();
        ctx.moveTo(x - 3 * px, y - 3 * px);
        ctx.lineTo(x + 3 * px, y + 3 * px);
        ctx.moveTo(x + 3 * px, y - 3 * px);
        ctx.lineTo(x - 3 * px, y + 3 * px);
      }
      ctx.stroke();
      lastX = x;
    } else if (x - lastX >= 4 * px) {
      ctx.fillStyle = colours.ink2;
      if (flag === 1) ctx.fillRect(x - px, y - 3 * px, 2 * px, 6 * px);
      else if (flag === 2) ctx.fillRect(x - px, y, 2 * px, px);
      lastX = x;
    }
  });
  ctx.restore();
}

/** How it may go on: a grey band from 10 % to 90 %, the middle dotted, and when it reaches the next level. */
export function drawOutlook(u: uPlot, found: Outlook | null, telemetry: Telemetry, colours: Palette): void {
  if (!found) return;
  const { ctx, bbox } = u;
  const px = ratio();
  const x = (index: number): number => u.valToPos((found.t[index] ?? 0) / 1000, "x", true);
  const y = (value: number): number => u.valToPos(value, "y", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.beginPath();
  found.high.forEach((value, index) => (index ? ctx.lineTo(x(index), y(value)) : ctx.moveTo(x(index), y(value))));
  for (let index = found.low.length - 1; index >= 0; index -= 1) ctx.lineTo(x(index), y(found.low[index] ?? 0));
  ctx.closePath();
  ctx.fillStyle = colours.ink2;
  ctx.globalAlpha = 0.2;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colours.ink2;
  ctx.lineWidth = px;
  ctx.beginPath();
  ctx.moveTo(x(0), bbox.top);
  ctx.lineTo(x(0), bbox.top + bbox.height);
  ctx.stroke();
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = 1.6 * px;
  ctx.setLineDash([2 * px, 3 * px]);
  ctx.beginPath();
  found.middle.forEach((value, index) => (index ? ctx.lineTo(x(index), y(value)) : ctx.moveTo(x(index), y(value))));
  ctx.stroke();
  ctx.setLineDash([]);
  const now = found.middle[0] ?? 0;
  const next = [...telemetry.thresholds].sort((a, b) => a.value - b.value).find((one) => one.value > now);
  const minutes = next ? minutesTo(found, next.value) : null;
  if (next && minutes !== null) {
    ctx.font = `700 ${scaledFont(colours.font)}`;
    const text = colours.words.reaches(minutes, next.level);
    const wide = ctx.measureText(text).width + 12 * px;
    const left = Math.min(bbox.left + bbox.width - wide - 2 * px, Math.max(bbox.left, x(minutes) - wide / 2));
    const top = bbox.top + bbox.height - 24 * px;
    ctx.fillStyle = colours.panel;
    ctx.strokeStyle = colours.ink2;
    ctx.lineWidth = px;
    ctx.fillRect(left, top, wide, 19 * px);
    ctx.strokeRect(left, top, wide, 19 * px);
    ctx.fillStyle = colours.ink;
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.fillText(text, left + 6 * px, top + 10 * px);
  }
  ctx.restore();
}
