import { gatherRows, type Dataset } from '../calibration/dataset.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import { skeleton } from '../calibration/instrument.js';
import type { Model } from '../graph/ir.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import type { TargetScale } from './training-graph.js';

/** Rows of a run of the teacher. */
const ROWS = 1024;
/** Rows that the deviations of its outputs are taken from. */
const SAMPLE = 8192;

/**
 * What the teacher computes on rows of the data: kept from one epoch to the next where its outputs have a row for each row of the data and all
 * of it fits into memory, else computed again.
 */
export class Targets {
  private readonly kept = new Map<string, NumericArray>();
  private readonly place = new Map<number, number>();

  private constructor(
    private readonly session: Session,
    private readonly data: Dataset,
    readonly scales: readonly TargetScale[],
  ) {}

  /**
   * Runs the teacher.
   * @param outputs values of the teacher that the student has to match
   * @param rows rows that will be asked for
   * @param memory bytes that kept targets may take
   */
  static async open(
    teacher: Model,
    outputs: readonly string[],
    data: Dataset,
    rows: Int32Array,
    memory: number,
    options: SessionOptions,
  ): Promise<Targets> {
    const model = skeleton(teacher, {
      nodes: teacher.graph.nodes,
      initializers: teacher.graph.initializers.values(),
      inputs: teacher.graph.inputs
        .filter((i) => !teacher.graph.initializers.has(i.name))
        .map((i) => ({
          name: i.name,
          dtype: i.dtype ?? 'float32',
          ...(i.shape === undefined ? {} : { rank: i.shape.length }),
        })),
      outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
    });
    const session = await Session.open(model, options);
    const step = data.fixedBatch ?? ROWS;
    const parts: ReadonlyMap<string, NumericArray>[] = [];
    let bytes = 0;
    let keep = true;
    for (let start = 0; start + (data.fixedBatch ?? 1) <= rows.length; start += step) {
      const part = rows.subarray(start, start + step);
      if (!keep && start >= SAMPLE) break;
      const run = await session.run(gatherRows(data, part));
      for (const array of run.values()) {
        bytes += array.data.length * 4;
        if (array.dims[0] !== part.length || !(array.data instanceof Float32Array)) keep = false;
      }
      keep &&= bytes <= memory;
      parts.push(run);
    }
    const scales = outputs.map((output) => ({ output, deviations: deviationsOf(parts.map((p) => p.get(output)!)) }));
    const targets = new Targets(session, data, scales);
    if (keep) {
      for (const output of outputs) targets.kept.set(output, joined(parts.map((p) => p.get(output)!)));
      rows.forEach((row, i) => targets.place.set(row, i));
    }
    return targets;
  }

  /** The targets of some rows. @param feeds the same rows as the model's inputs */
  async of(rows: Int32Array, feeds: Feeds): Promise<ReadonlyMap<string, NumericArray>> {
    if (this.kept.size === 0) return this.session.run(feeds);
    const at = Int32Array.from(rows, (row) => this.place.get(row)!);
    return new Map([...this.kept].map(([output, array]) => [output, takeRows(array, 0, at)]));
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

function joined(parts: readonly NumericArray[]): NumericArray {
  const first = parts[0]!;
  const data = new Float32Array(parts.reduce((sum, p) => sum + p.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  const width = first.dims.slice(1).reduce((a, b) => a * b, 1);
  return { dtype: 'float32', dims: [data.length / width, ...first.dims.slice(1)], data };
}

/** Standard deviations of the columns of a matrix with more rows than columns, or of all elements as one. */
function deviationsOf(parts: readonly NumericArray[]): Float64Array {
  const { dims } = parts[0]!;
  const count = parts.reduce((sum, p) => sum + p.data.length, 0);
  const columns = dims.length === 2 && count / dims[1]! > dims[1]! ? dims[1]! : 1;
  const mean = new Float64Array(columns);
  const square = new Float64Array(columns);
  const rows = count / columns;
  for (const { data } of parts) (data as Float32Array).forEach((v, i) => (mean[i % columns]! += v / rows));
  for (const { data } of parts)
    (data as Float32Array).forEach((v, i) => (square[i % columns]! += (v - mean[i % columns]!) ** 2 / rows));
  return square.map((s) => (s > 1e-20 ? Math.sqrt(s) : 0));
}
