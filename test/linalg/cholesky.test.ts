import { afterAll, describe, expect, it } from 'vitest';
import { choleskyInverse, inverseFactor, solveRight } from '../../src/linalg/cholesky.js';
import { addToDiagonal, fromRows, zeros } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import {
  gaussSolve,
  identity,
  largestDifference,
  multiply,
  randomCovariance,
  randomMatrix,
  transposed,
} from '../matrices.js';

// Leaves hold up to 96: plain loops, exactly one leaf, halves of one and two leaves, odd halves, three levels.
const SIZES = [1, 2, 5, 96, 97, 192, 193, 391];

describe('Cholesky factor and inverse', () => {
  const blas = new Blas();
  afterAll(() => blas.release());

  it.each(SIZES)('size %i: X = L⁻¹ is lower triangular and X A Xᵀ = I', async (n) => {
    const A = addToDiagonal(randomCovariance(n, n), 0.1);
    const X = (await inverseFactor(A, blas))!;
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) expect(X.data[i * n + j]).toBe(0);
    expect(largestDifference(multiply(multiply(X, A), transposed(X)), identity(n))).toBeLessThan(1e-11);
  });

  it.each(SIZES)('size %i: the inverse and the solution are those of Gaussian elimination', async (n) => {
    const A = addToDiagonal(randomCovariance(n, n + 1), 0.1);
    const inverse = gaussSolve(A, identity(n));
    expect(largestDifference((await choleskyInverse(A, blas))!, inverse)).toBeLessThan(1e-10);
    const B = randomMatrix(3, n, 7);
    expect(largestDifference((await solveRight(B, A, blas))!, multiply(B, inverse))).toBeLessThan(1e-9);
  });

  it.each([
    ['negative', fromRows([[-1]])],
    ['zero', zeros(2, 2)],
    ['NaN', fromRows([[NaN]])],
    ['infinite', fromRows([[Infinity]])],
    [
      'indefinite',
      fromRows([
        [1, 2],
        [2, 1],
      ]),
    ],
  ])('a matrix that is %s has no factor', async (_, A) => {
    expect(await inverseFactor(A, blas)).toBeUndefined();
    expect(await choleskyInverse(A, blas)).toBeUndefined();
    expect(await solveRight(identity(A.rows), A, blas)).toBeUndefined();
  });

  it.each([10, 95, 96, 97, 190])('sees that entry %i of 193 makes the matrix indefinite', async (at) => {
    const A = randomCovariance(193, 3);
    A.data[at * 193 + at] = -1;
    expect(await inverseFactor(A, blas)).toBeUndefined();
  });

  it('takes nothing for nothing', async () => {
    expect(await choleskyInverse(zeros(0, 0), blas)).toEqual(zeros(0, 0));
  });
});
