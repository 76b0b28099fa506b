import { skeleton } from '../calibration/instrument.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import { Session, type SessionOptions } from '../runtime/session.js';
import type { TrainingRows } from './augmentation.js';

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
    private readonly rowsPerRun: number,
    all: Int32Array,
  ) {
    all.forEach((row, i) => this.place.set(row, i));
  }

  /**
   * Loads the teacher.
   * @param outputs values of the teacher that the student has to match
   * @param all rows that will be asked for
   * @param memory bytes that kept targets may take
   * @param rowsPerRun of the teacher while deviations are taken
   */
  static async open(
    teacher: Model,
    outputs: readonly string[],
    rows: TrainingRows,
    all: Int32Array,
    { memory, rowsPerRun }: { readonly memory: number; readonly rowsPerRun: number },
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
    return new Targets(await Session.open(model, options), rows, memory, rowsPerRun, all);
  }

  /** Standard deviations of values of the teacher on the first rows: of the columns of a matrix with more rows than columns, else of all elements as one. */
  async deviations(outputs: readonly string[]): Promise<Map<string, Float64Array>> {
    const { data } = this.rows;
    const step = data.fixedBatch ?? this.rowsPerRun;
    const all = Int32Array.from(this.place.keys());
    const spreads = new Map<string, ColumnSpread>();
    for (let start = 0; start < SAMPLE && start + (data.fixedBatch ?? 1) <= all.length; start += step) {
      const part = all.subarray(start, start + step);
      const values = await this.of(part, 0, this.rows.feeds(part, 0));
      for (const output of outputs) {
        const { dims, data: numbers } = values.get(output)!;
        const perColumn = dims.length === 2 && Math.min(SAMPLE, all.length) > dims[1]!;
        const spread = spreads.get(output) ?? new ColumnSpread(perColumn ? dims[1]! : 1);
        spread.add(numbers as Float32Array);
        spreads.set(output, spread);
      }
    }
    return new Map(
      [...spreads].map(([output, spread]) => [output, spread.deviations().map((d) => (d > 1e-10 ? d : 0))]),
    );
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
    // Rows of the inputs on another axis may lie on any axis of what is made of them.
    if (this.rows.data.inputs.some((i) => (i.rowAxis ?? 0) !== 0)) return;
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
