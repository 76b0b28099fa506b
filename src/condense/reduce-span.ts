import { chooseViews } from '../channels/sites.js';
import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { WidthCost } from '../plan/cost.js';
import { unreachable } from '../plan/limits.js';
import type { Rounding } from '../plan/planner.js';
import { describeSpace, PLAN_VERSION, widthsOf, type Plan } from '../plan/plan.js';
import type { WidthCurve } from '../plan/search.js';
import type { LayerDetail } from '../report/details.js';
import { acceptanceOf } from './acceptance.js';
import { limitsOf } from './budget.js';
import { layerDetails } from './layer-details.js';
import type { CondenseOptions } from './options.js';
import type { Prepared } from './prepare.js';
import type { Reduced } from './reduced.js';
import { SpanModel } from './span-model.js';
import { convolutionBlock, SpeedSearch } from './speed.js';
import { untouched } from './untouched.js';
import { WidthSearch } from './width-search.js';
import { fixedWidths } from './widths.js';

/** The default of `--round-to`: what blocked kernels want at least. */
const DEFAULT_STEP = 8;
/** The default of `--max-error` when no budget is given. */
const DEFAULT_MAX_ERROR = 1e-2;
/** Share of the memory that second moments of patches may take. */
const PATCH_SHARE = 1 / 4;

/**
 * Reduces by `span`: plans the widths for the budget, chooses channels, absorbs, refits in sequence.
 * @param lasting whether nothing is reduced after this
 */
export async function reduceBySpan(plain: Prepared, options: CondenseOptions, lasting = true): Promise<Reduced> {
  const { prepared, cost } = viewedForSpan(plain);
  const { analysis } = prepared;
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
  const layersOf = (widths: Int32Array, curves?: readonly WidthCurve[]): Promise<Pick<Reduced, 'layers'>> =>
    options.details === true ? detailsOfSpan(span, widths, curves) : Promise.resolve({});
  if (given !== undefined)
    return {
      ...((await span.finished(given, lasting)) ?? untouched(prepared, [])),
      plan: planOf(prepared, given),
      ...(await layersOf(given)),
    };
  const search = await WidthSearch.open(span, cost, fixed, await roundingOf(options), options.trials);
  if (options.speedup !== undefined) {
    const speed = await SpeedSearch.open(prepared, options, options.speedup, cost);
    limits.push(await speed.limitFor(search, limits));
  }
  const maxError =
    options.maxError ?? (limits.length > 0 || options.keep !== undefined ? undefined : DEFAULT_MAX_ERROR);
  const found =
    maxError === undefined
      ? await search.best(limits)
      : await search.smallest(acceptanceOf(span.prepared, maxError), limits);
  const reduced = (await span.finished(found.widths, lasting)) ?? untouched(prepared, limits);
  const plan: Plan = {
    ...planOf(prepared, found.widths),
    predictedNrmse: search.predicted(found.widths),
    ...(found.error === undefined ? {} : { validationNrmse: found.error }),
  };
  return { ...reduced, plan, ...(await layersOf(found.widths, search.curves)) };
}

/** The layers at these widths, as the report draws them. */
export async function detailsOfSpan(
  span: SpanModel,
  widths: Int32Array,
  curves: readonly WidthCurve[] = [],
): Promise<{ readonly layers: readonly LayerDetail[] }> {
  const fates = await span.fates(widths);
  return { layers: layerDetails(span.prepared.analysis.spaces, span.moments.all, { curves, fates }) };
}

/** The consumers in the views in which `span` reads them, and what models of these spaces cost. */
export function viewedForSpan(plain: Prepared): { readonly prepared: Prepared; readonly cost: WidthCost } {
  const prepared: Prepared = { ...plain, analysis: chooseViews(plain.analysis, plain.memory * PATCH_SHARE) };
  return { prepared, cost: new WidthCost(prepared.original, prepared.analysis, prepared.shapes, prepared.probed) };
}

/** How widths of convolutions are rounded. A speed-up wants what this machine's kernels like, other budgets the same result everywhere. */
export async function roundingOf(options: CondenseOptions): Promise<Rounding> {
  const { roundTo = options.speedup === undefined ? DEFAULT_STEP : 'auto' } = options;
  return roundTo === 'auto' ? { block: await convolutionBlock(options) } : roundTo;
}

export function planOf({ input, analysis }: Prepared, widths: ArrayLike<number>): Plan {
  return {
    schemaVersion: PLAN_VERSION,
    model: input.source?.sha256 ?? null,
    spaces: analysis.spaces.map((space, i) => describeSpace(space, widths[i]!)),
  };
}
