import { randomNumbers } from '../src/calibration/random.js';
import { gather, zeros, type Matrix } from '../src/linalg/matrix.js';

/** Standard normal numbers from a seed. */
export function normals(seed: number): () => number {
  const next = randomNumbers(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** rows × cols standard normal numbers. */
export function randomMatrix(rows: number, cols: number, seed: number): Matrix {
  return { rows, cols, data: Float64Array.from({ length: rows * cols }, normals(seed)) };
}

/** XᵀX / rows of `rows` samples with neighbouring features correlated; its rank is at most `rows`. */
export function randomCovariance(n: number, seed: number, rows = 2 * n): Matrix {
  const X = randomMatrix(rows, n, seed);
  for (let r = 0; r < rows; r++) for (let i = 1; i < n; i++) X.data[r * n + i]! += 0.7 * X.data[r * n + i - 1]!;
  const C = multiply(transposed(X), X);
  return { ...C, data: C.data.map((v) => v / rows) };
}

/** A B by three plain loops: what the fast products are held against. */
export function multiply(A: Matrix, B: Matrix): Matrix {
  const result = zeros(A.rows, B.cols);
  for (let i = 0; i < A.rows; i++) {
    const row = result.data.subarray(i * B.cols, (i + 1) * B.cols);
    for (let p = 0; p < A.cols; p++) {
      const a = A.data[i * A.cols + p]!;
      const other = p * B.cols;
      for (let j = 0; j < B.cols; j++) row[j] = row[j]! + a * B.data[other + j]!;
    }
  }
  return result;
}

export function transposed(A: Matrix): Matrix {
  const result = zeros(A.cols, A.rows);
  for (let i = 0; i < A.rows; i++)
    for (let j = 0; j < A.cols; j++) result.data[j * A.rows + i] = A.data[i * A.cols + j]!;
  return result;
}

/** X with A X = B, by Gauss-Jordan elimination with row pivoting. */
export function gaussSolve(A: Matrix, B: Matrix): Matrix {
  const n = A.rows;
  const left = Array.from({ length: n }, (_, i) => [...A.data.subarray(i * n, (i + 1) * n)]);
  const right = Array.from({ length: n }, (_, i) => [...B.data.subarray(i * B.cols, (i + 1) * B.cols)]);
  for (let p = 0; p < n; p++) {
    let pivot = p;
    for (let i = p + 1; i < n; i++) if (Math.abs(left[i]![p]!) > Math.abs(left[pivot]![p]!)) pivot = i;
    [left[p], left[pivot]] = [left[pivot]!, left[p]!];
    [right[p], right[pivot]] = [right[pivot]!, right[p]!];
    for (let i = 0; i < n; i++) {
      if (i === p) continue;
      const factor = left[i]![p]! / left[p]![p]!;
      for (let j = p; j < n; j++) left[i]![j]! -= factor * left[p]![j]!;
      for (let j = 0; j < B.cols; j++) right[i]![j]! -= factor * right[p]![j]!;
    }
  }
  return {
    rows: n,
    cols: B.cols,
    data: Float64Array.from(right.flatMap((row, i) => row.map((v) => v / left[i]![i]!))),
  };
}

export function identity(n: number): Matrix {
  const result = zeros(n, n);
  for (let i = 0; i < n; i++) result.data[i * n + i] = 1;
  return result;
}

/** The largest absolute difference of two matrices of one shape; Infinity where the shapes differ or a value is NaN. */
export function largestDifference(A: Matrix, B: Matrix): number {
  if (A.rows !== B.rows || A.cols !== B.cols) return Infinity;
  return A.data.reduce((worst, v, i) => {
    const gap = Math.abs(v - B.data[i]!);
    return Number.isNaN(gap) ? Infinity : Math.max(worst, gap);
  }, 0);
}

/** All subsets of 0 … n−1 with k members, ascending. */
export function subsets(n: number, k: number, from = 0): number[][] {
  if (k === 0) return [[]];
  const result: number[][] = [];
  for (let i = from; i <= n - k; i++) for (const rest of subsets(n, k - 1, i + 1)) result.push([i, ...rest]);
  return result;
}

/** tr(W C Wᵀ) − tr(W C_:K C_KK⁻¹ C_K: Wᵀ): what the best use of the features K leaves of the outputs W x, from scratch. */
export function subsetLoss(C: Matrix, W: Matrix, kept: readonly number[]): number {
  const target = multiply(C, transposed(W));
  let loss = 0;
  for (let i = 0; i < C.rows; i++)
    for (let o = 0; o < W.rows; o++) loss += W.data[o * C.rows + i]! * target.data[i * W.rows + o]!;
  if (kept.length === 0) return loss;
  const outputs = Array.from({ length: W.rows }, (_, o) => o);
  const seen = gather(target, kept, outputs);
  const weights = gaussSolve(gather(C, kept, kept), seen);
  return weights.data.reduce((rest, w, i) => rest - w * seen.data[i]!, loss);
}
