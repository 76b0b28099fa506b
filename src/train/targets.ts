import { skeleton } from '../calibration/instrument.js';
import { takeRows } from '../calibration/rows.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { ColumnSpread } from '../linalg/column-spread.js';
import type { Loaded, SessionPool, Stage } from '../runtime/session-pool.js';
import type { TrainingRows } from './augmentation.js';
import { split, type RunPlan } from './runs.js';

/** Rows that the deviations of its outputs are taken from. */
const SAMPLE = 8192;

/** What the teacher made of the rows in one variant, as far as it is known. */
interface Kept {
  readonly known: Uint8Array;
  readonly values: ReadonlyMap<string, NumericArray>;
}

/** How some runs come to their targets. */
export interface Wanted {
  /** What has to run before the student: the teacher, where what it makes is not at hand. */
  readonly before: readonly Stage[];
  /** Values of the teacher for each run; none where the teacher runs before. */
  readonly values: readonly ReadonlyMap<string, NumericArray>[];
}

/**
 * What the teacher computes on rows of the data: kept once it is known, where its outputs have a row for each row of the data, the rows are seen again
 * in the same form, and there is memory for it; else the teacher runs right before the student, and what it makes goes nowhere else.
 */
export class Targets {
  /** By variant of the rows. */
  private readonly kept = new Map<number, Kept>();
  private readonly place = new Map<number, number>();
  /** Forms of the rows that are kept: all that there are, or the rows as they are, or none. */
  private forms = 0;
  private spreads: ReadonlyMap<string, Float64Array> = new Map();

  private constructor(
    private readonly teacher: Loaded,
    private readonly pool: SessionPool,
    private readonly rows: TrainingRows,
    all: Int32Array,
  ) {
    all.forEach((row, i) => this.place.set(row, i));
  }

  /**
   * Loads the teacher, and lets it run on the first rows.
   * @param outputs values of the teacher that the student has to match
   * @param all rows that will be asked for
   * @param memory bytes that kept targets may take
   */
  static async open(
    teacher: Model,
    outputs: readonly string[],
    rows: TrainingRows,
    all: Int32Array,
    { memory, runs }: { readonly memory: number; readonly runs: RunPlan },
    pool: SessionPool,
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
    const targets = new Targets(await pool.load(model), pool, rows, all);
    await targets.look(outputs, all, memory, runs);
    return targets;
  }

  /** Standard deviations of the teacher's values: of the columns of a matrix with more rows than columns, else of all elements as one. */
  get deviations(): ReadonlyMap<string, Float64Array> {
    return this.spreads;
  }

  /** How many forms a row has in training: as many as are kept, or ever new ones where they are not. */
  get variants(): number {
    const { variants } = this.rows;
    return variants === 1 || this.forms === variants ? variants : Infinity;
  }

  /** Lets the teacher run on the first rows: what it makes is measured. */
  private async look(outputs: readonly string[], all: Int32Array, memory: number, runs: RunPlan): Promise<void> {
    const { fixedBatch = 1 } = this.rows.data;
    const spreads = new Map<string, ColumnSpread>();
    const parts = split(all.subarray(0, Math.max(SAMPLE, fixedBatch)), runs.evaluated).filter(
      (part) => part.length >= fixedBatch,
    );
    for (let start = 0; start < parts.length; start += runs.atOnce) {
      const now = parts.slice(start, start + runs.atOnce);
      const made = await this.ask(now.map((part) => this.rows.feeds(part, 0)));
      if (start === 0) this.forms = this.formsIn(memory, made[0]!, now[0]!.length);
      if (this.forms > 0) this.keep(now, 0, made);
      for (const values of made)
        for (const output of outputs) {
          const { dims, data } = values.get(output)!;
          const perColumn = dims.length === 2 && Math.min(SAMPLE, all.length) > dims[1]!;
          const spread = spreads.get(output) ?? new ColumnSpread(perColumn ? dims[1]! : 1);
          spread.add(data as Float32Array);
          spreads.set(output, spread);
        }
    }
    this.spreads = new Map(
      [...spreads].map(([output, spread]) => [output, spread.deviations().map((d) => (d > 1e-10 ? d : 0))]),
    );
  }

  /**
   * How some runs come to their targets.
   * @param parts rows of each run; feeds: the same as the model's inputs
   * @param variant that the rows are in
   */
  async of(parts: readonly Int32Array[], variant: number, feeds: readonly Feeds[]): Promise<Wanted> {
    if (variant >= this.forms) return { before: [{ model: this.teacher }], values: feeds.map(() => new Map()) };
    const kept = this.kept.get(variant);
    const places = parts.map((rows) => this.placesOf(rows));
    if (kept === undefined || !places.every((at) => at.every((i) => kept.known[i] === 1))) {
      const made = await this.ask(feeds);
      this.keep(parts, variant, made);
      return { before: [], values: made };
    }
    const values = places.map(
      (at) => new Map([...kept.values].map(([output, array]) => [output, takeRows(array, 0, at)] as const)),
    );
    return { before: [], values };
  }

  private ask(feeds: readonly Feeds[]): Promise<Map<string, NumericArray>[]> {
    return this.pool.run([{ model: this.teacher }], feeds);
  }

  private placesOf(rows: Int32Array): Int32Array {
    return Int32Array.from(rows, (row) => this.place.get(row)!);
  }

  private formsIn(memory: number, values: ReadonlyMap<string, NumericArray>, rows: number): number {
    // Rows of the inputs on another axis may lie on any axis of what is made of them.
    if (this.rows.data.inputs.some((i) => (i.rowAxis ?? 0) !== 0) || !haveRows(values, rows)) return 0;
    let bytes = 0;
    for (const { data } of values.values()) bytes += (data.length / rows) * this.place.size * 4;
    const { variants } = this.rows;
    return bytes * variants <= memory ? variants : bytes <= memory ? 1 : 0;
  }

  private keep(
    parts: readonly Int32Array[],
    variant: number,
    made: readonly ReadonlyMap<string, NumericArray>[],
  ): void {
    made.forEach((values, k) => {
      const at = this.placesOf(parts[k]!);
      if (!haveRows(values, at.length)) return;
      const kept = this.kept.get(variant) ?? this.placeFor(variant, values, at.length);
      for (const [output, { data }] of values) {
        const width = data.length / at.length;
        const all = kept.values.get(output)!.data as Float32Array;
        at.forEach((to, i) => {
          all.set((data as Float32Array).subarray(i * width, (i + 1) * width), to * width);
        });
      }
      for (const i of at) kept.known[i] = 1;
    });
  }

  private placeFor(variant: number, values: ReadonlyMap<string, NumericArray>, rows: number): Kept {
    const count = this.place.size;
    const place = [...values].map(([output, { dims, data }]): [string, NumericArray] => [
      output,
      {
        dtype: 'float32',
        dims: [count, ...dims.slice(1)],
        data: new Float32Array((data.length / rows) * count),
      },
    ]);
    const kept = { known: new Uint8Array(count), values: new Map(place) };
    this.kept.set(variant, kept);
    return kept;
  }
}

/** Whether values have a row for each row of the data. */
function haveRows(values: ReadonlyMap<string, NumericArray>, rows: number): boolean {
  return [...values.values()].every(({ dims, data }) => dims[0] === rows && data instanceof Float32Array);
}
