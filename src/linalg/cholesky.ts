/**
 * Cholesky factor and inverse of symmetric positive definite matrices, recursive by halves so that almost all work is matrix products, which
 * onnxruntime does (plain loops below `LEAF`).
 *
 *     [A₁₁ ·  ]   [L₁₁  ·  ] [L₁₁ᵀ L₂₁ᵀ]
 *     [A₂₁ A₂₂] = [L₂₁ L₂₂ ] [ ·   L₂₂ᵀ],   L₂₁ = A₂₁ L₁₁⁻ᵀ,   A₂₂ − L₂₁ L₂₁ᵀ = L₂₂ L₂₂ᵀ
 *
 * The recursion carries X = L⁻¹ along, with X₂₁ = −X₂₂ L₂₁ X₁₁; then A⁻¹ = Xᵀ X.
 */
import type { Blas } from '../runtime/blas.js';
import { gather, range, subtract, zeros, type Matrix } from './matrix.js';

const LEAF = 96;

/** L⁻¹ (lower triangular) of A = L Lᵀ; undefined when A is not positive definite to working precision. */
export async function inverseFactor(A: Matrix, blas: Blas): Promise<Matrix | undefined> {
  const n = A.rows;
  if (n <= LEAF) return leaf(A);
  const half = n >> 1;
  const [top, bottom] = [range(half), range(n - half).map((i) => i + half)];
  const X11 = await inverseFactor(gather(A, top, top), blas);
  if (X11 === undefined) return undefined;
  const A21 = gather(A, bottom, top);
  const L21 = await blas.gemm(A21, X11, { transB: true });
  const schur = subtract(gather(A, bottom, bottom), await blas.gemm(L21, L21, { transB: true }));
  const X22 = await inverseFactor(schur, blas);
  if (X22 === undefined) return undefined;
  const X21 = await blas.gemm(X22, await blas.gemm(L21, X11));
  const X = zeros(n, n);
  for (let i = 0; i < half; i++) X.data.set(X11.data.subarray(i * half, (i + 1) * half), i * n);
  for (let i = half; i < n; i++) {
    const row = i - half;
    for (let j = 0; j < half; j++) X.data[i * n + j] = -X21.data[row * half + j]!;
    X.data.set(X22.data.subarray(row * (n - half), (row + 1) * (n - half)), i * n + half);
  }
  return X;
}

/** A⁻¹; undefined when A is not positive definite to working precision. */
export async function choleskyInverse(A: Matrix, blas: Blas): Promise<Matrix | undefined> {
  const X = await inverseFactor(A, blas);
  return X === undefined ? undefined : blas.gemm(X, X, { transA: true });
}

/** B A⁻¹ for symmetric positive definite A; undefined when it is not. */
export async function solveRight(B: Matrix, A: Matrix, blas: Blas): Promise<Matrix | undefined> {
  const X = await inverseFactor(A, blas);
  // Two triangular products lose less than forming the inverse first.
  return X === undefined ? undefined : blas.gemm(await blas.gemm(B, X, { transB: true }), X);
}

function leaf(A: Matrix): Matrix | undefined {
  const n = A.rows;
  const L = zeros(n, n).data;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = A.data[i * n + j]!;
      for (let p = 0; p < j; p++) sum -= L[i * n + p]! * L[j * n + p]!;
      if (i !== j) L[i * n + j] = sum / L[j * n + j]!;
      else if (sum > 0 && Number.isFinite(sum)) L[i * n + i] = Math.sqrt(sum);
      else return undefined;
    }
  }
  const X = zeros(n, n);
  for (let j = 0; j < n; j++) {
    X.data[j * n + j] = 1 / L[j * n + j]!;
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let p = j; p < i; p++) sum += L[i * n + p]! * X.data[p * n + j]!;
      X.data[i * n + j] = -sum / L[i * n + i]!;
    }
  }
  return X;
}
