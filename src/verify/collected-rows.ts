/** All rows as a user's metric gets them: the runs of the graph one behind the other, plain objects in place of maps. */
import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { concatenate, takeRows } from '../calibration/rows.js';
import { raise } from '../diagnostics/diagnostic.js';
import { outputsDoNotJoin } from '../diagnostics/verify.js';
import type { NumericArray } from '../graph/feeds.js';
import { float16ToNumber } from '../graph/float16.js';
import type { MetricArray, MetricArrays } from './user-metric.js';

/** The outputs of one model, run by run. */
export class CollectedOutputs {
  private readonly runs = new Map<string, NumericArray[]>();

  /** @param rowsOfFirst rows of the first run */
  constructor(
    private readonly dataset: Dataset,
    private readonly rowsOfFirst: number,
  ) {}

  /** Adds what a run gave for its rows. */
  add(outputs: ReadonlyMap<string, NumericArray>): void {
    for (const [name, array] of outputs) {
      const parts = this.runs.get(name);
      if (parts === undefined) this.runs.set(name, [array]);
      else parts.push(array);
    }
  }

  /**
   * The outputs for all rows. Where the graph has no batch axis, rows get one in front. An output that has no axis of rows (as many boxes as
   * were found) has its runs along axis 0.
   * @throws CondenseError where the runs of an output do not fit together
   */
  arrays(): MetricArrays {
    return plain(new Map([...this.runs].map(([name, parts]) => [name, this.joined(name, parts)])));
  }

  private joined(name: string, parts: readonly NumericArray[]): NumericArray {
    const { inputs, fixedBatch } = this.dataset;
    const stacked = inputs.some((i) => i.unbatched) || parts[0]!.dims.length === 0;
    const shaped = stacked ? parts.map((part) => ({ ...part, dims: [1, ...part.dims] })) : parts;
    const { dims } = shaped[0]!;
    // Where rows are in the first run they are in all. A fixed batch lies along axis 0.
    const holdsRows = (axis: number): boolean => fixedBatch === undefined && dims[axis] === this.rowsOfFirst;
    const asInputs = inputs.map((i) => i.rowAxis).find((axis) => axis !== null && holdsRows(axis));
    const found = asInputs ?? dims.findIndex((_, axis) => holdsRows(axis));
    const axis = stacked || found < 0 ? 0 : found;
    const fits = shaped.every(
      (p) => p.dims.length === dims.length && p.dims.every((d, i) => i === axis || d === dims[i]),
    );
    if (!fits) raise(outputsDoNotJoin(name));
    if (!shaped.some(({ data }) => Array.isArray(data))) return concatenate(shaped, axis);
    if (axis !== 0) raise(outputsDoNotJoin(name));
    const data = shaped.flatMap((part) => part.data as string[]);
    return { dtype: shaped[0]!.dtype, dims: [shaped.reduce((sum, p) => sum + p.dims[0]!, 0), ...dims.slice(1)], data };
  }
}

/** The inputs for some rows, rows along the axis that they have in the data. */
export function collectedFeeds(dataset: Dataset, rows: Int32Array): MetricArrays {
  // A row of a graph without a batch axis keeps the axis that it has in the data.
  const batched = { ...dataset, inputs: dataset.inputs.map((input) => ({ ...input, unbatched: false })) };
  return plain(gatherRows(batched, rows));
}

/** The arrays that are no input, for the same rows. */
export function collectedLabels({ extras }: Dataset, rows: Int32Array): MetricArrays {
  return plain(new Map([...extras].map(([name, array]) => [name, takeRows(array, 0, rows)])));
}

function plain(arrays: ReadonlyMap<string, NumericArray>): MetricArrays {
  return Object.fromEntries([...arrays].map(([name, array]) => [name, readable(array)]));
}

/** JavaScript of today has no half-precision arrays. */
function readable({ dtype, dims, data }: NumericArray): MetricArray {
  const values = dtype === 'float16' ? Float32Array.from(data as Uint16Array, float16ToNumber) : data;
  return { dims: [...dims], data: values };
}
