/** Which rows of a long list are in view. Pure: heights in, indices out. */

/** Where each row begins, and at the end the height of all. */
export function offsets(heights: readonly number[]): number[] {
  const found = [0];
  for (const height of heights) found.push(found[found.length - 1]! + height);
  return found;
}

/** The last row that begins at or above `y`. */
export function rowAt(begins: readonly number[], y: number): number {
  let low = 0;
  let high = Math.max(0, begins.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (begins[middle]! <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** First and last row (exclusive) to draw for a view, with some rows beyond each edge. */
export function inView(begins: readonly number[], top: number, height: number, beyond = 6): [number, number] {
  const rows = begins.length - 1;
  if (rows <= 0) return [0, 0];
  return [Math.max(0, rowAt(begins, top) - beyond), Math.min(rows, rowAt(begins, top + height) + 1 + beyond)];
}

/** The scroll position that brings a row fully into view, moving as little as possible; null when it is there. */
export function scrollFor(begins: readonly number[], row: number, top: number, height: number, header = 0): number | null {
  const begin = begins[row] ?? 0;
  const end = begins[row + 1] ?? begin;
  if (begin < top + header) return Math.max(0, begin - header);
  if (end > top + height) return end - height;
  return null;
}
