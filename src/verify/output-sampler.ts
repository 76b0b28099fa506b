/**
 * What a picture of the differences between two models needs: a sample of values, errors by row, the worst rows, and decisions that changed.
 * It looks on while `compareModels` runs, and runs the worst rows once more.
 */
import type { Dataset } from '../calibration/dataset.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { GateCheck } from './gate.js';
import { numbers, type OutputComparison, type OutputFigures } from './output-comparison.js';
import { firstRows, runFeeds } from './row-runs.js';

/** A row on which the second model errs most. */
export interface WorstRow {
  /** Number of the row in the data, from 0. */
  readonly row: number;
  /** RMS over the standardised elements of the output. */
  readonly rms: number;
  /** The element of the row with the largest standardised error, and its values in both models. */
  readonly element: number;
  readonly original: number;
  readonly reduced: number;
  /** The same values as the scatter plot has them. */
  readonly point: readonly [original: number, reduced: number];
}

/** Decisions (largest entries along the last axis) of class scores that changed. */
export interface ChangedDecisions {
  readonly classes: number;
  readonly decisions: number;
  readonly changed: number;
  /** From which class to which, how often: the most frequent first. */
  readonly pairs: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

/** The differences in one output. */
export interface OutputDetail {
  readonly output: string;
  /** Points are in standard deviations from the mean of their column, in both models those of the original. */
  readonly standardised: boolean;
  /** A sample of elements, spread evenly over all rows. */
  readonly points: readonly (readonly [original: number, reduced: number])[];
  /** RMS standardised errors of the rows in bins of equal width in log₁₀; empty where the output has no rows of its own. */
  readonly rowErrors: {
    readonly bins: readonly { readonly from: number; readonly to: number; readonly count: number }[];
  };
  /** Rows without any error. */
  readonly exactRows: number;
  readonly worst: readonly WorstRow[];
  /** Null where the output holds no class scores. */
  readonly decisions: ChangedDecisions | null;
}

/** How {@link OutputSampler.finish} can run rows again. */
export interface SampledRun {
  readonly rows: Int32Array;
  readonly dataset: Dataset;
  readonly batch: number;
  readonly limits: (figures: OutputFigures) => readonly GateCheck[];
  run(feeds: Feeds): Promise<readonly [ReadonlyMap<string, NumericArray>, ReadonlyMap<string, NumericArray>]>;
}

const POINTS = 1500;
const WORST = 10;
const BINS = 24;
/** Pairs of classes that are told. */
const PAIRS = 400;
/** Outputs with more entries along the last axis are no class scores. */
const MOST_CLASSES = 65_536;
/** Shares of the golden section: fractional parts of its multiples fall evenly and in no step with columns. */
const GOLDEN = 0.6180339887498949;

interface Sample {
  readonly columns: number[];
  readonly original: number[];
  readonly reduced: number[];
}

export class OutputSampler {
  private readonly samples = new Map<string, Sample>();
  private readonly decisions = new Map<string, Decisions>();
  private found: OutputDetail[] = [];
  private held: GateCheck[] = [];

  /** What was found, once the comparison is done. */
  get outputs(): readonly OutputDetail[] {
    return this.found;
  }

  get checks(): readonly GateCheck[] {
    return this.held;
  }

  /** Looks at one run. @param share of all rows that it holds */
  add(output: string, reference: NumericArray, candidate: NumericArray, share: number): void {
    if (reference.dims.join() !== candidate.dims.join()) return;
    const [a, b] = [numbers(reference), numbers(candidate)];
    let sample = this.samples.get(output);
    if (sample === undefined) this.samples.set(output, (sample = { columns: [], original: [], reduced: [] }));
    const columns = reference.dims.at(-1) ?? 1;
    const count = Math.min(a.length, Math.ceil(POINTS * share));
    for (let i = 0; i < count; i++) {
      const at = Math.floor((((i + 0.5) * GOLDEN) % 1) * a.length);
      sample.columns.push(at % columns);
      sample.original.push(a[at]!);
      sample.reduced.push(b[at]!);
    }
    if (reference.dims.length < 2 || columns < 2 || columns > MOST_CLASSES) return;
    let decisions = this.decisions.get(output);
    if (decisions === undefined) this.decisions.set(output, (decisions = new Decisions(columns)));
    decisions.add(a, b);
  }

