import { condensingSites, type Site } from '../channels/sites.js';
import { FIXED, type ChannelAnalysis } from '../channels/types.js';
import { readWeight } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Reduction } from '../../passes/cut-channels.js';

/** x ≈ T x_K + t at one site. */
export interface Absorption {
  /** K: features that stay, ascending. */
  readonly kept: Int32Array;
  /** features × |K|. */
  readonly T: Matrix;
  /** Constant part of each feature; zeros where nothing constant is absorbed. */
  readonly t: Float64Array;
}

/** W T and W t for every consumer that loses features. */
export function absorbAll(
  model: Model,
  analysis: ChannelAnalysis,
  keep: Uint8Array,
  absorption: (site: Site) => Absorption,
): Reduction['absorbed'] {
  const absorbed = new Map<Reduction['absorbed'] extends ReadonlyMap<infer K, unknown> ? K : never, { weight: Matrix; biasDelta: Float64Array | undefined }>();
  for (const site of condensingSites(analysis)) {
    if (site.features.every((c) => c === FIXED || keep[c] === 1)) continue;
    const { kept, T, t } = absorption(site);
    for (const consumer of site.consumers) {
      const W = readWeight(model, consumer);
      const delta = consumer.bias.kind === 'none' ? undefined : times(W, t);
      absorbed.set(consumer, { weight: timesT(W, kept, T), biasDelta: delta });
    }
  }
  return absorbed;
}

/** W T, using that T is the identity on the kept features. */
export function timesT(W: Matrix, kept: Int32Array, T: Matrix): Matrix {
  const k = kept.length;
  const isKept = new Uint8Array(W.cols);
  for (const f of kept) isKept[f] = 1;
  const data = new Float64Array(W.rows * k);
  for (let o = 0; o < W.rows; o++) {
    const row = data.subarray(o * k, (o + 1) * k);
    kept.forEach((f, c) => (row[c] = W.data[o * W.cols + f]!));
    for (let f = 0; f < W.cols; f++) {
      const w = W.data[o * W.cols + f]!;
      if (isKept[f] === 1 || w === 0) continue;
      for (let c = 0; c < k; c++) row[c] = row[c]! + w * T.data[f * k + c]!;
    }
  }
  return { rows: W.rows, cols: k, data };
}

function times(W: Matrix, t: Float64Array): Float64Array {
  return Float64Array.from({ length: W.rows }, (_, o) => {
    let sum = 0;
    for (let f = 0; f < W.cols; f++) sum += W.data[o * W.cols + f]! * t[f]!;
    return sum;
  });
}
