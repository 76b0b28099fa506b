import { condensingSites, type Site } from '../channels/sites.js';
import { FIXED, type ChannelAnalysis, type Consumer } from '../channels/types.js';
import { readWeight } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';
import type { Absorption } from '../select/span.js';
import type { Reduction } from '../../passes/cut-channels.js';

/** W T and W t for every consumer that loses features. */
export async function absorbAll(
  model: Model,
  analysis: ChannelAnalysis,
  keep: Uint8Array,
  absorption: (site: Site) => Absorption | Promise<Absorption>,
  blas: Blas,
): Promise<Reduction['absorbed']> {
  const absorbed = new Map<Consumer, { weight: Matrix; biasDelta: Float64Array | undefined }>();
  for (const site of condensingSites(analysis)) {
    if (site.features.every((c) => c === FIXED || keep[c] === 1)) continue;
    const { T, t } = await absorption(site);
    for (const consumer of site.consumers) {
      const W = readWeight(model, consumer);
      const delta = consumer.bias.kind === 'none' ? undefined : times(W, t);
      absorbed.set(consumer, { weight: await blas.gemm(W, T), biasDelta: delta });
    }
  }
  return absorbed;
}

/** W t. */
function times(W: Matrix, t: Float64Array): Float64Array {
  return Float64Array.from({ length: W.rows }, (_, o) => {
    let sum = 0;
    for (let f = 0; f < W.cols; f++) sum += W.data[o * W.cols + f]! * t[f]!;
    return sum;
  });
}
