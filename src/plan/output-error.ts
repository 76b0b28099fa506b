import type { NumericArray } from '../graph/feeds.js';
import { float16ToNumber } from '../graph/float16.js';

/** A model's outputs on some rows, batch by batch. */
export type Outputs = readonly ReadonlyMap<string, NumericArray>[];

/**
 * Mean squared error of a model's outputs, each divided by its variance, averaged over the outputs: the square that plans add up.
 * Rank-2 outputs are standardised per column (columns of variance below 1e-20 are left out), others as a whole, and so are those of fewer rows than columns. Outputs that are not
 * floating-point numbers do not count.
 * @returns 0 where no output can be judged.
 */
export function standardisedSquaredError(reference: Outputs, candidate: Outputs): number {
  let sum = 0;
  let count = 0;
  for (const name of reference[0]?.keys() ?? []) {
    const error = outputError(
      reference.map((o) => o.get(name)!),
      candidate.map((o) => o.get(name)!),
    );
    if (error === undefined) continue;
    sum += error;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

function outputError(reference: readonly NumericArray[], candidate: readonly NumericArray[]): number | undefined {
  const first = reference[0]!;
  const [x, y] = [joined(reference), joined(candidate)];
  if (x === undefined || y === undefined || x.length !== y.length) return undefined;
  const width = first.dims.length === 2 ? first.dims[1]! : 1;
  // Fewer rows than columns do not tell the variance of each.
  const columns = x.length / width < width ? 1 : width;
  const rows = x.length / columns;
  let sum = 0;
  let counted = 0;
  for (let c = 0; c < columns; c++) {
    let mean = 0;
    for (let i = c; i < x.length; i += columns) mean += x[i]! / rows;
    let [variance, error] = [0, 0];
    for (let i = c; i < x.length; i += columns) {
      variance += (x[i]! - mean) ** 2;
      error += (x[i]! - y[i]!) ** 2;
    }
    if (variance / rows <= 1e-20) continue;
    sum += error / variance;
    counted++;
  }
  return counted === 0 ? undefined : sum / counted;
}

/** The elements of all batches one behind the other; undefined where they are no floating-point numbers. */
function joined(parts: readonly NumericArray[]): Float64Array | undefined {
  const result = new Float64Array(parts.reduce((sum, p) => sum + p.data.length, 0));
  let at = 0;
  for (const { data, dtype } of parts) {
    if (dtype === 'float16') result.set(Float64Array.from(data as Uint16Array, float16ToNumber), at);
    else if (data instanceof Float32Array || data instanceof Float64Array) result.set(data, at);
    else return undefined;
    at += data.length;
  }
  return result;
}
