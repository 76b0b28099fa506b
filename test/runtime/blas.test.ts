import { afterAll, describe, expect, it } from 'vitest';
import { zeros } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { largestDifference, multiply, randomMatrix, transposed } from '../matrices.js';

describe('matrix products', () => {
  const blas = new Blas();
  afterAll(() => blas.release());

  // The runtime takes over at 60,000 multiply-adds: 39³ is below, 40³ above.
  const shapes = [
    [1, 1, 1],
    [7, 3, 5],
    [39, 39, 39],
    [40, 40, 40],
    [2, 300, 150],
    [120, 70, 90],
  ] as const;
  for (const [m, k, n] of shapes) {
    it(`${m}×${k} by ${k}×${n} in all four orientations`, async () => {
      const [A, B] = [randomMatrix(m, k, 1), randomMatrix(k, n, 2)];
      const expected = multiply(A, B);
      for (const transA of [false, true]) {
        for (const transB of [false, true]) {
          const result = await blas.gemm(transA ? transposed(A) : A, transB ? transposed(B) : B, { transA, transB });
          expect(largestDifference(result, expected)).toBeLessThan(1e-12 * k);
        }
      }
    });
  }

  it('is empty or zero where a dimension is', async () => {
    expect(await blas.gemm(zeros(0, 3), zeros(3, 2))).toEqual(zeros(0, 2));
    expect(await blas.gemm(zeros(2, 0), zeros(0, 2))).toEqual(zeros(2, 2));
  });

  it('does not accept shapes that do not fit', async () => {
    await expect(blas.gemm(zeros(2, 3), zeros(2, 3))).rejects.toThrow('does not fit');
  });

  it('opens its sessions again after a release', async () => {
    const A = randomMatrix(60, 60, 3);
    const before = await blas.gemm(A, A);
    await blas.release();
    expect(largestDifference(await blas.gemm(A, A), before)).toBe(0);
  });
});
