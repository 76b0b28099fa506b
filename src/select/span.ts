/**
 * Absorption: features x ≈ T x_K + t by least squares with a ridge towards the original, on standardised features:
 *
 *     T_KK = I,   T_DK = C_DK (C_KK + λI)⁻¹,   t = m − T m_K
 *
 * so that keeping all is exact whatever λ is. For a consumer without a constant term C is uncentred and t = 0.
 */
import type { Moments } from '../calibration/moments.js';
import { keptIndices } from '../channels/keep.js';
import { takesConstant, type Site } from '../channels/sites.js';
import type { Consumer } from '../channels/types.js';
import { perOutput, readWeight } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';
import { complement, gather, zeros, type Matrix } from '../linalg/matrix.js';
import { regularisedSolve } from '../linalg/regularised.js';
import { correlation } from '../linalg/standardise.js';
import type { Blas } from '../runtime/blas.js';

/** Smallest ridge of absorption on standardised features: above what the products' type rounds to. */
export const BASE_RIDGE = { float32: 1e-6, float64: 1e-8 };

/** x ≈ T x_K + t at one site. */
export interface Absorption {
  /** K: features that stay, ascending. */
  readonly kept: Int32Array;
  /** features × |K|. */
  readonly T: Matrix;
  /** Constant part of each feature; zeros where nothing constant is absorbed. */
  readonly t: Float64Array;
}

/**
 * @param C n × n second moments, centred or not
 * @param mean n
 * @param kept K, ascending
 * @param lambda ridge relative to the unit diagonal
 * @returns T n × |K| and t n
 */
export async function absorb(
  C: Matrix,
  mean: Float64Array,
  kept: Int32Array,
  lambda: number,
  { centred, blas }: { readonly centred: boolean; readonly blas: Blas },
): Promise<{ T: Matrix; t: Float64Array }> {
  const n = C.rows;
  const k = kept.length;
  const dropped = complement(n, kept);
  const T = zeros(n, k);
  kept.forEach((f, c) => (T.data[f * k + c] = 1));
  const t = new Float64Array(n);
  if (dropped.length === 0) return { T, t };
  if (k > 0) {
    const { R, scale } = correlation(C);
    const cross = gather(R, dropped, kept);
    const { result } = await regularisedSolve(() => cross, gather(R, kept, kept), lambda, blas);
    dropped.forEach((f, d) => {
      if (scale[f] === 0) return;
      for (let c = 0; c < k; c++) T.data[f * k + c] = (result.data[d * k + c]! * scale[kept[c]!]!) / scale[f]!;
    });
  }
  if (centred) {
    for (const f of dropped) {
      let value = mean[f]!;
      for (let c = 0; c < k; c++) value -= T.data[f * k + c]! * mean[kept[c]!]!;
      t[f] = value;
    }
  }
  return { T, t };
}

/** W T and W t of one consumer; no constant where it has no place for one. */
export async function absorbInto(
  model: Model,
  consumer: Consumer,
  { T, t }: Absorption,
  blas: Blas,
): Promise<{ readonly weight: Matrix; readonly biasDelta: Float64Array | undefined }> {
  const W = readWeight(model, consumer);
  const weight = await blas.gemm(W, T);
  if (!takesConstant(consumer)) return { weight, biasDelta: undefined };
  const constant = await blas.gemm(W, { rows: t.length, cols: 1, data: t });
  return { weight, biasDelta: perOutput(consumer, constant.data) };
}

/**
 * x ≈ T x_K + t at one site by least squares.
 * @param lambda see `absorption-ridge.ts`
 */
export async function absorbSite(
  site: Site,
  keep: Uint8Array,
  moments: Moments,
  blas: Blas,
  lambda: number = BASE_RIDGE[moments.products],
): Promise<Absorption> {
  const kept = keptIndices(site.features, keep);
  const { T, t } = await absorb(moments.xx(site.centred), moments.meanX(), kept, lambda, {
    centred: site.centred,
    blas,
  });
  return { kept, T, t };
}
