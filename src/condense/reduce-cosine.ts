import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import type { ChannelAnalysis } from '../channels/types.js';
import { WidthCost } from '../plan/cost.js';
import { unreachable, usedShare } from '../plan/limits.js';
import type { Reduction } from '../../passes/cut-channels.js';
import { acceptanceOf } from './acceptance.js';
import { limitsOf } from './budget.js';
import type { AbsorptionObserver } from './absorb.js';
import { cosineReduction } from './cosine.js';
import { FoldedChannels } from './folded-channels.js';
import { layerDetails } from './layer-details.js';
import { collectModelMoments } from './model-moments.js';
import type { CondenseOptions } from './options.js';
import { ALL_FOLDS, batchesOf, type Prepared } from './prepare.js';
import { applyCut, type Reduced } from './reduced.js';
import { validationRows } from './trial-rows.js';
import { untouched } from './untouched.js';

/** Reduces by `cosine`: the paper's merge, with thresholds given or found for the budget. */
export async function reduceByCosine(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const { original, analysis, blas, shapes, probed } = prepared;
  const limits = limitsOf(prepared, options, new WidthCost(original, analysis, shapes, probed));
  if (analysis.spaces.length === 0) return untouched(prepared, limits);
  const moments = await collectModelMoments(
    prepared,
    batchesOf(prepared.data, ALL_FOLDS, () => 0),
    options,
  );
  const attempt = (threshold: CondenseOptions['threshold'], observe?: AbsorptionObserver): Promise<Reduction> =>
    cosineReduction(original, analysis, moments.all, threshold ?? 0.99, blas, observe);
  const finish = async (threshold: CondenseOptions['threshold']): Promise<Reduced> => {
    const folded = options.details === true ? new FoldedChannels(moments.all) : undefined;
    const reduction = await attempt(threshold, folded?.observe);
    const cut = await applyCut(original, reduction);
    const fates = folded && { keep: reduction.keep, folded: folded.into, turned: new Set<number>() };
    const how = typeof threshold === 'number' ? [`threshold ${threshold.toPrecision(4)}`] : [];
    return {
      model: cut.changed ? cut.model : prepared.input,
      passes: [...cut.passes, { name: 'cosine-thresholds', changed: cut.changed, notes: how }],
      warnings: [],
      ...(fates === undefined ? {} : { layers: layerDetails(analysis.spaces, moments.all, { fates }) }),
    };
  };
  if (options.threshold !== undefined || (limits.length === 0 && options.maxError === undefined))
    return finish(options.threshold ?? 0.99);
  const used = usedShare(limits);
  const wanted = options.maxError === undefined ? undefined : acceptanceOf(prepared, options.maxError);
  const validation = wanted === undefined ? undefined : await validationRows(prepared);
  const small = async (threshold: number): Promise<boolean> =>
    used(widthsOf(analysis, (await attempt(threshold)).keep)) <= 1;
  const accurate = async (threshold: number): Promise<boolean> => {
    const { model } = await applyCut(original, await attempt(threshold));
    return wanted!.accepts(model, await validation!.error(model));
  };
  // What a model costs falls with the threshold, its error grows: the border is found by halving.
  const missed = unreachable(limits, widthsOf(analysis, (await attempt(0)).keep));
  if (missed !== undefined) raise(budgetTooSmall(missed.limit, missed.cost));
  let [low, high] = [0, 1];
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    // The smallest model within the error; without one the most accurate within the limits.
    const up = validation === undefined ? await small(middle) : !(await accurate(middle));
    if (up) low = middle;
    else high = middle;
  }
  const found = validation === undefined ? low : high;
  const over = unreachable(limits, widthsOf(analysis, (await attempt(found)).keep));
  if (over !== undefined) raise(budgetTooSmall(over.limit, over.cost));
  return finish(found);
}

/** How many channels of each space stay. */
function widthsOf({ spaces }: ChannelAnalysis, keep: Uint8Array): number[] {
  return spaces.map(({ channels }) => channels.reduce((sum, c) => sum + keep[c]!, 0));
}
