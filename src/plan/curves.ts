/**
 * Puts the local losses of the spaces on one scale: the squared error of the model's outputs.
 *
 * Each space is reduced alone at a few widths in a trial (see `TunableModel`) and the outputs are compared on validation rows. Between the
 * widths tried, the predicted error follows the local loss; the ratio of the two is interpolated in log(width), since it changes slowly.
 */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import type { ChannelAnalysis } from '../channels/types.js';
import { keepMask } from '../channels/keep.js';
import type { Feeds, NumericArray } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import type { Blas } from '../runtime/blas.js';
import type { OrderedSpace } from '../select/ordered-space.js';
import { absorbInto, absorbSite } from '../select/span.js';
import { standardisedSquaredError } from './output-error.js';
import type { WidthCurve } from './search.js';
import type { SessionOptions } from '../runtime/session.js';
import { TunableModel, type Trial } from './tunable-model.js';

/** Shares of a space's width at which it is tried. */
const TRIED = [0.8, 0.5, 0.2, 0.07, 0.02];
/** Least fall of the predicted error per channel: a flat stretch would leave a budget unspent. */
const FALL = 1 - 1e-6;

export interface CurveContext {
  readonly model: Model;
  readonly analysis: ChannelAnalysis;
  readonly session: SessionOptions;
  /** Validation rows, and what the original computes on them. */
  readonly feeds: readonly Feeds[];
  readonly reference: readonly ReadonlyMap<string, NumericArray>[];
  readonly moments: (site: Site) => Moments;
  /** Ridge of absorption at a site; the smallest where it is left out. */
  readonly ridge?: (site: Site) => number;
  readonly blas: Blas;
}

/** The predicted squared output error of one space at every width. */
export async function widthCurve(ordered: OrderedSpace, context: CurveContext): Promise<WidthCurve> {
  const size = ordered.space.channels.length;
  const widths = [...new Set(TRIED.map((share) => Math.max(1, Math.round(share * size))))].filter((k) => k < size);
  const points: { width: number; logRatio: number }[] = [];
  const consumers = ordered.sites.flatMap(({ site }) => site.consumers);
  const tunable = await TunableModel.open(context.model, consumers, context.session);
  try {
    for (const width of widths) {
      const error = await errorAlone(ordered, width, tunable, context);
      const loss = ordered.loss[width]!;
      // Below rounding noise the ratio says nothing.
      if (error > 1e-13 && loss > 0) points.push({ width, logRatio: Math.log(error / loss) });
    }
  } finally {
    await tunable.release();
  }
  const error = new Float64Array(size + 1);
  const predicted = (k: number): number => ordered.loss[k]! * Math.exp(interpolate(points, k));
  error[0] = predicted(0);
  // What k channels can do, k + 1 can do as well: a point that was measured too high counts for nothing above a lower one.
  for (let k = 1; k < size; k++) error[k] = Math.min(predicted(k), error[k - 1]! * FALL);
  return { size, minimum: ordered.space.least, error };
}

/** Squared output error when only this space is reduced, to the head of its ranking, without any refit behind it. */
async function errorAlone(
  ordered: OrderedSpace,
  width: number,
  tunable: TunableModel,
  context: CurveContext,
): Promise<number> {
  const { model, analysis, moments, ridge, blas } = context;
  const kept = ordered.ranking.slice(0, width).map((i) => ordered.space.channels[i]!);
  const keep = keepMask(analysis, new Map([[ordered.space.id, kept]]));
  const trials: Trial[] = [];
  for (const { site } of ordered.sites) {
    const absorption = await absorbSite(site, keep, moments(site), blas, ridge?.(site));
    for (const consumer of site.consumers) {
      trials.push({ consumer, kept: absorption.kept, ...(await absorbInto(model, consumer, absorption, blas)) });
    }
  }
  return standardisedSquaredError(context.reference, await tunable.run(context.feeds, trials));
}

function interpolate(points: readonly { width: number; logRatio: number }[], width: number): number {
  if (points.length === 0) return 0;
  const sorted = [...points].sort((a, b) => a.width - b.width);
  const above = sorted.findIndex((p) => p.width >= width);
  if (above === 0) return sorted[0]!.logRatio;
  if (above < 0) return sorted.at(-1)!.logRatio;
  const [a, b] = [sorted[above - 1]!, sorted[above]!];
  const share = (Math.log(width) - Math.log(a.width)) / (Math.log(b.width) - Math.log(a.width));
  return a.logRatio + share * (b.logRatio - a.logRatio);
}
