import { afterAll, describe, expect, it } from 'vitest';
import { conditionalCovariance } from '../../src/linalg/conditional.js';
import { diagonal, fromRows, gather, subtract } from '../../src/linalg/matrix.js';
import { correlation } from '../../src/linalg/standardise.js';
import { Blas } from '../../src/runtime/blas.js';
import { gaussSolve, largestDifference, multiply, randomCovariance, transposed } from '../matrices.js';

describe('conditional covariance', () => {
  const blas = new Blas();
  afterAll(() => blas.release());
  const wanted = Int32Array.of(4, 0, 7);

  it('is C_ss − C_so C_oo⁻¹ C_os', async () => {
    const C = randomCovariance(9, 1);
    const given = Int32Array.of(1, 2, 8);
    const cross = gather(C, wanted, given);
    const explained = multiply(cross, gaussSolve(gather(C, given, given), transposed(cross)));
    const expected = subtract(gather(C, wanted, wanted), explained);
    expect(largestDifference(await conditionalCovariance(C, wanted, given, blas), expected)).toBeLessThan(1e-8);
  });

  it('is the block itself when nothing is given', async () => {
    const C = randomCovariance(9, 2);
    expect(await conditionalCovariance(C, wanted, new Int32Array(0), blas)).toEqual(gather(C, wanted, wanted));
  });

  it('leaves nothing of what is given twice, and takes constant features as saying nothing', async () => {
    // Features: a, a again, a constant, b independent of a.
    const C = fromRows([
      [4, 4, 0, 0],
      [4, 4, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 9],
    ]);
    const result = await conditionalCovariance(C, Int32Array.of(0, 3), Int32Array.of(1, 2), blas);
    expect(
      largestDifference(
        result,
        fromRows([
          [0, 0],
          [0, 9],
        ]),
      ),
    ).toBeLessThan(1e-8);
  });

  it('stays finite when what is given is singular', async () => {
    const C = randomCovariance(12, 3, 4);
    const result = await conditionalCovariance(
      C,
      Int32Array.of(0, 1),
      Int32Array.from({ length: 10 }, (_, i) => i + 2),
      blas,
    );
    expect(result.data.every(Number.isFinite)).toBe(true);
    expect(
      largestDifference(
        result,
        fromRows([
          [0, 0],
          [0, 0],
        ]),
      ),
    ).toBeLessThan(1e-6);
  });
});

describe('correlation', () => {
  it('has a unit diagonal and C_ij / √(C_ii C_jj) beside it', () => {
    const C = randomCovariance(6, 4);
    const { R, scale } = correlation(C);
    const variance = diagonal(C);
    for (let i = 0; i < 6; i++) {
      expect(scale[i]).toBeCloseTo(1 / Math.sqrt(variance[i]!), 12);
      expect(R.data[i * 6 + i]).toBe(1);
      for (let j = 0; j < 6; j++) {
        if (i !== j)
          expect(R.data[i * 6 + j]).toBeCloseTo(C.data[i * 6 + j]! / Math.sqrt(variance[i]! * variance[j]!), 12);
      }
    }
  });

  it.each([
    ['exactly zero', 0],
    ['rounding of the largest one', 1e-15],
    ['slightly negative', -1e-18],
  ])('a variance that is %s becomes a feature of its own with scale 0', (_, variance) => {
    const { R, scale } = correlation(
      fromRows([
        [4, 1e-9, 2],
        [1e-9, variance, 1e-9],
        [2, 1e-9, 1],
      ]),
    );
    expect([...scale]).toEqual([0.5, 0, 1]);
    expect(R).toEqual(
      fromRows([
        [1, 0, 1],
        [0, 1, 0],
        [1, 0, 1],
      ]),
    );
  });

  it('of all zeros is the identity', () => {
    expect(
      correlation(
        fromRows([
          [0, 0],
          [0, 0],
        ]),
      ),
    ).toEqual({
      R: fromRows([
        [1, 0],
        [0, 1],
      ]),
      scale: new Float64Array(2),
    });
  });

  it('does not depend on the scale of the data', () => {
    const { scale } = correlation(
      fromRows([
        [1e-30, 0],
        [0, 4e-30],
      ]),
    );
    expect([...scale].every((s) => s > 0)).toBe(true);
  });
});
