import { skeleton } from '../calibration/instrument.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import { openPool, type SessionPool, type Stage } from '../runtime/session-pool.js';
import type { SessionOptions } from '../runtime/session.js';
import type { TrainingRows } from './augmentation.js';
import { split, type RunPlan } from './runs.js';

/** Rows that the deviations of its outputs are taken from. */
const SAMPLE = 8192;

/** What the teacher made of the rows in one variant, as far as it is known. */
interface Kept {
  readonly known: Uint8Array;
  readonly values: ReadonlyMap<string, NumericArray>;
}

/**
 * What the teacher computes on rows of the data: kept once it is known, where its outputs have a row for each row of the data and there is memory
 * for all of them; else the teacher runs right before the student, and what it makes goes nowhere else.
 */
export class Targets {
  /** By variant of the rows. */
  private readonly kept = new Map<number, Kept>();
  private readonly place = new Map<number, number>();
  /** Whether what the teacher makes is kept; found out when it first runs. */
  private isKept: boolean | undefined;

  private constructor(
    private readonly teacher: Model,
    private readonly pool: SessionPool,
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
   * @param runs how many at once, and how many rows each of the teacher has while deviations are taken
   */
  static async open(
    teacher: Model,
    outputs: readonly string[],
    rows: TrainingRows,
    all: Int32Array,
    { memory, runs }: { readonly memory: number; readonly runs: RunPlan },
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
    return new Targets(model, await openPool([{ model }], runs.atOnce, options), rows, memory, runs.evaluated, all);
  }

  /** How many forms a row has in training. Known once the teacher has run. */
  get variants(): number {
    return this.isKept === true || this.rows.variants === 1 ? this.rows.variants : Infinity;
  }

  /**
   * A graph as it is to be run: after the teacher, where what that makes is not kept. Known once the teacher has run.
   * @param inputs of the graph that take targets, and values of the teacher
   */
  stagesFor(model: Model, inputs: ReadonlyMap<string, string>): readonly Stage[] {
    return this.isKept === true ? [{ model }] : [{ model: this.teacher }, { model, from: inputs }];
  }

  /** Standard deviations of values of the teacher on the first rows: of the columns of a matrix with more rows than columns, else of all elements as one. */
  async deviations(outputs: readonly string[]): Promise<Map<string, Float64Array>> {
    const { data } = this.rows;
    const all = Int32Array.from(this.place.keys());
    const spreads = new Map<string, ColumnSpread>();
    const parts = split(all.subarray(0, Math.max(SAMPLE, data.fixedBatch ?? 1)), this.rowsPerRun).filter(
      (part) => part.length >= (data.fixedBatch ?? 1),
    );
    for (let start = 0; start < parts.length; start += this.pool.size) {
      const now = parts.slice(start, start + this.pool.size);
      const feeds = now.map((part) => this.rows.feeds(part, 0));
      for (const values of await this.computed(now, 0, feeds))
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
   * The targets of some runs; of none where the teacher runs before the student.
   * @param runs rows of each; feeds: the same as the model's inputs
   * @param variant that the rows are in
   */
  async of(
    runs: readonly Int32Array[],
    variant: number,
    feeds: readonly Feeds[],
  ): Promise<readonly ReadonlyMap<string, NumericArray>[]> {
    if (!this.isKept) return runs.map(() => new Map());
    const kept = this.kept.get(variant);
    const places = runs.map((rows) => this.placesOf(rows));
    if (kept === undefined || !places.every((at) => at.every((i) => kept.known[i] === 1)))
      return this.computed(runs, variant, feeds);
    return places.map(
      (at) => new Map([...kept.values].map(([output, array]) => [output, takeRows(array, 0, at)] as const)),
    );
  }

  private placesOf(rows: Int32Array): Int32Array {
    return Int32Array.from(rows, (row) => this.place.get(row)!);
  }

  private async computed(
    runs: readonly Int32Array[],
    variant: number,
    feeds: readonly Feeds[],
  ): Promise<readonly ReadonlyMap<string, NumericArray>[]> {
    const values = await this.pool.run(feeds);
    this.isKept ??= this.hasRoom(values[0]!, runs[0]!.length);
    if (this.isKept)
      runs.forEach((rows, i) => {
        this.keep(this.placesOf(rows), variant, values[i]!);
      });
    return values;
  }

  private hasRoom(values: ReadonlyMap<string, NumericArray>, rows: number): boolean {
    // Rows of the inputs on another axis may lie on any axis of what is made of them.
    if (this.rows.data.inputs.some((i) => (i.rowAxis ?? 0) !== 0)) return false;
    const arrays = [...values.values()];
    const bytes = arrays.reduce((sum, { data }) => sum + (data.length / rows) * this.place.size * 4, 0);
    return (
      arrays.every(({ dims, data }) => dims[0] === rows && data instanceof Float32Array) &&
      bytes * this.rows.variants <= this.memory
    );
  }

  private keep(at: Int32Array, variant: number, values: ReadonlyMap<string, NumericArray>): void {
    const kept = this.kept.get(variant) ?? this.roomFor(variant, values, at.length);
    for (const [output, { data }] of values) {
      const width = data.length / at.length;
      const all = kept.values.get(output)!.data as Float32Array;
      at.forEach((to, i) => {
        all.set((data as Float32Array).subarray(i * width, (i + 1) * width), to * width);
      });
    }
    for (const i of at) kept.known[i] = 1;
  }

  private roomFor(variant: number, values: ReadonlyMap<string, NumericArray>, rows: number): Kept {
    const count = this.place.size;
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
    await this.pool.release();
  }
}
