/** What the phone keeps of knock lists: as long as the task lasts, no longer. */
import { kept, keep } from "../preferences";

const INDEX = "knock.kept";
const names = (): string[] => JSON.parse(kept(INDEX) || "[]") as string[];

/** Under which name a list is kept; written down, so that it is found again to be forgotten. */
export function shelfOf(incident: string): string {
  if (!names().includes(incident)) keep(INDEX, JSON.stringify([...names(), incident]));
  return `knock.${incident}`;
}

/** Forget the lists of incidents on which one is no more. */
export function forgetDoors(still: readonly string[] = []): void {
  for (const incident of names()) if (!still.includes(incident)) keep(`knock.${incident}`, "");
  keep(INDEX, JSON.stringify(names().filter((one) => still.includes(one))));
}
