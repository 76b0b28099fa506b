import type { NumericArray } from '../graph/feeds.js';

/** Outputs of the original model on the rows that plans are judged by: what reduced models are compared with. */
export type ReferenceOutputs = ReadonlyMap<string, NumericArray>;

/**
 * Mean squared error of a model's outputs, each divided by its variance, averaged over the outputs: the square that plans add up.
 * Rank-2 outputs are standardised per column (columns of variance below 1e-20 are left out), others as a whole. Outputs that are not
 * floating-point numbers do not count.
 * @returns 0 where no output can be judged.
 */
export function standardisedSquaredError(reference: ReferenceOutputs, candidate: ReadonlyMap<string, NumericArray>): number {
  let sum = 0;
  let count = 0;
  for (const [name, a] of reference) {
    const b = candidate.get(name);
    if (b === undefined || !(a.data instanceof Float32Array || a.data instanceof Float64Array)) continue;
    const columns = a.dims.length === 2 ? a.dims[1]! : 1;
    const x = a.data;
    const y = b.data as Float32Array | Float64Array;
    const rows = x.length / columns;
    let outputSum = 0;
    let outputColumns = 0;
    for (let c = 0; c < columns; c++) {
      let mean = 0;
      for (let i = c; i < x.length; i += columns) mean += x[i]!;
      mean /= rows;
      let variance = 0;
      let error = 0;
      for (let i = c; i < x.length; i += columns) {
        variance += (x[i]! - mean) ** 2;
        error += (x[i]! - y[i]!) ** 2;
      }
      if (variance / rows <= 1e-20) continue;
      outputSum += error / variance;
      outputColumns++;
    }
    if (outputColumns === 0) continue;
    sum += outputSum / outputColumns;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}
