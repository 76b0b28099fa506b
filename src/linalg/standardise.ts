import { zeros, type Matrix } from './matrix.js';

/** A second-moment matrix in the scale where its diagonal is 1: R = D C D with D = diag(scale). */
export interface Standardised {
  readonly R: Matrix;
  /** 1/√C_ii; 0 for features without any spread, whose rows and columns of R are then those of the identity. */
  readonly scale: Float64Array;
}

/** Features whose second moment is below this share of the largest one count as constant zero: float32 sums resolve no more. */
const NEGLIGIBLE = 1e-14;

/** The correlation matrix of C (cosine matrix, if C is uncentred). */
export function correlation(C: Matrix): Standardised {
  const n = C.rows;
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, C.data[i * n + i]!);
  const scale = Float64Array.from({ length: n }, (_, i) => {
    const c = C.data[i * n + i]!;
    return c > NEGLIGIBLE * largest && c > 0 ? 1 / Math.sqrt(c) : 0;
  });
  const R = zeros(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) R.data[i * n + j] = C.data[i * n + j]! * scale[i]! * scale[j]!;
    R.data[i * n + i] = 1;
  }
  return { R, scale };
}
