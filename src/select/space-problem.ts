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

/** One site of a space. Columns are the features of the space's channels, channel by channel in the space's order. */
export interface SelectionSite {
  readonly site: Site;
  /** Channel i has the columns starts[i] … starts[i + 1] − 1: several where features repeat it (taps of a kernel, folded positions). */
  readonly starts: Int32Array;
  /** columns × columns. */
  readonly C: Matrix;
  /** Σ outputs × columns, rows divided by the output's standard deviation. */
  readonly W: Matrix;
  /** Ridge of the site's absorption, on standardised features. */
  readonly ridge: number;
}

/** Ridge on what a site reads besides the space, above what the products' type rounds to. */
const GIVEN_RIDGE = { float32: 1e-6, float64: 1e-10 };

/**
 * @param moments of the site's input, by the site's key
 */
export async function selectionSites(
  model: Model,
  space: ChannelSpace,
  moments: (site: Site) => Moments,
  blas: Blas,
  ridge: (site: Site) => number = () => 0,
): Promise<SelectionSite[]> {
  const position = new Map([...space.channels].map((c, i) => [c, i]));
  const result: SelectionSite[] = [];
  for (const site of sitesOfSpace(space)) {
    const blocks: number[][] = Array.from(space.channels, () => []);
    const others: number[] = [];
    site.features.forEach((c, f) => {
      const at = position.get(c);
      if (at === undefined) others.push(f);
      else blocks[at]!.push(f);
    });
    const columns = Int32Array.from(blocks.flat());
    const starts = new Int32Array(blocks.length + 1);
    blocks.forEach((block, i) => (starts[i + 1] = starts[i]! + block.length));
    const found = moments(site);
    const covariance = found.xx(site.centred);
    const C = await conditionalCovariance(
      covariance,
      columns,
      Int32Array.from(others),
      blas,
      Math.max(GIVEN_RIDGE[found.products], ridge(site)),
    );
    result.push({
      site,
      starts,
      ridge: ridge(site),
      C,
      W: await stackWeights(model, site.consumers, covariance, columns, blas),
    });
  }
  return result;
}

/** W rows of all consumers over the columns, each divided by the standard deviation of that output. */
async function stackWeights(
  model: Model,
  consumers: readonly Consumer[],
  covariance: Matrix,
  columns: Int32Array,
  blas: Blas,
): Promise<Matrix> {
  const n = columns.length;
  const weights = consumers.map((c) => readWeight(model, c));
  const rows = weights.reduce((sum, w) => sum + w.rows, 0);
  const data = new Float64Array(rows * n);
  let at = 0;
  for (const weight of weights) {
    const variance = await outputVariance(weight, covariance, blas);
    for (let o = 0; o < weight.rows; o++, at++) {
      const scale = variance[o]! > 1e-20 ? 1 / Math.sqrt(variance[o]! * weight.rows) : 0;
      for (let i = 0; i < n; i++) data[at * n + i] = scale * weight.data[o * weight.cols + columns[i]!]!;
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
