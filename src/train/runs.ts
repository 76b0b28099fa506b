import { availableParallelism } from 'node:os';
import type { Model } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import type { SessionOptions } from '../runtime/session.js';

/** How the rows of a step, and those that judge it, are shared out among runs. */
export interface RunPlan {
  /** Rows of a run with a gradient. */
  readonly rows: number;
  /** Rows of a run without one. */
  readonly evaluated: number;
  /** Runs that are made at once, each on a thread of its own. */
  readonly atOnce: number;
}

/** A run of fewer rows is mostly overhead. */
export const LEAST_ROWS = 16;
/** Values that the convolutions of a step must compute, at least, before it is worth being sent to other threads. */
const LEAST_VALUES = 1e6;
/** More at once keep the thread that adds up their gradients busier than they are. */
const MOST_AT_ONCE = 8;
/** Layers that the runtime leaves to one thread where images are small. Large products it shares out itself, and better than parts of a batch would. */
const ON_ONE_THREAD: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose']);

/**
 * Shares a step out among the cores.
 * @param batch rows of a step; a multiple of the fixed batch where there is one
 * @param rowsPerRun of a run without a gradient, where one is made at a time
 * @param shapes of the student's values for `probed` rows
 */
export function planRuns({
  student,
  batch,
  fixedBatch,
  rowsPerRun,
  shapes,
  probed,
  provider,
  cores = availableParallelism(),
}: {
  readonly student: Model;
  readonly batch: number;
  readonly fixedBatch: number | undefined;
  readonly rowsPerRun: number;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly probed: number;
  readonly provider: SessionOptions['provider'];
  readonly cores?: number;
}): RunPlan {
  let values = 0;
  for (const { domain, opType, outputs } of student.graph.nodes)
    if (domain === '' && ON_ONE_THREAD.has(opType))
      values += (elementCount(shapes.get(outputs[0]!) ?? [0]) / probed) * batch;
  const most = provider !== 'cpu' || values < LEAST_VALUES ? 1 : Math.min(cores, MOST_AT_ONCE);
  if (fixedBatch !== undefined)
    return { rows: fixedBatch, evaluated: fixedBatch, atOnce: Math.min(most, batch / fixedBatch) };
  let atOnce = Math.max(1, Math.min(most, Math.floor(batch / LEAST_ROWS)));
  while (batch % atOnce !== 0) atOnce--;
  return { rows: batch / atOnce, evaluated: Math.max(1, Math.floor(rowsPerRun / atOnce)), atOnce };
}

/** Rows in parts of a length; the last may be shorter. */
export function split(rows: Int32Array, length: number): Int32Array[] {
  return Array.from({ length: Math.ceil(rows.length / length) }, (_, i) => rows.subarray(i * length, (i + 1) * length));
}
