/** People's time limits run by the server's clock, not by the clock of a phone that was never set. */
import { ref, type Ref } from "vue";

let offsetMs = 0;
let known = false;

/** The server's now, epoch ms, as well as we know it. */
export function serverTime(local: number = Date.now()): number {
  return local + offsetMs;
}

/** Takes the server's stamp of an answer that has just arrived. The first sets the clock; later ones smooth it. */
export function setServerTime(stamp: string | number, local: number = Date.now()): void {
  const server = typeof stamp === "number" ? stamp : Date.parse(stamp);
  if (!Number.isFinite(server)) return;
  const measured = server - local;
  const jump = Math.abs(measured - offsetMs) > 2000;
  offsetMs = !known || jump ? measured : offsetMs * 0.8 + measured * 0.2;
  known = true;
}

/** How far this device's clock is from the server's, in seconds; null before the first answer. */
export function clockErrorS(): number | null {
  return known ? Math.abs(offsetMs) / 1000 : null;
}

/** Ticks once a second, on the second: everything that counts down reads it. */
export const nowMs: Ref<number> = ref(serverTime());

let timer: ReturnType<typeof setTimeout> | undefined;

export function startClock(): void {
  if (timer !== undefined) return;
  const tick = (): void => {
    const now = serverTime();
    nowMs.value = now;
    timer = setTimeout(tick, 1000 - (now % 1000) + 5);
  };
  tick();
}
