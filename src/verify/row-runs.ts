/** Rows in runs of the graph, and what it computed for them. */
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import { range } from '../linalg/matrix.js';

/** The feeds of some rows, filled up to the batch that the graph is fixed to by repeating the last one. */
export function runFeeds(dataset: Dataset, rows: Int32Array): Feeds {
  return gatherRows(dataset, padded(rows, dataset.fixedBatch));
}

function padded(rows: Int32Array, fixedBatch: number | undefined): Int32Array {
  if (fixedBatch === undefined || rows.length >= fixedBatch) return rows;
  return Int32Array.from({ length: fixedBatch }, (_, i) => rows[Math.min(i, rows.length - 1)]!);
}

/** What the graph computed for the first rows of a batch that was filled up. */
export function firstRows(
  outputs: ReadonlyMap<string, NumericArray>,
  rows: number,
  { fixedBatch }: Dataset,
): ReadonlyMap<string, NumericArray> {
  if (fixedBatch === undefined || rows === fixedBatch) return outputs;
  const whole = (array: NumericArray): boolean => array.dims[0] !== fixedBatch || Array.isArray(array.data);
  return new Map([...outputs].map(([name, array]) => [name, whole(array) ? array : takeRows(array, 0, range(rows))]));
}
