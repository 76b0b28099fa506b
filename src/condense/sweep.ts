import { CondenseError, raise } from '../diagnostics/diagnostic.js';
import { nothingToSweep, pointUnknown } from '../diagnostics/plan.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import { kneeOf } from '../plan/knee.js';
import type { Limit } from '../plan/limits.js';
import type { Plan } from '../plan/plan.js';
import type { ReportDetails } from '../report/details.js';
import type { LatencyReport } from '../report/report.js';
import type { SweepPoint, SweepReport } from '../report/sweep-report.js';
import { Blas } from '../runtime/blas.js';
import { encodedBytes } from './budget.js';
import { checkOptions } from './check-options.js';
import { Clock } from './clock.js';
import { finish, withNodes, type Condensed } from './finish.js';
import { layerDetails } from './layer-details.js';
import type { CondenseOptions } from './options.js';
import { networkOutline } from './outline.js';
import { ALL_FOLDS, prepare, type Prepared } from './prepare.js';
import { detailsOfSpan, planOf, roundingOf, viewedForSpan } from './reduce-span.js';
import { withSharedConstants, type Reduced } from './reduced.js';
import { measureSpeed } from './speed.js';
import { SpanModel } from './span-model.js';
import { fixedWidths } from './widths.js';
import { WidthSearch } from './width-search.js';

/** Options of {@link sweep}: those of {@link condense} for the method `span`, without budgets. */
export interface SweepOptions extends Omit<
  CondenseOptions,
  | 'method'
  | 'evidence'
  | 'threshold'
  | 'keepParams'
  | 'keepMacs'
  | 'size'
  | 'maxError'
  | 'speedup'
  | 'latencyBatch'
  | 'latencyCache'
  | 'plan'
  | 'rollout'
  | 'feedback'
> {
  /** Sizes that are tried, in equal ratios from the full one down. Default 12. */
  readonly points?: number;
  /** The point whose model is given back: the knee of the curve among those that pass the check, or a number from the table. */
  readonly pick?: 'knee' | number;
  /** Measures how fast each is: the batch, in rows. */
  readonly latencyBatch?: number;
}

/** What {@link sweep} gives back. */
export interface Sweep {
  readonly report: SweepReport;
  /** The model that was picked, as {@link condense} gives it. Undefined where none was asked for, or none passes the check. */
  readonly picked?: Condensed;
  /** What {@link htmlReport} shows beside the report; only with `details`, and of the input where no model was picked. */
  readonly details?: ReportDetails;
}

const POINTS = 12;
/** Where models are predicted to err by half as much as the outputs vary, the curve ends. */
const USELESS = 0.5;
/** Seconds for measuring how fast one is. */
const SECONDS = 1;

/**
 * The curve of size against error: models of several sizes, planned and made from the same statistics, each checked on the check rows.
 *
 * A sweep chooses among `points` models by what the check rows say. The bound on what the sample proves is that of as many candidates.
 * `trials` are 0 unless given.
 * @throws CondenseError for wrong options, data or models (exit codes 2 and 4), and where nothing can be removed (5)
 */
