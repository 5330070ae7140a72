/** A spoken note: recorded while the finger is down, attached like a photo. */
import { ref } from "vue";

const LONGEST_S = 120;
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
export const recording = ref(false);
export const canRecord = typeof navigator !== "undefined" && Boolean(navigator.mediaDevices?.getUserMedia) && typeof MediaRecorder !== "undefined";

let end: () => void = () => undefined;

export const finishVoice = (): void => end();

/** The note as soon as the finger is up; null when it was shorter than half a second. Throws where the microphone is refused. */
export async function voice(): Promise<Blob | null> {
  if (recording.value) return null;
  recording.value = true;
  let lifted = false;
  end = () => (lifted = true);
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    recording.value = false;
    throw error;
  }
  try {
    if (lifted) return null; // the finger went to the question of the browser
    const kind = KINDS.find((one) => MediaRecorder.isTypeSupported(one));
    const recorder = new MediaRecorder(stream, kind ? { mimeType: kind, audioBitsPerSecond: 24_000 } : {});
    const parts: Blob[] = [];
    const began = Date.now();
    recorder.ondataavailable = (event) => parts.push(event.data);
    const done = new Promise<void>((resolve) => (recorder.onstop = () => resolve()));
    recorder.start();
    const timer = setTimeout(() => end(), LONGEST_S * 1000);
    end = () => recorder.state !== "inactive" && recorder.stop();
    await done;
    clearTimeout(timer);
    if (Date.now() - began < 500) return null;
    return new Blob(parts, { type: (recorder.mimeType || kind || "audio/webm").split(";")[0] ?? "audio/webm" });
  } finally {
    end = () => undefined;
    recording.value = false;
    for (const track of stream.getTracks()) track.stop();
  }
}
