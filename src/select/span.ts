/**
 * Absorption: features x ≈ T x_K + t by least squares with a ridge towards the original, on standardised features:
 *
 *     T_KK = I,   T_DK = C_DK (C_KK + λI)⁻¹,   t = m − T m_K
 *
 * so that keeping all is exact whatever λ is. For a consumer without a constant term C is uncentred and t = 0.
 */
import { complement, gather, zeros, type Matrix } from '../linalg/matrix.js';
import { regularisedSolve } from '../linalg/regularised.js';
import { correlation } from '../linalg/standardise.js';
import type { Blas } from '../runtime/blas.js';

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
