/** What GET /map gives, and the style drawn from it: no tiles, no glyphs, no sprites, nothing from another host. */
import type { ExpressionSpecification, StyleSpecification } from "maplibre-gl";

export interface MapData {
  grids: GeoJSON.FeatureCollection;
  buildings: GeoJSON.FeatureCollection;
  devices: GeoJSON.FeatureCollection;
  responders: GeoJSON.FeatureCollection;
  roads?: GeoJSON.FeatureCollection;
  water?: GeoJSON.FeatureCollection;
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

const HEIGHT: ExpressionSpecification = ["coalesce", ["get", "height_m"], ["*", 3, ["coalesce", ["get", "floors"], 2]]];

export function styleOf(data: MapData, colour: (name: string) => string, tilted: boolean): StyleSpecification {
  return {
    version: 8,
    sources: {
      grids: { type: "geojson", data: data.grids ?? EMPTY },
      water: { type: "geojson", data: data.water ?? EMPTY },
      roads: { type: "geojson", data: data.roads ?? EMPTY },
      buildings: { type: "geojson", data: data.buildings ?? EMPTY },
      devices: { type: "geojson", data: data.devices ?? EMPTY },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": colour("--map-bg") } },
      { id: "water", type: "fill", source: "water", paint: { "fill-color": colour("--map-water") } },
      { id: "roads", type: "line", source: "roads", paint: { "line-color": colour("--map-road"), "line-width": ["interpolate", ["exponential", 2], ["zoom"], 13, 2, 18, 26] } },
      { id: "grids", type: "line", source: "grids", paint: { "line-color": colour("--map-edge"), "line-width": 1.2, "line-dasharray": [6, 3, 1, 3] } },
      tilted
        ? { id: "buildings", type: "fill-extrusion", source: "buildings", paint: { "fill-extrusion-color": colour("--map-block"), "fill-extrusion-height": HEIGHT, "fill-extrusion-opacity": 0.92 } }
        : { id: "buildings", type: "fill", source: "buildings", paint: { "fill-color": colour("--map-block"), "fill-outline-color": colour("--map-edge") } },
      {
        id: "devices", type: "circle", source: "devices",
        paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 13, 2, 17, 4], "circle-color": colour("--panel"), "circle-stroke-color": colour("--map-text"), "circle-stroke-width": 1.5 },
        filter: ["==", ["get", "hazard"], "smoke"],
      },
    ],
  };
}
