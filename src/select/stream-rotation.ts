/**
 * The best basis for a linear stream. With C the covariance of its channels and M = Σ Wᵀ W what its consumers read of them (rows of W scaled
 * by importance), the subspace of dimension k that loses least is spanned by the first k rows of
 *
 *     E = Vᵀ L⁻¹,   C = L Lᵀ,   Lᵀ M L = V Λ Vᵀ,   Λ descending;   loss Σ_{i>k} λ_i
 *
 * (reduced-rank regression: Izenman, "Reduced-rank regression for the multivariate linear model", 1975). Only the nested spans count, so E is
 * orthogonalised row by row from the top: Q has the same spans, is its own inverse transposed, and costs no accuracy.
 */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import type { ChannelSpace } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import { inverseFactor } from '../linalg/cholesky.js';
import { symmetricEigen } from '../linalg/eigen.js';
import { addToDiagonal, diagonal, zeros, type Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';
import { selectionSites } from './space-problem.js';

/** Ridge on C relative to its mean diagonal: directions that the sample hardly shows have no say. */
const RIDGE = 1e-6;

/**
 * Q for a space's channels, orthogonal, n × n, the most useful direction first; undefined where the consumers see nothing.
 * @param moments of each site's input
 */
export async function streamRotation(
  model: Model,
  space: ChannelSpace,
  moments: (site: Site) => Moments,
  blas: Blas,
): Promise<Matrix | undefined> {
  const n = space.channels.length;
  const C = zeros(n, n);
  const M = zeros(n, n);
  for (const { C: covariance, W, starts } of await selectionSites(model, space, moments, blas)) {
    const read = await blas.gemm(W, W, { transA: true });
    addTaps(C, covariance, starts);
    addTaps(M, read, starts);
  }
  const mean = diagonal(C).reduce((sum, v) => sum + v, 0) / n;
  if (!(mean > 0)) return undefined;
  const X = await inverseFactor(addToDiagonal(C, RIDGE * mean), blas);
  if (X === undefined) return undefined;
  // Lᵀ M L with L = C Xᵀ, since X = L⁻¹.
  const L = await blas.gemm(addToDiagonal(C, RIDGE * mean), X, { transB: true });
  const seen = await blas.gemm(L, await blas.gemm(M, L), { transA: true });
  const { vectors } = symmetricEigen(seen);
  return orthogonalised(await blas.gemm(vectors, X));
}

/** Adds A's diagonal blocks by tap: channel i has the columns starts[i] … starts[i + 1] − 1, one for each tap. */
function addTaps(sum: Matrix, A: Matrix, starts: Int32Array): void {
  const n = sum.rows;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      const taps = Math.min(starts[i + 1]! - starts[i]!, starts[j + 1]! - starts[j]!);
      for (let t = 0; t < taps; t++)
        sum.data[i * n + j] = sum.data[i * n + j]! + A.data[(starts[i]! + t) * A.cols + starts[j]! + t]!;
    }
}

/** Rows made orthonormal from the top down (Gram and Schmidt, each row twice). */
function orthogonalised(E: Matrix): Matrix {
  const n = E.cols;
  const Q = { ...E, data: Float64Array.from(E.data) };
  const row = (i: number): Float64Array => Q.data.subarray(i * n, (i + 1) * n);
  for (let i = 0; i < E.rows; i++) {
    const v = row(i);
    normalise(v);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const u = row(j);
        let dot = 0;
        for (let k = 0; k < n; k++) dot += u[k]! * v[k]!;
        for (let k = 0; k < n; k++) v[k] = v[k]! - dot * u[k]!;
      }
      normalise(v);
    }
  }
  return Q;
}

function normalise(v: Float64Array): void {
  const norm = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  for (let k = 0; k < v.length; k++) v[k] = v[k]! / norm;
}
