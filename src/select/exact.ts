/** Duplicates up to a factor among the rows of a matrix, found by hashing normalised directions and confirmed by comparison. */
import type { Matrix } from '../linalg/matrix.js';

/** What a row is to an earlier one: `leader` is its own index when it stands for itself, −1 for a row of zeros. */
export interface RowFate {
  readonly leader: number;
  /** row = factor · leader row. */
  readonly factor: number;
}

/**
 * Width of a hash cell in tolerances for each column. Normalised duplicates differ by at most twice the tolerance in a column, so their
 * fingerprints differ by at most 3: they lie in the same cell or in neighbours.
 */
const CELL = 4;

/**
 * @param scale which factors count: none (equal rows only), positive ones, or any
 * @param tolerance largest difference relative to the row's largest entry
 */
export function duplicateRows(
  rows: Matrix,
  { scale, tolerance }: { readonly scale: 'none' | 'positive' | 'any'; readonly tolerance: number },
): RowFate[] {
  const fates: RowFate[] = [];
  const buckets = new Map<number, number[]>();
  for (let r = 0; r < rows.rows; r++) {
    const row = rows.data.subarray(r * rows.cols, (r + 1) * rows.cols);
    const pivot = row.reduce((best, v, i) => (Math.abs(v) > Math.abs(row[best]!) ? i : best), 0);
    const size = Math.abs(row[pivot] ?? 0);
    if (size === 0) {
      fates.push({ leader: -1, factor: 0 });
      continue;
    }
    // A fingerprint that rows of one direction share: the sum of the normalised row weighted by fixed irregular numbers.
    let print = 0;
    for (let i = 0; i < row.length; i++) print += (row[i]! / size) * irregular(i);
    if (scale === 'any') print = Math.abs(print);
    const cell = Math.round(print / (row.length * tolerance * CELL));
    const candidates = [cell - 1, cell, cell + 1].flatMap((c) => buckets.get(c) ?? []);
    const leader = candidates.find((l) => factorBetween(rows, l, r, scale, tolerance) !== undefined);
    if (leader === undefined) {
      buckets.set(cell, [...(buckets.get(cell) ?? []), r]);
      fates.push({ leader: r, factor: 1 });
    } else fates.push({ leader, factor: factorBetween(rows, leader, r, scale, tolerance)! });
  }
  return fates;
}

/** c with row = c · leader, or undefined. */
function factorBetween(
  rows: Matrix,
  leader: number,
  row: number,
  scale: 'none' | 'positive' | 'any',
  tolerance: number,
): number | undefined {
  const a = rows.data.subarray(leader * rows.cols, (leader + 1) * rows.cols);
  const b = rows.data.subarray(row * rows.cols, (row + 1) * rows.cols);
  let dot = 0;
  let norm = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    norm += a[i]! * a[i]!;
    size = Math.max(size, Math.abs(b[i]!));
  }
  const factor = scale === 'none' ? 1 : dot / norm;
  if (scale === 'positive' && factor <= 0) return undefined;
  // Written so that NaN is no duplicate of anything.
  for (let i = 0; i < a.length; i++) if (!(Math.abs(b[i]! - factor * a[i]!) <= tolerance * size)) return undefined;
  return factor;
}

/** Fixed numbers in [0.5, 1.5) without a pattern that weights could share: fractional parts of multiples of the golden ratio. */
function irregular(i: number): number {
  return 0.5 + (((i + 1) * 0.6180339887498949) % 1);
}
