import { afterAll, describe, expect, it } from 'vitest';
import { addToDiagonal, fromRows } from '../../src/linalg/matrix.js';
import { regularisedInverse, regularisedSolve } from '../../src/linalg/regularised.js';
import { Blas } from '../../src/runtime/blas.js';
import { gaussSolve, identity, largestDifference, multiply, randomCovariance, randomMatrix } from '../matrices.js';

describe('regularised inverse and solution', () => {
  const blas = new Blas();
  afterAll(() => blas.release());

  it('use the ridge asked for where it suffices', async () => {
    const A = randomCovariance(20, 1);
    const expected = gaussSolve(addToDiagonal(A, 1e-3), identity(20));
    const { result, lambda } = await regularisedInverse(A, 1e-3, blas);
    expect(lambda).toBe(1e-3);
    expect(largestDifference(result, expected)).toBeLessThan(1e-9);
    const B = randomMatrix(4, 20, 2);
    const solved = await regularisedSolve(() => B, A, 1e-3, blas);
    expect(solved.lambda).toBe(1e-3);
    expect(largestDifference(solved.result, multiply(B, expected))).toBeLessThan(1e-9);
  });

  it('raise it where the matrix needs more, and tell the right-hand side', async () => {
    // Eigenvalues 2 and −2e-6: of the powers of ten, 1e-5 is the first that makes it definite.
    const A = fromRows([
      [1, 1 + 2e-6],
      [1 + 2e-6, 1],
    ]);
    const told: number[] = [];
    const right = (ridge: number) => {
      told.push(ridge);
      return fromRows([[ridge, 1]]);
    };
    const { result, lambda } = await regularisedSolve(right, A, 1e-8, blas);
    expect(lambda).toBeCloseTo(1e-5, 12);
    expect(told.at(-1)).toBe(lambda);
    expect(largestDifference(multiply(result, addToDiagonal(A, lambda)), fromRows([[lambda, 1]]))).toBeLessThan(1e-9);
  });

  it('invert a singular matrix without a ridge being asked for', async () => {
    const { result, lambda } = await regularisedInverse(
      fromRows([
        [1, 1],
        [1, 1],
      ]),
      0,
      blas,
    );
    expect(lambda).toBeGreaterThan(0);
    expect(result.data.every(Number.isFinite)).toBe(true);
  });

  it('give up on values that are not finite', async () => {
    await expect(regularisedInverse(fromRows([[NaN]]), 1e-3, blas)).rejects.toThrow('not finite');
  });
});
