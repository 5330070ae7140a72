/** Level shapes on a 20 × 20 grid: square, triangle, diamond, circle; a struck-out box for devices. */
import type { Level } from "../types";

export const SHAPES: Record<Level | "device", string> = {
  I: "M2.5 2.5h15v15h-15Z",
  II: "M10 1.8 18.8 17.6H1.2Z",
  III: "M10 .8 19.2 10 10 19.2 .8 10Z",
  IV: "M18.2 10a8.2 8.2 0 1 1-16.4 0 8.2 8.2 0 0 1 16.4 0Z",
  device: "M3 6h14a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1ZM5 17.5 15 2.5",
};
