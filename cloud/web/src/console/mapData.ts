/** What GET /map gives, and the style drawn from it: no tiles, no glyphs, no sprites, nothing from another host. */
import type { ExpressionSpecification, StyleSpecification } from "maplibre-gl";

export interface MapData {
  grids: GeoJSON.FeatureCollection;
  buildings: GeoJSON.FeatureCollection;
  devices: GeoJSON.FeatureCollection;
  responders: GeoJSON.FeatureCollection;
  roads?: GeoJSON.FeatureCollection;
  railways?: GeoJSON.FeatureCollection;
  water?: GeoJSON.FeatureCollection;
  blocks?: GeoJSON.FeatureCollection;
  /** Where water may come to, as the data says it; drawn hatched, never in a level's colour. */
  cones?: GeoJSON.FeatureCollection;
}

export type Box = [[number, number], [number, number]];

const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

function walk(coordinates: unknown, see: (lon: number, lat: number) => void): void {
  if (!Array.isArray(coordinates)) return;
  if (typeof coordinates[0] === "number" && typeof coordinates[1] === "number") see(coordinates[0], coordinates[1]);
  else for (const part of coordinates) walk(part, see);
}

/** The box around some features; null when there is nothing with a place. */
export function boundsOf(...collections: (GeoJSON.FeatureCollection | undefined)[]): Box | null {
  let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
  for (const collection of collections) {
    for (const feature of collection?.features ?? []) {
      if (!feature.geometry || !("coordinates" in feature.geometry)) continue;
      walk(feature.geometry.coordinates, (lon, lat) => {
        west = Math.min(west, lon);
        east = Math.max(east, lon);
        south = Math.min(south, lat);
        north = Math.max(north, lat);
      });
    }
  }
  return Number.isFinite(west) ? [[west, south], [east, north]] : null;
}

/** A point to hang a name on: the middle of a feature's box. */
export function middleOf(feature: GeoJSON.Feature): [number, number] | null {
  const box = boundsOf({ type: "FeatureCollection", features: [feature] });
  return box ? [(box[0][0] + box[1][0]) / 2, (box[0][1] + box[1][1]) / 2] : null;
}

/** Where the name of a road, a railway or water stands: as the data says, else the middle. */
export function labelOf(feature: GeoJSON.Feature): [number, number] | null {
  const given = feature.properties?.["label"] as unknown;
  return Array.isArray(given) && typeof given[0] === "number" && typeof given[1] === "number" ? [given[0], given[1]] : middleOf(feature);
}

/** Whether it runs rather north and south, so that its name is written downward. */
export function isUpright(feature: GeoJSON.Feature): boolean {
  const box = boundsOf({ type: "FeatureCollection", features: [feature] });
  return box !== null && box[1][1] - box[0][1] > box[1][0] - box[0][0];
}

/** Pixels at zoom 13 and 20 for so many metres, exponential between them (at the latitude of eastern China). */
function metres(least: number, fallback: number, part = 1): ExpressionSpecification {
  const wide: ExpressionSpecification = ["*", part, ["coalesce", ["get", "width_m"], fallback]];
  return ["interpolate", ["exponential", 2], ["zoom"], 13, ["max", least, ["*", wide, 0.12]], 20, ["*", wide, 15.4]];
}

const HEIGHT: ExpressionSpecification = ["coalesce", ["get", "height_m"], ["*", 3, ["coalesce", ["get", "floors"], 2]]];

export function styleOf(data: MapData, colour: (name: string) => string, tilted: boolean): StyleSpecification {
  return {
    version: 8,
    sources: {
      grids: { type: "geojson", data: data.grids ?? EMPTY },
      water: { type: "geojson", data: data.water ?? EMPTY },
      roads: { type: "geojson", data: data.roads ?? EMPTY },
      railways: { type: "geojson", data: data.railways ?? EMPTY },
      blocks: { type: "geojson", data: data.blocks ?? EMPTY },
      buildings: { type: "geojson", data: data.buildings ?? EMPTY },
      devices: { type: "geojson", data: data.devices ?? EMPTY },
      cones: { type: "geojson", data: data.cones ?? EMPTY },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colour("--map-bg") } },
      { id: "water", type: "fill", source: "water", paint: { "fill-color": colour("--map-water"), "fill-outline-color": colour("--map-edge") } },
      { id: "blocks", type: "fill", source: "blocks", paint: { "fill-color": colour("--map-block") } },
      { id: "roads", type: "line", source: "roads", layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour("--map-road"), "line-width": metres(2, 10) } },
      { id: "rails", type: "line", source: "railways", layout: { "line-join": "round" }, paint: { "line-color": colour("--map-text"), "line-width": metres(2.5, 7) } },
      { id: "sleepers", type: "line", source: "railways", paint: { "line-color": colour("--map-road"), "line-width": metres(1, 7, 0.45), "line-dasharray": [4, 4] } },
      { id: "grids", type: "line", source: "grids", paint: { "line-color": colour("--map-edge"), "line-width": 1.2, "line-dasharray": [6, 3, 1, 3] } },
      tilted
        ? { id: "buildings", type: "fill-extrusion", source: "buildings", paint: { "fill-extrusion-color": colour("--map-block"), "fill-extrusion-height": HEIGHT, "fill-extrusion-opacity": 0.92 } }
        : { id: "buildings", type: "fill", source: "buildings", paint: { "fill-color": colour("--map-block"), "fill-outline-color": colour("--map-edge") } },
      {
        id: "devices", type: "circle", source: "devices",
        paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 13, 2, 17, 4], "circle-color": colour("--panel"), "circle-stroke-color": colour("--map-text"), "circle-stroke-width": 1.5 },
        filter: ["==", ["get", "hazard"], "smoke"],
      },
      {
        id: "gauges", type: "symbol", source: "devices", filter: ["in", ["get", "hazard"], ["literal", ["water_level", "curtain_wall"]]],
        layout: { "icon-image": ["concat", "device-", ["get", "hazard"]], "icon-allow-overlap": true },
      },
      { id: "cone", type: "fill", source: "cones", paint: { "fill-color": colour("--map-water"), "fill-opacity": 0.55 } },
      { id: "cone-edge", type: "line", source: "cones", paint: { "line-color": colour("--ink-2"), "line-width": 1.6, "line-dasharray": [3, 2] } },
    ],
  };
}
