import type { Dataset } from '../calibration/dataset.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { BATCH_ROUNDING, compareBatchOfOne, scaledByBatch } from './batch-of-one.js';
import { ALPHA, exceedanceBound } from './bounds.js';
import { CollectedOutputs } from './collected-rows.js';
import { checksOf, judge } from './gate.js';
import { OutputComparison } from './output-comparison.js';
import type { OutputSampler } from './output-sampler.js';
import { SAMPLE_ASSUMPTION, type VerificationReport } from './report-types.js';
import { rollOut, type Rollout } from './rollout.js';
import { firstRows, runFeeds } from './row-runs.js';
import { ScoredRows } from './score.js';
import type { Tolerance } from './tolerance.js';
import type { Metric, ScoreChange, ScoreFigures } from './user-metric.js';

export interface ComparisonOptions {
  readonly session: SessionOptions;
  /** Rows per run. */
  readonly batch: number;
  readonly tolerance: Tolerance | undefined;
  /** The default limits are those of `exact`. */
  readonly exact: boolean;
  /** The user's own measure. */
  readonly metric?: Metric | undefined;
  /** How much of its score may be lost; it is only reported when undefined. */
  readonly scoreLimit?: ScoreChange | undefined;
  /** How the models are stepped on their own outputs, where they are. */
  readonly rollout?: Rollout | undefined;
  readonly rowTolerance: number | undefined;
  /** Outputs that hold class scores, whatever their values look like. */
  readonly classes: readonly string[];
  /** Positions among the rows of those farthest from the fit rows. */
  readonly farthest: Int32Array | undefined;
  /** How many candidates were checked on these rows; they share the chance of being wrong. */
  readonly candidates?: number;
  /** Gathers what a picture of the differences needs; nothing is gathered without it. */
  readonly sampler?: OutputSampler | undefined;
  readonly onRows?: (done: number, total: number) => void;
  /** Told of the steps of a rollout. */
  readonly onSteps?: (done: number, total: number) => void;
}

/** A row counts as exceeded by default when its RMS over the standardised outputs is above this. */
const DEFAULT_ROW_TOLERANCE = 0.1;

/** Runs two models over the same rows and judges how far the second is from the first. */
export async function compareModels(
  reference: Model,
  candidate: Model,
  dataset: Dataset,
  rows: Int32Array,
  options: ComparisonOptions,
): Promise<VerificationReport> {
  return withSession(reference, options.session, (a) =>
    withSession(candidate, options.session, async (b) => {
      const comparisons = new Map<string, OutputComparison>();
      const first: {
        feeds: Feeds;
        a: ReadonlyMap<string, NumericArray>;
        b: ReadonlyMap<string, NumericArray>;
        rows: Int32Array;
      }[] = [];
      const { metric } = options;
      const firstRun = Math.min(options.batch, rows.length);
      const collected =
        metric === undefined
          ? undefined
          : { a: new CollectedOutputs(dataset, firstRun), b: new CollectedOutputs(dataset, firstRun) };
      for (let start = 0; start < rows.length; start += options.batch) {
        const part = rows.subarray(start, Math.min(start + options.batch, rows.length));
        const feeds = runFeeds(dataset, part);
        const [left, right] = [
          firstRows(await a.run(feeds), part.length, dataset),
          firstRows(await b.run(feeds), part.length, dataset),
        ];
        for (const [name, array] of left) {
          let comparison = comparisons.get(name);
          if (comparison === undefined) comparisons.set(name, (comparison = new OutputComparison(name)));
          const other = right.get(name);
          if (other === undefined) continue;
          comparison.add(array, other, part.length);
          options.sampler?.add(name, array, other, part.length / rows.length);
        }
        collected?.a.add(left);
        collected?.b.add(right);
        if (start === 0) first.push({ feeds, a: left, b: right, rows: part });
        options.onRows?.(start + part.length, rows.length);
      }
      const batchOne =
        dataset.fixedBatch !== undefined || first[0] === undefined || first[0].rows.length < 2
          ? null
          : await compareBatchOfOne(
              first[0].rows,
              dataset,
              { inBatch: first[0].a, run: (f) => a.run(f) },
              { inBatch: first[0].b, run: (f) => b.run(f), scaledByBatch: scaledByBatch(candidate) },
            );
      const score =
        metric === undefined ? null : await scores(metric, new ScoredRows(metric, dataset, rows), collected!);
      const { rollout, batch, onSteps } = options;
      const stepped =
        rollout === undefined || [...comparisons.values()].some((c) => c.differsInShape)
          ? null
          : await rollOut({ original: a, reduced: b }, dataset, rows, rollout, { batch, onSteps });
      const judged = report([...comparisons.values()], rows.length, batchOne, score, options);
      await options.sampler?.finish([...comparisons.values()], judged.outputs, {
        rows,
        dataset,
        batch: options.batch,
        limits: (figures) => checksOf(figures, options.tolerance, options.exact),
        run: async (feeds) => [await a.run(feeds), await b.run(feeds)],
      });
      return { ...judged, rollout: stepped };
    }),
  );
}

