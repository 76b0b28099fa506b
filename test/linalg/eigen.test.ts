import { describe, expect, it } from 'vitest';
import { symmetricEigen, symmetricEigenvalues } from '../../src/linalg/eigen.js';
import { fromRows, type Matrix } from '../../src/linalg/matrix.js';
import { randomCovariance } from '../matrices.js';

/** max |A − Vᵀ D V| and max |V Vᵀ − I|. */
function defects(A: Matrix): { product: number; orthogonality: number } {
  const { values, vectors: V } = symmetricEigen(A);
  const n = A.rows;
  let [product, orthogonality] = [0, 0];
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let [sum, dot] = [0, 0];
      for (let k = 0; k < n; k++) {
        sum += V.data[k * n + i]! * values[k]! * V.data[k * n + j]!;
        dot += V.data[i * n + k]! * V.data[j * n + k]!;
      }
      product = Math.max(product, Math.abs(sum - A.data[i * n + j]!));
      orthogonality = Math.max(orthogonality, Math.abs(dot - (i === j ? 1 : 0)));
    }
  return { product, orthogonality };
}

describe('symmetricEigen', () => {
  it('gives the values of a matrix that is known, largest first', () => {
    const { values, vectors } = symmetricEigen(
      fromRows([
        [2, 1],
        [1, 2],
      ]),
    );
    expect([...values]).toEqual([expect.closeTo(3, 14), expect.closeTo(1, 14)]);
    expect(Math.abs(vectors.data[0]! / vectors.data[1]!)).toBeCloseTo(1, 14);
  });

  it.each([1, 2, 3, 17, 64])('puts a random matrix of %i rows together again', (n) => {
    const { product, orthogonality } = defects(randomCovariance(n, n));
    expect(product).toBeLessThan(1e-12 * n * n);
    expect(orthogonality).toBeLessThan(1e-12);
  });

  it('takes equal eigenvalues and a matrix of low rank', () => {
    const A = randomCovariance(30, 5, 4);
    const { product, orthogonality } = defects(A);
    expect(product).toBeLessThan(1e-11);
    expect(orthogonality).toBeLessThan(1e-12);
    expect([...symmetricEigen(A).values.slice(4)].every((v) => Math.abs(v) < 1e-11)).toBe(true);
    const identity = { rows: 5, cols: 5, data: Float64Array.from({ length: 25 }, (_, i) => (i % 6 === 0 ? 1 : 0)) };
    expect([...symmetricEigen(identity).values]).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('symmetricEigenvalues', () => {
  it.each([
    ['one row', randomCovariance(1, 1)],
    ['two', randomCovariance(2, 2)],
    ['many', randomCovariance(64, 3)],
    ['a low rank', randomCovariance(30, 5, 4)],
    ['equal values', { rows: 3, cols: 3, data: Float64Array.of(2, 0, 0, 0, 2, 0, 0, 0, 2) }],
    ['nothing', { rows: 3, cols: 3, data: new Float64Array(9) }],
  ])('gives the same values without their vectors: %s', (_, A) => {
    const { values } = symmetricEigen(A);
    const alone = symmetricEigenvalues(A);
    const largest = Math.max(1e-300, values[0]!);
    for (const [i, v] of values.entries()) expect(Math.abs(alone[i]! - v)).toBeLessThan(1e-12 * largest + 1e-300);
  });
});
