import type { Blas } from '../runtime/blas.js';
import { choleskyInverse, solveRight } from './cholesky.js';
import { addToDiagonal, type Matrix } from './matrix.js';

/** Ridges are tried up to this many times, each ten times the last. */
const ATTEMPTS = 12;

/** A result together with the ridge that was needed to get it. */
export interface Regularised {
  readonly result: Matrix;
  /** The λ in A + λI: the one asked for, or larger where that was not positive definite in working precision. */
  readonly lambda: number;
}

/** (A + λI)⁻¹ with λ raised by factors of ten until the factorisation succeeds. A has a unit-scale diagonal. */
export async function regularisedInverse(A: Matrix, lambda: number, blas: Blas): Promise<Regularised> {
  return raising(lambda, (ridge) => choleskyInverse(addToDiagonal(A, ridge), blas));
}

/** B (A + λI)⁻¹ with λ raised by factors of ten until the factorisation succeeds; `B` may depend on λ. */
export async function regularisedSolve(
  B: (lambda: number) => Matrix,
  A: Matrix,
  lambda: number,
  blas: Blas,
): Promise<Regularised> {
  return raising(lambda, (ridge) => solveRight(B(ridge), addToDiagonal(A, ridge), blas));
}

async function raising(lambda: number, attempt: (lambda: number) => Promise<Matrix | undefined>): Promise<Regularised> {
  let ridge = Math.max(lambda, 1e-14);
  for (let i = 0; i < ATTEMPTS; i++, ridge *= 10) {
    const result = await attempt(ridge);
    if (result?.data.every(Number.isFinite) === true) return { result, lambda: ridge };
  }
  throw new Error('a covariance could not be factorised: it holds values that are not finite');
}
