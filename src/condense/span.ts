/**
 * `span`: a subset of the channels is kept, chosen so that least squares on them loses least as seen by the consumers; what the others
 * contributed is absorbed; then every consumer is refitted in sequence. Mathematics: docs/how-it-works.md.
 */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import type { ChannelAnalysis } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import type { Blas } from '../runtime/blas.js';
import { absorbSite } from '../select/span.js';
import { absorbAll, type AbsorptionObserver } from './absorb.js';
import type { Reduction } from '../../passes/cut-channels.js';

/** The reduction that keeps some channels and absorbs the others by least squares. */
export async function spanReduction(
  model: Model,
  analysis: ChannelAnalysis,
  keep: Uint8Array,
  moments: (site: Site) => Moments,
  blas: Blas,
  ridge?: (site: Site) => number,
  observe?: AbsorptionObserver,
): Promise<Reduction> {
  return {
    analysis,
    keep,
    absorbed: await absorbAll(
      model,
      analysis,
      keep,
      (site) => absorbSite(site, keep, moments(site), blas, ridge?.(site)),
      blas,
      observe,
    ),
  };
}
