/**
 * The check rows farthest from the fit rows: distance to the nearest of a sample of the fit rows, in inputs standardised by the fit rows'
 * spread. The error on them, beside the error on all, keeps interpolation from being taken for proof.
 */
import type { NumericArray } from '../graph/feeds.js';
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { shuffled } from '../calibration/random.js';

/** Share of the check rows that is looked at. */
export const FARTHEST_SHARE = 0.05;
/** Inputs with more features than this are thinned out evenly. */
const MOST_FEATURES = 256;
/** Fit rows that stand for all. */
const MOST_ROWS = 1000;

/** Positions (into `check`) of the farthest rows; at least one. */
export function farthestRows(
  fit: Dataset,
  fitRows: ArrayLike<number>,
  check: Dataset,
  checkRows: ArrayLike<number>,
): Int32Array {
  const chosen = shuffled(fitRows.length, 4).slice(0, MOST_ROWS).sort();
  const A = features(
    fit,
    Int32Array.from(chosen, (i) => fitRows[i]!),
  );
  const B = features(check, checkRows);
  // What never changes among the fit rows counts by how it changes among the check rows: there it is new.
  const ofCheck = inverseSpread(B);
  const scale = inverseSpread(A).map((s, i) => (s > 0 ? s : ofCheck[i]!));
  const distance = B.map((row) => {
    let nearest = Infinity;
    for (const other of A) {
      let sum = 0;
      for (let i = 0; i < row.length && sum < nearest; i++) sum += ((row[i]! - other[i]!) * scale[i]!) ** 2;
      nearest = Math.min(nearest, sum);
    }
    return nearest;
  });
  const count = Math.max(1, Math.round(checkRows.length * FARTHEST_SHARE));
  const order = Array.from(distance, (_, i) => i).sort((a, b) => distance[b]! - distance[a]! || a - b);
  return Int32Array.from(order.slice(0, count)).sort();
}

/** Rows as plain vectors of all inputs' elements, thinned out. */
function features(dataset: Dataset, rows: ArrayLike<number>): Float64Array[] {
  const result: Float64Array[] = [];
  const withRows: Dataset = { ...dataset, inputs: dataset.inputs.filter((i) => i.rowAxis !== null) };
  for (let r = 0; r < rows.length; r++) {
    const row: number[] = [];
    for (const array of gatherRows(withRows, [rows[r]!]).values()) pushThinned(array, row);
    result.push(Float64Array.from(row));
  }
  return result;
}

function pushThinned(array: NumericArray, row: number[]): void {
  if (Array.isArray(array.data)) return;
  const step = Math.max(1, Math.ceil(array.data.length / MOST_FEATURES));
  for (let i = 0; i < array.data.length; i += step) row.push(Number(array.data[i]));
}

function inverseSpread(rows: readonly Float64Array[]): Float64Array {
  const n = rows[0]?.length ?? 0;
  return Float64Array.from({ length: n }, (_, i) => {
    let [mean, m2] = [0, 0];
    rows.forEach((row, k) => {
      const delta = row[i]! - mean;
      mean += delta / (k + 1);
      m2 += delta * (row[i]! - mean);
    });
    const variance = m2 / Math.max(rows.length, 1);
    return variance > 1e-20 ? 1 / Math.sqrt(variance) : 0;
  });
}
