/** The bell of the console: rings while a real hazard waits for someone, can be muted for a stated time, comes back by itself. */
import { computed, ref, watch, type Ref } from "vue";
import { nowMs, serverTime } from "./clock";

export const mutedUntil = ref(0);
export const muted = computed(() => mutedUntil.value > nowMs.value);
export const ringingNow = ref(false);
/** Browsers let a page sound only after a click or key press on it. */
export const soundBlocked = ref(true);

let context: AudioContext | null = null;
let loop: ReturnType<typeof setInterval> | undefined;

export function mute(minutes: number): void {
  mutedUntil.value = serverTime() + minutes * 60_000;
}

export function unmute(): void {
  mutedUntil.value = 0;
}

function ready(): AudioContext | null {
  soundBlocked.value = context === null || context.state !== "running";
  return context;
}

/** To be called from a click or a key press. */
export async function allowSound(): Promise<void> {
  if (context === null && typeof AudioContext !== "undefined") context = new AudioContext();
  const audio = ready();
  if (audio && audio.state === "suspended") await audio.resume().catch(() => undefined);
  ready();
}

function tone(audio: AudioContext, hertz: number, start: number, length: number, loud: number): void {
  const oscillator = audio.createOscillator();
  const gain = audio.createGain();
  oscillator.type = "triangle";
  oscillator.frequency.value = hertz;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(loud, start + 0.02);
  gain.gain.setValueAtTime(loud, start + length - 0.05);
  gain.gain.linearRampToValueAtTime(0, start + length);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(start);
  oscillator.stop(start + length);
}

/** First tone: a hazard that nobody has taken. High, then low, twice. */
function ring(): void {
  const audio = ready();
  if (!audio || audio.state !== "running") return;
  for (const [at, hertz] of [[0, 988], [0.22, 740], [0.5, 988], [0.72, 740]] as const) tone(audio, hertz, audio.currentTime + at, 0.2, 0.28);
}

/** Second tone: an offer ran out, or nobody is on the way. Low, three times. */
export function secondTone(): void {
  const audio = ready();
  if (muted.value || !audio || audio.state !== "running") return;
  for (const at of [0, 0.35, 0.7]) tone(audio, 440, audio.currentTime + at, 0.25, 0.25);
}

/** Rings for as long as `waiting` is above zero and nobody muted it. */
export function bindBell(waiting: Ref<number>): () => void {
  const stop = watch(
    [waiting, muted],
    ([count, quiet]) => {
      const shall = count > 0 && !quiet;
      if (shall && !ringingNow.value) {
        ring();
        loop = setInterval(ring, 2500);
      }
      if (!shall) clearInterval(loop);
      ringingNow.value = shall;
    },
    { immediate: true },
  );
  const unlock = (): void => void allowSound();
  window.addEventListener("pointerdown", unlock, { passive: true });
  window.addEventListener("keydown", unlock, { passive: true });
  ready();
  return () => {
    stop();
    clearInterval(loop);
    ringingNow.value = false;
    window.removeEventListener("pointerdown", unlock);
    window.removeEventListener("keydown", unlock);
  };
}
