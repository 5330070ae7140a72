/** Incidents on the map: those that would lie on one another stand as one mark with their number. Pure. */
import { isDevice, isExercise, isTaken, levelRank, shownLevel } from "../incident/order";
import type { Incident, Level } from "../types";

export interface Mark {
  key: string;
  lon: number;
  lat: number;
  /** One: the incident itself. Several: a cluster, the worst first. */
  incidents: Incident[];
  exercise: boolean;
  shape: Level | "device";
  waiting: number;
}

/** Pixels within which marks would touch. */
const CELL = 46;

/** Web Mercator, in pixels of a world at this zoom. */
export function worldXY(lon: number, lat: number, zoom: number): [number, number] {
  const size = 512 * 2 ** zoom;
  const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
  return [((lon + 180) / 360) * size, (0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)) * size];
}

export function rank(incident: Incident): number {
  return isDevice(incident) ? 9 : levelRank(shownLevel(incident));
}

const shapeOf = (incident: Incident): Level | "device" => (isDevice(incident) ? "device" : (shownLevel(incident) ?? "IV"));

/**
 * The marks of a view. An exercise never joins a real one, and the chosen incident always stands by itself.
 *
 * `box`: west, south, east, north, with the margin that is wanted.
 */
export function marks(incidents: readonly Incident[], zoom: number, box: readonly [number, number, number, number], chosen: string | null): Mark[] {
  const groups: { key: string; x: number; y: number; members: Incident[] }[] = [];
  const cells = new Map<string, typeof groups>();
  const cellOf = (side: string, x: number, y: number): string => `${side}:${Math.floor(x / CELL)}:${Math.floor(y / CELL)}`;
  const near = (side: string, x: number, y: number): (typeof groups)[number] | null => {
    for (const dx of [0, -CELL, CELL])
      for (const dy of [0, -CELL, CELL])
        for (const one of cells.get(cellOf(side, x + dx, y + dy)) ?? []) if (Math.abs(one.x - x) < CELL && Math.abs(one.y - y) < CELL) return one;
    return null;
  };
  // The worst first: it says where its cluster lies, so that a cluster does not wander when calm ones come and go.
  const inView = incidents.filter(({ id, place: { lon, lat } }) => typeof lon === "number" && typeof lat === "number" && (id === chosen || (lon >= box[0] && lon <= box[2] && lat >= box[1] && lat <= box[3])));
  for (const one of inView.sort((a, b) => rank(a) - rank(b) || a.opened_at.localeCompare(b.opened_at) || a.id.localeCompare(b.id))) {
    const [x, y] = worldXY(one.place.lon!, one.place.lat!, zoom);
    const side = one.id === chosen ? "one" : isExercise(one) ? "x" : "r";
    const there = side === "one" ? null : near(side, x, y);
    if (there) {
      there.members.push(one);
      continue;
    }
    const group = { key: `${side}:${one.id}`, x, y, members: [one] };
    groups.push(group);
    const key = cellOf(side, x, y);
    cells.set(key, [...(cells.get(key) ?? []), group]);
  }
  return groups.map(({ key, members: sorted }) => {
    const first = sorted[0]!;
    const middle = (of: "lon" | "lat"): number => sorted.reduce((sum, one) => sum + (one.place[of] ?? 0), 0) / sorted.length;
    return {
      key: sorted.length > 1 ? key : first.id,
      lon: sorted.length > 1 ? middle("lon") : first.place.lon!,
      lat: sorted.length > 1 ? middle("lat") : first.place.lat!,
      incidents: sorted,
      exercise: isExercise(first),
      shape: shapeOf(first),
      waiting: sorted.filter((one) => !isTaken(one)).length,
    };
  });
}
