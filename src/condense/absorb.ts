import { condensingSites, type Site } from '../channels/sites.js';
import { FIXED, type ChannelAnalysis, type Consumer } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';
import { absorbInto, type Absorption } from '../select/span.js';
import type { Reduction } from '../../passes/cut-channels.js';

/** Is told how each site writes what it loses. */
export type AbsorptionObserver = (site: Site, absorption: Absorption) => void;

/** W T and W t for every consumer that loses features. */
export async function absorbAll(
  model: Model,
  analysis: ChannelAnalysis,
  keep: Uint8Array,
  absorption: (site: Site) => Absorption | Promise<Absorption>,
  blas: Blas,
  observe?: AbsorptionObserver,
): Promise<Reduction['absorbed']> {
  const absorbed = new Map<Consumer, { weight: Matrix; biasDelta: Float64Array | undefined }>();
  for (const site of condensingSites(analysis)) {
    if (site.features.every((c) => c === FIXED || keep[c] === 1)) continue;
    const found = await absorption(site);
    observe?.(site, found);
    for (const consumer of site.consumers) absorbed.set(consumer, await absorbInto(model, consumer, found, blas));
  }
  return absorbed;
}
