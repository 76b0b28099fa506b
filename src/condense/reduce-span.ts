import { FOLDS } from '../calibration/split.js';
import { chooseViews } from '../channels/sites.js';
import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { WidthCost } from '../plan/cost.js';
import { unreachable } from '../plan/limits.js';
import { Planner, stepsOf } from '../plan/planner.js';
import { describeSpace, PLAN_VERSION, widthsOf, type Plan } from '../plan/plan.js';
import type { WidthCurve } from '../plan/search.js';
import { limitsOf } from './budget.js';
import { buildWork } from './build-work.js';
import type { CondenseOptions } from './options.js';
import { ALL_FOLDS, type Prepared } from './prepare.js';
import type { Reduced } from './reduced.js';
import { SpanModel } from './span-model.js';
import { VALIDATION, validationRows } from './trial-rows.js';
import { untouched } from './untouched.js';
import { fixedWidths } from './widths.js';

/** The default of `--round-to`: what blocked kernels want at least. */
const DEFAULT_STEP = 8;
/** The default of `--max-error` when no budget is given. */
const DEFAULT_MAX_ERROR = 1e-2;
/** A plan is accepted when its validation error is at most this share of the limit: check rows scatter. */
const MARGIN = 0.9;
/** Models that the closed loop of `--max-error` makes. */
const LOOPS = 6;
/** Models that exchanges between spaces may make, and multiply-accumulates of making them all. */
const MOST_EXCHANGES = 60;
const EXCHANGE_WORK = 4e12;
/** Fewer are not worth the first. */
const LEAST_EXCHANGES = 4;
/** With fewer validation rows the best of many models is the one that happens to suit them. */
const LEAST_EXCHANGE_ROWS = 512;
/** Share of the memory that second moments of patches may take. */
const PATCH_SHARE = 1 / 4;

/** All folds but the validation rows. */
const TRAINING = Array.from({ length: FOLDS }, (_, f) => f).filter((f) => f !== VALIDATION);

/** Reduces by `span`: plans the widths for the budget, chooses channels, absorbs, refits in sequence. */
export async function reduceBySpan(plain: Prepared, options: CondenseOptions): Promise<Reduced> {
  const prepared: Prepared = { ...plain, analysis: chooseViews(plain.analysis, plain.memory * PATCH_SHARE) };
  const { original, analysis } = prepared;
  const cost = new WidthCost(original, analysis, prepared.shapes, prepared.probed);
  const limits = limitsOf(prepared, options, cost);
  if (analysis.spaces.length === 0) return untouched(prepared, limits);
  const fixed = fixedWidths(analysis, options.keep);
  // Said before the work, not after it.
  const missed = unreachable(
    limits,
    analysis.spaces.map((space, i) => fixed.get(i) ?? space.least),
  );
  if (missed !== undefined) raise(budgetTooSmall(missed.limit, missed.cost));

  const given = options.plan === undefined ? undefined : widthsOf(options.plan, analysis.spaces);
  const span = await SpanModel.open(prepared, options, fixed);
  if (given !== undefined)
    return { ...((await span.build(given, ALL_FOLDS)) ?? untouched(prepared, [])), plan: planOf(prepared, given) };
  const curves = (await span.curves()).map((curve, i) => pinned(curve, fixed.get(i)));
  const planner = new Planner(curves, stepsOf(analysis, curves, options.roundTo ?? DEFAULT_STEP), limits);
  const maxError =
    options.maxError ?? (limits.length > 0 || options.keep !== undefined ? undefined : DEFAULT_MAX_ERROR);
  const found =
    maxError === undefined
      ? await improved(planner.plan(), span, planner)
      : await smallestWithin(maxError, span, planner, cost);
  const reduced = (await span.build(found.widths, ALL_FOLDS)) ?? untouched(prepared, limits);
  const plan: Plan = {
    ...planOf(prepared, found.widths),
    predictedNrmse: planner.predicted(found.widths),
    ...(found.error === undefined ? {} : { validationNrmse: found.error }),
  };
  return { ...reduced, plan };
}

function planOf({ input, analysis }: Prepared, widths: ArrayLike<number>): Plan {
  return {
    schemaVersion: PLAN_VERSION,
    model: input.source?.sha256 ?? null,
    spaces: analysis.spaces.map((space, i) => describeSpace(space, widths[i]!)),
  };
}

/** Moves channels between spaces as far as the work of making models to try allows. */
async function improved(
  widths: Int32Array,
  span: SpanModel,
  planner: Planner,
): Promise<{ readonly widths: Int32Array; readonly error?: number }> {
  const evaluations = Math.min(MOST_EXCHANGES, Math.floor(EXCHANGE_WORK / buildWork(span.prepared)));
  const rows = span.prepared.data.folds[VALIDATION]!.length;
  if (evaluations < LEAST_EXCHANGES || rows < LEAST_EXCHANGE_ROWS) return { widths };
  const validation = await validationRows(span.prepared);
  return planner.improve(
    widths,
    async (tried) => {
      const built = await span.build(tried, TRAINING);
      return built === undefined ? 0 : validation.nrmse(built.model);
    },
    evaluations,
  );
}

/** The closed loop of `--max-error`: walks the planned curve until the smallest model within the limit on validation rows is found. */
async function smallestWithin(
  maxError: number,
  span: SpanModel,
  planner: Planner,
  cost: WidthCost,
): Promise<{ readonly widths: Int32Array; readonly error?: number }> {
  const validation = await validationRows(span.prepared);
  const full = cost.parameters(span.prepared.analysis.spaces.map((s) => s.channels.length));
  const smallest = cost.parameters(planner.smallest);
  const planFor = (ratio: number): Int32Array => {
    const most = Math.max(smallest, Math.round(ratio * full));
    return planner.plan([{ option: '--max-error', unit: 'parameters', most, full, cost: (w) => cost.parameters(w) }]);
  };
  // The prediction gives the first guess; then the ratio is bracketed and halved on a logarithmic scale.
  let [low, high] = [smallest / full, 1];
  let guess = low;
  for (let [a, b] = [low, 1], i = 0; i < 20; i++) {
    const middle = Math.sqrt(a * b);
    if (planner.predicted(planFor(middle)) > maxError * MARGIN) a = middle;
    else b = guess = middle;
  }
  let best: { widths: Int32Array; error?: number } | undefined;
  for (let i = 0; i < LOOPS && low < high * 0.98; i++) {
    const ratio = i === 0 ? guess : Math.sqrt(low * high);
    const widths = planFor(ratio);
    const built = await span.build(widths, TRAINING);
    const error = built === undefined ? 0 : await validation.nrmse(built.model);
    if (error <= maxError * MARGIN) {
      best = { widths, error };
      high = Math.min(high, ratio);
      if (i === 0) low = Math.max(low, ratio / 1.6);
    } else {
      low = Math.max(low, ratio);
      if (i === 0) high = Math.min(high, ratio * 1.6);
    }
  }
  return best ?? { widths: planFor(high) };
}

/** A curve that allows one width only. */
function pinned(curve: WidthCurve, width: number | undefined): WidthCurve {
  return width === undefined ? curve : { ...curve, size: width, minimum: width };
}