export async function sweep(model: Model | string, options: SweepOptions): Promise<Sweep> {
  const { points: count = POINTS, pick, latencyBatch, details: wanted = false, ...condenseOptions } = options;
  checkOptions(condenseOptions);
  // Said before the work; fewer points than asked for may come out of it.
  if (typeof pick === 'number' && pick > count) raise(pointUnknown(pick, count));
  const clock = new Clock();
  const input = typeof model === 'string' ? await readModel(model) : model;
  const blas = new Blas();
  try {
    const ready = await clock.timed('prepare', () => prepare(input, condenseOptions, blas));
    const { prepared, cost } = viewedForSpan(ready);
    if (prepared.analysis.spaces.length === 0) withNodes(new CondenseError(nothingToSweep()), prepared, options);
    const fixed = fixedWidths(prepared.analysis, condenseOptions.keep);
    const full = parameterCount(input);
    const atMost = (most: number): Limit => ({
      option: '--points',
      unit: 'parameters',
      most,
      full,
      cost: (w) => cost.parameters(w),
    });
    const span = await clock.timed('statistics', () => SpanModel.open(prepared, condenseOptions, fixed));
    const search = await clock.timed('curves', async () =>
      WidthSearch.open(span, cost, fixed, await roundingOf(condenseOptions), condenseOptions.trials ?? 0),
    );
    const make = async (plan: Plan, widths: Int32Array, details: boolean): Promise<Condensed> => {
      const built = await span.build(widths, ALL_FOLDS);
      const reduced: Reduced = {
        ...(built ?? { model: prepared.input, passes: [], warnings: [] }),
        plan,
        ...(details ? await detailsOfSpan(span, widths, search.curves) : {}),
      };
      // Provenance names the widths themselves: they do not depend on what else was tried.
      const settings = { ...condenseOptions, plan, details };
      return finish(input, prepared, withSharedConstants(prepared, reduced), settings, new Clock(), count);
    };

    const points: SweepPoint[] = [];
    const widthsOf: Int32Array[] = [];
    let warnings: SweepReport['warnings'] = [];
    const sizes = sizesOf(count, full, smallestUseful(search, atMost, full));
    for (const [done, size] of sizes.entries()) {
      condenseOptions.onProgress?.({ stage: 'sweep', message: `${size} parameters`, done, total: count });
      const { widths } = await search.best([atMost(size)]).catch((e: unknown) => withNodes(e, prepared, options));
      if (widthsOf.at(-1)?.every((w, i) => w === widths[i]) === true) continue;
      widthsOf.push(widths);
      const plan: Plan = { ...planOf(prepared, widths), predictedNrmse: search.predicted(widths) };
      const { model: made, report } = await make(plan, widths, false);
      points.push({
        ...pointOf(points.length + 1, plan, report, full, encodedBytes(made)),
        ...(latencyBatch === undefined ? {} : { latency: await speedOf(prepared, made, latencyBatch) }),
      });
      warnings = report.warnings;
    }
    const index = indexOf(points, pick);
    const picked =
      index === undefined
        ? undefined
        : await clock.timed('pick', () => make(points[index]!.plan, widthsOf[index]!, wanted));
    const { fitData, folds, checkRows } = prepared.data;
    const report: SweepReport = {
      schemaVersion: 1,
      input: { sha256: input.source?.sha256 ?? null, parameters: full },
      rows: { fit: folds.reduce((sum, f) => sum + f.length, 0), check: checkRows.length },
      points,
      picked: index === undefined ? null : index + 1,
      warnings: [...fitData.notes, ...warnings.filter((w) => !fitData.notes.some((n) => n.code === w.code))],
      seconds: clock.seconds(),
    };
    const details = !wanted
      ? undefined
      : (picked?.details ?? {
          network: networkOutline({ model: prepared.original, shapes: prepared.shapes }, undefined, prepared.analysis),
          layers: layerDetails(prepared.analysis.spaces, span.moments.all, { curves: search.curves }),
        });
    return {
      report,
      ...(picked === undefined ? {} : { picked }),
      ...(details === undefined ? {} : { details }),
    };
  } finally {
    await blas.release();
  }
}

/** Sizes in equal ratios, the last of them the smallest useful one. */
function sizesOf(count: number, full: number, smallest: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.round(full * (smallest / full) ** ((i + 1) / count)));
}

/** The size, in parameters, below which the error is predicted to be as large as the signal, or nothing is left to remove. */
function smallestUseful(search: WidthSearch, atMost: (most: number) => Limit, full: number): number {
  let [low, high] = [search.smallestSize(), full];
  const useful = (size: number): boolean => search.predicted(search.planned([atMost(size)])) <= USELESS;
  if (useful(low)) return low;
  while (high / low > 1.05) {
    const middle = Math.round(Math.sqrt(low * high));
    if (useful(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function pointOf(
  index: number,
  plan: Plan,
  { output, verification }: Condensed['report'],
  full: number,
  bytes: number,
): SweepPoint {
  const outputs = verification?.outputs ?? [];
  const agreements = outputs.flatMap((o) => (o.classScores && o.agreement !== null ? [o.agreement] : []));
  return {
    index,
    parameters: output.size.parameters,
    ratio: output.size.parameters / full,
    macs: output.size.macs,
    bytes,
    predictedNrmse: plan.predictedNrmse ?? null,
    nrmse: outputs.reduce((worst, o) => Math.max(worst, o.nrmse ?? 0), 0),
    agreement: agreements.length === 0 ? null : Math.min(...agreements),
    passed: verification?.verdict.passed ?? true,
    smallestPassing: verification?.verdict.smallestPassing ?? '',
    plan,
  };
}

function speedOf(prepared: Prepared, made: Model, latencyBatch: number): Promise<LatencyReport> {
  return measureSpeed(prepared, made, { data: [], latencyBatch }, SECONDS);
}

/** Position of the point that was picked; undefined where none was, or none passes the check. */
function indexOf(points: readonly SweepPoint[], pick: SweepOptions['pick']): number | undefined {
  if (pick === undefined) return undefined;
  if (typeof pick === 'number') {
    if (points[pick - 1] === undefined) raise(pointUnknown(pick, points.length));
    return pick - 1;
  }
  const passing = points.filter((p) => p.passed);
  const knee = kneeOf(passing.map((p) => ({ size: p.parameters, error: p.nrmse })));
  return knee === undefined ? undefined : passing[knee]!.index - 1;
}