async function scores(
  { name, higherIsBetter }: Metric,
  rows: ScoredRows,
  { a, b }: { readonly a: CollectedOutputs; readonly b: CollectedOutputs },
): Promise<ScoreFigures> {
  return { name, higherIsBetter, original: await rows.reference(a), reduced: await rows.score(b) };
}

function report(
  comparisons: readonly OutputComparison[],
  rows: number,
  batchOne: VerificationReport['batchOne'],
  score: ScoreFigures | null,
  options: ComparisonOptions,
): Omit<VerificationReport, 'rollout'> {
  const outputs = comparisons.map((c) => c.result(options.classes.includes(c.output)));
  const limit = options.scoreLimit;
  const gated = score === null || limit === undefined ? undefined : { figures: score, limit };
  const verdict = judge(outputs, options.tolerance, options.exact, gated);
  const errors = rowErrors(comparisons, rows);
  const rowTolerance = options.rowTolerance ?? DEFAULT_ROW_TOLERANCE;
  const exceeded = errors?.filter((e) => !(Math.sqrt(e) <= rowTolerance)).length ?? 0;
  const rms = (positions: ArrayLike<number>): number => {
    let sum = 0;
    for (let i = 0; i < positions.length; i++) sum += errors![positions[i]!]!;
    return Math.sqrt(sum / positions.length);
  };
  const all = Int32Array.from({ length: rows }, (_, i) => i);
  const bound = exceedanceBound(exceeded, rows, ALPHA / (options.candidates ?? 1));
  const consistent = batchOne?.consistent ?? true;
  return {
    outputs,
    rows,
    verdict: consistent
      ? verdict
      : {
          ...verdict,
          passed: false,
          failures: [
            ...verdict.failures,
            { output: '(all)', measure: 'batch of one', value: batchOne!.largestDifference, limit: BATCH_ROUNDING },
          ],
        },
    score,
    sample: errors === undefined ? null : { rowTolerance, exceeded, rows, bound, assumption: SAMPLE_ASSUMPTION },
    farthest:
      errors === undefined || options.farthest === undefined
        ? null
        : { rows: options.farthest.length, rms: rms(options.farthest), rmsOfAll: rms(all) },
    batchOne,
  };
}

/** Mean squared standardised error of each row over all outputs that have rows. */
function rowErrors(comparisons: readonly OutputComparison[], rows: number): Float64Array | undefined {
  const lists = comparisons.map((c) => c.rowErrors()).filter((e) => e !== undefined);
  if (lists.length === 0) return undefined;
  const sum = new Float64Array(rows);
  for (const list of lists) list.forEach((e, i) => (sum[i] = sum[i]! + e / lists.length));
  return sum;
}
