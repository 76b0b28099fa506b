import { skeleton } from '../calibration/instrument.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import type { TrainingRows } from './augmentation.js';

/** Rows of a run of the teacher. */
const ROWS = 1024;
/** Rows that the deviations of its outputs are taken from. */
const SAMPLE = 8192;

/** What the teacher made of the rows in one variant, as far as it is known. */
interface Kept {
  readonly known: Uint8Array;
  readonly values: ReadonlyMap<string, NumericArray>;
}

/**
 * What the teacher computes on rows of the data: kept once it is known where its outputs have a row for each row of the data and there is memory
 * for it, else computed again.
 */
export class Targets {
  /** By variant of the rows. */
  private readonly kept = new Map<number, Kept>();
  private readonly place = new Map<number, number>();
  private bytes = 0;

  private constructor(
    private readonly session: Session,
    private readonly rows: TrainingRows,
    private readonly memory: number,
    all: Int32Array,
  ) {
    all.forEach((row, i) => this.place.set(row, i));
  }

  /**
   * Loads the teacher.
   * @param outputs values of the teacher that the student has to match
   * @param all rows that will be asked for
   * @param memory bytes that kept targets may take
   */
  static async open(
    teacher: Model,
    outputs: readonly string[],
    rows: TrainingRows,
    all: Int32Array,
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
    return new Targets(await Session.open(model, options), rows, memory, all);
  }

  /** Standard deviations of values of the teacher on the first rows: of the columns of a matrix with more rows than columns, else of all elements as one. */
  async deviations(outputs: readonly string[]): Promise<Map<string, Float64Array>> {
    const { data } = this.rows;
    const step = data.fixedBatch ?? ROWS;
    const all = Int32Array.from(this.place.keys());
    const parts: ReadonlyMap<string, NumericArray>[] = [];
    for (let start = 0; start < SAMPLE && start + (data.fixedBatch ?? 1) <= all.length; start += step) {
      const part = all.subarray(start, start + step);
      parts.push(await this.of(part, 0, this.rows.feeds(part, 0)));
    }
    return new Map(outputs.map((output) => [output, deviationsOf(parts.map((p) => p.get(output)!))]));
  }

  /**
   * The targets of some rows.
   * @param variant that the rows are in; feeds: the rows as the model's inputs
   */
  async of(rows: Int32Array, variant: number, feeds: Feeds): Promise<ReadonlyMap<string, NumericArray>> {
    const at = Int32Array.from(rows, (row) => this.place.get(row)!);
    const kept = this.kept.get(variant);
    if (kept !== undefined && at.every((i) => kept.known[i] === 1))
      return new Map([...kept.values].map(([output, array]) => [output, takeRows(array, 0, at)]));
    const values = await this.session.run(feeds);
    this.keep(at, variant, values);
    return values;
  }

  private keep(at: Int32Array, variant: number, values: ReadonlyMap<string, NumericArray>): void {
    for (const { dims, data } of values.values()) if (dims[0] !== at.length || !(data instanceof Float32Array)) return;
    const kept = this.kept.get(variant) ?? this.roomFor(variant, values, at.length);
    if (kept === undefined) return;
    for (const [output, { data }] of values) {
      const width = data.length / at.length;
      const all = kept.values.get(output)!.data as Float32Array;
      at.forEach((to, i) => {
        all.set((data as Float32Array).subarray(i * width, (i + 1) * width), to * width);
      });
    }
    for (const i of at) kept.known[i] = 1;
  }

  private roomFor(variant: number, values: ReadonlyMap<string, NumericArray>, rows: number): Kept | undefined {
    const count = this.place.size;
    const bytes = [...values.values()].reduce((sum, { data }) => sum + (data.length / rows) * count * 4, 0);
    if (this.bytes + bytes > this.memory) return undefined;
    this.bytes += bytes;
    const room = [...values].map(([output, { dims, data }]): [string, NumericArray] => [
      output,
      {
        dtype: 'float32',
        dims: [count, ...dims.slice(1)],
        data: new Float32Array((data.length / rows) * count),
      },
    ]);
    const kept = { known: new Uint8Array(count), values: new Map(room) };
    this.kept.set(variant, kept);
    return kept;
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

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
