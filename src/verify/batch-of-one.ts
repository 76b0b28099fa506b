import { gatherRows, type Dataset } from '../calibration/dataset.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import type { VerificationReport } from './report-types.js';

/** Rows that are run one by one as well. */
const SINGLES = 3;
/** Differences between batch sizes below this share of an output's largest value are rounding. */
export const BATCH_ROUNDING = 1e-3;

type Outputs = ReadonlyMap<string, NumericArray>;

/** A model, and what it made of a batch. */
interface Batched {
  readonly inBatch: Outputs;
  readonly run: (feeds: Feeds) => Promise<Outputs>;
}

/** Whether a model rounds by the range of the whole batch (dynamic quantisation), so that a row's answer depends on what else is in it. */
export const scaledByBatch = ({ graph }: Model): boolean =>
  graph.nodes.some(({ opType }) => opType === 'DynamicQuantizeLinear');

/**
 * Runs the first rows of a batch one by one, and compares with what came of them in the batch: a rewrite that fixes the number of rows shows here.
 * @param rows of the batch, as positions in the data
 */
export async function compareBatchOfOne(
  rows: Int32Array,
  dataset: Dataset,
  original: Batched,
  candidate: Batched & { readonly scaledByBatch: boolean },
): Promise<NonNullable<VerificationReport['batchOne']>> {
  const count = Math.min(SINGLES, rows.length);
  let [ofOriginal, ofCandidate, apartAlone, apartInBatch] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const feeds = gatherRows(dataset, [rows[i]!]);
    const [a, b] = [await original.run(feeds), await candidate.run(feeds)];
    const [a0, b0] = [rowOf(original.inBatch, i, rows.length), rowOf(candidate.inBatch, i, rows.length)];
    ofOriginal = Math.max(ofOriginal, difference(a, a0));
    ofCandidate = Math.max(ofCandidate, difference(b, b0));
    apartAlone = Math.max(apartAlone, difference(b, rowOf(a, 0, 1)));
    apartInBatch = Math.max(apartInBatch, difference(b0, a0));
  }
  // A graph that treats a batch as a whole differs by itself; then the reduced one may too.
  const same = ofCandidate <= Math.max(BATCH_ROUNDING, 2 * ofOriginal);
  // One that rounds by the batch must be as near to the original alone as it is in a batch.
  const asNear = candidate.scaledByBatch && apartAlone <= BATCH_ROUNDING + 2 * apartInBatch;
  return { rows: count, largestDifference: ofCandidate, consistent: same || asNear };
}

/** Row i of the outputs that are floating-point and have a row for each row of the batch. */
function rowOf(outputs: Outputs, i: number, rows: number): Outputs {
  const picked = new Map<string, NumericArray>();
  for (const [name, { dtype, dims, data }] of outputs) {
    if (dims[0] !== rows || !(data instanceof Float32Array || data instanceof Float64Array)) continue;
    const size = data.length / rows;
    picked.set(name, { dtype, dims: [1, ...dims.slice(1)], data: data.subarray(i * size, (i + 1) * size) });
  }
  return picked;
}

/** Largest difference between outputs for one row, over the output's largest value. */
function difference(outputs: Outputs, reference: Outputs): number {
  let worst = 0;
  for (const [name, { data }] of outputs) {
    const expected = reference.get(name)?.data;
    if (expected === undefined) continue;
    if (data.length !== expected.length) return Infinity;
    let [gap, largest] = [0, 0];
    for (let k = 0; k < expected.length; k++) {
      gap = Math.max(gap, Math.abs(Number(data[k]) - Number(expected[k])));
      largest = Math.max(largest, Math.abs(Number(expected[k])));
    }
    if (largest > 0) worst = Math.max(worst, gap / largest);
  }
  return worst;
}