  /** Puts it together, and runs the worst rows again to see what is wrong with them. */
  async finish(
    comparisons: readonly OutputComparison[],
    figures: readonly OutputFigures[],
    context: SampledRun,
  ): Promise<void> {
    const errors = comparisons.map((comparison) => comparison.rowErrors());
    const worst = errors.map((list) => (list === undefined ? [] : worstOf(list)));
    const values = await rerun([...new Set(worst.flat())], context);
    this.held = figures.flatMap((output) => context.limits(output));
    this.found = comparisons.map((comparison, i): OutputDetail => {
      const { output } = comparison;
      const { mean, deviation } = comparison.spread();
      const standardised = deviation.length > 1;
      const scaled = (column: number, value: number): number =>
        !standardised ? value : deviation[column]! > 0 ? (value - mean[column]!) / deviation[column]! : NaN;
      const sample = this.samples.get(output);
      const points = (sample?.columns ?? []).map(
        (column, at) => [scaled(column, sample!.original[at]!), scaled(column, sample!.reduced[at]!)] as const,
      );
      const rms = errors[i]?.map(Math.sqrt);
      return {
        output,
        standardised,
        points: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
        rowErrors: { bins: rms === undefined ? [] : histogram(rms) },
        exactRows: rms?.filter((e) => e === 0).length ?? 0,
        worst: worst[i]!.flatMap((position) => {
          const pair = values.get(position)?.get(output);
          if (pair === undefined) return [];
          const [original, reduced] = pair;
          const column = (element: number): number => (standardised ? element % deviation.length : 0);
          const error = (element: number): number =>
            Math.abs(reduced[element]! - original[element]!) / (deviation[column(element)]! || Infinity);
          let element = 0;
          for (let e = 1; e < original.length; e++) if (error(e) > error(element)) element = e;
          const [x, y] = [original[element] ?? NaN, reduced[element] ?? NaN];
          const row = context.rows[position]!;
          return [
            {
              row: context.dataset.rowNumbers?.[row] ?? row,
              rms: rms![position]!,
              element,
              original: x,
              reduced: y,
              point: [scaled(column(element), x), scaled(column(element), y)] as const,
            },
          ];
        }),
        decisions: figures[i]!.classScores ? (this.decisions.get(output)?.result() ?? null) : null,
      };
    });
  }
}

/** Counts decisions by what they were and became. */
class Decisions {
  private total = 0;
  private changed = 0;
  private readonly counts = new Map<number, number>();

  constructor(private readonly classes: number) {}

  add(a: ArrayLike<number>, b: ArrayLike<number>): void {
    const { classes } = this;
    for (let base = 0; base < a.length; base += classes) {
      let [from, to] = [0, 0];
      for (let c = 1; c < classes; c++) {
        if (a[base + c]! > a[base + from]!) from = c;
        if (b[base + c]! > b[base + to]!) to = c;
      }
      this.total++;
      if (from === to) continue;
      this.changed++;
      const key = from * classes + to;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    }
  }

  result(): ChangedDecisions {
    const { classes, total, changed, counts } = this;
    const pairs = [...counts]
      .map(([key, count]) => ({ from: Math.floor(key / classes), to: key % classes, count }))
      .sort((a, b) => b.count - a.count || a.from - b.from || a.to - b.to)
      .slice(0, PAIRS);
    return { classes, decisions: total, changed, pairs };
  }
}

/** Positions of the largest errors, the largest first; none where there is no error. */
function worstOf(errors: Float64Array): number[] {
  return Array.from(errors.keys())
    .filter((i) => errors[i]! > 0)
    .sort((a, b) => errors[b]! - errors[a]! || a - b)
    .slice(0, WORST);
}

/** The outputs of both models for some positions among the rows, each position by itself. */
async function rerun(
  positions: readonly number[],
  { rows, dataset, batch, run }: SampledRun,
): Promise<Map<number, Map<string, readonly [ArrayLike<number>, ArrayLike<number>]>>> {
  const found = new Map<number, Map<string, readonly [ArrayLike<number>, ArrayLike<number>]>>();
  for (let start = 0; start < positions.length; start += batch) {
    const part = positions.slice(start, start + batch);
    const [a, b] = (
      await run(
        runFeeds(
          dataset,
          Int32Array.from(part, (p) => rows[p]!),
        ),
      )
    ).map((outputs) => firstRows(outputs, part.length, dataset));
    for (const position of part) found.set(position, new Map());
    for (const [name, array] of a!) {
      const other = b!.get(name);
      if (other === undefined || array.dims.join() !== other.dims.join()) continue;
      const byRow = array.dims[0] === part.length;
      if (!byRow && part.length > 1) continue;
      const pair = [Float64Array.from(numbers(array)), Float64Array.from(numbers(other))] as const;
      const size = pair[0].length / (byRow ? part.length : 1);
      for (const [i, position] of part.entries()) {
        const [original, reduced] = pair.map((values) => values.subarray(i * size, (i + 1) * size));
        found.get(position)!.set(name, [original!, reduced!]);
      }
    }
  }
  return found;
}

function histogram(errors: Float64Array): OutputDetail['rowErrors']['bins'] {
  const logs = errors.filter((e) => e > 0 && Number.isFinite(e)).map(Math.log10);
  if (logs.length === 0) return [];
  const low = logs.reduce((a, b) => Math.min(a, b));
  const high = Math.max(
    logs.reduce((a, b) => Math.max(a, b)),
    low + 0.1,
  );
  const counts = new Array<number>(BINS).fill(0);
  for (const v of logs) counts[Math.min(BINS - 1, Math.floor(((v - low) / (high - low)) * BINS))]!++;
  const edge = (i: number): number => 10 ** (low + ((high - low) * i) / BINS);
  return counts.map((count, i) => ({ from: edge(i), to: edge(i + 1), count }));
}
