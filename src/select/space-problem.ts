/**
 * The selection problem of a channel space in the form that the greedy orders and the swaps take: for each distinct consumer input the
 * covariance C of the space's channels and the consumers' weights W, scaled so that every output counts by its importance.
 *
 * Where a consumer reads features of other spaces or fixed ones too (Concat), those stay available to it: C is then the covariance given them,
 * C_ss − C_so C_oo⁻¹ C_os.
 */
import type { ChannelSpace, Consumer } from '../channels/types.js';
import { sitesOfSpace, type Site } from '../channels/sites.js';
import { readWeight } from '../channels/weights.js';
import type { Moments } from '../calibration/moments.js';
import type { Model } from '../graph/ir.js';
import type { Matrix } from '../linalg/matrix.js';
import { conditionalCovariance } from '../linalg/conditional.js';
import type { Blas } from '../runtime/blas.js';

/** One site of a space. Matrices are over the space's channels in their order. */
export interface SelectionSite {
  readonly site: Site;
  /** Feature index of each channel of the space. */
  readonly featureOf: Int32Array;
  /** channels × channels. */
  readonly C: Matrix;
  /** Σ outputs × channels, rows divided by the output's standard deviation. */
  readonly W: Matrix;
}

/**
 * @param moments of the site's input, by the site's key
 */
export async function selectionSites(
  model: Model,
  space: ChannelSpace,
  moments: (site: Site) => Moments,
  blas: Blas,
): Promise<SelectionSite[]> {
  const position = new Map([...space.channels].map((c, i) => [c, i]));
  const result: SelectionSite[] = [];
  for (const site of sitesOfSpace(space)) {
    const featureOf = new Int32Array(space.channels.length).fill(-1);
    const others: number[] = [];
    site.features.forEach((c, f) => {
      const at = position.get(c);
      if (at === undefined) others.push(f);
      else featureOf[at] = f;
    });
    const covariance = moments(site).xx(site.centred);
    const C = await conditionalCovariance(covariance, featureOf, Int32Array.from(others), blas);
    result.push({ site, featureOf, C, W: await stackWeights(model, site.consumers, covariance, featureOf, blas) });
  }
  return result;
}

/** W rows of all consumers over the space's channels, each divided by the standard deviation of that output. */
async function stackWeights(
  model: Model,
  consumers: readonly Consumer[],
  covariance: Matrix,
  featureOf: Int32Array,
  blas: Blas,
): Promise<Matrix> {
  const n = featureOf.length;
  const weights = consumers.map((c) => readWeight(model, c));
  const rows = weights.reduce((sum, w) => sum + w.rows, 0);
  const data = new Float64Array(rows * n);
  let at = 0;
  for (const weight of weights) {
    const variance = await outputVariance(weight, covariance, blas);
    for (let o = 0; o < weight.rows; o++, at++) {
      const scale = variance[o]! > 1e-20 ? 1 / Math.sqrt(variance[o]! * weight.rows) : 0;
      for (let i = 0; i < n; i++) data[at * n + i] = scale * weight.data[o * weight.cols + featureOf[i]!]!;
    }
  }
  return { rows, cols: n, data };
}

/** diag(W C Wᵀ). */
export async function outputVariance(W: Matrix, C: Matrix, blas: Blas): Promise<Float64Array> {
  const product = await blas.gemm(W, C);
  const result = new Float64Array(W.rows);
  for (let i = 0; i < product.data.length; i++) result[Math.floor(i / W.cols)]! += product.data[i]! * W.data[i]!;
  return result;
}
