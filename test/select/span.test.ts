import { afterAll, describe, expect, it } from 'vitest';
import { addToDiagonal, fromRows, gather, range, zeros, type Matrix } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { absorb } from '../../src/select/span.js';
import {
  gaussSolve,
  identity,
  largestDifference,
  multiply,
  randomCovariance,
  randomMatrix,
  transposed,
} from '../matrices.js';

const blas = new Blas();
afterAll(() => blas.release());

const mean = (n: number): Float64Array => randomMatrix(1, n, 99).data;

/** Second moments of rows of samples, centred or not. */
function moments(X: Matrix, centred: boolean): { C: Matrix; m: Float64Array } {
  const m = Float64Array.from({ length: X.cols }, (_, i) => {
    let sum = 0;
    for (let r = 0; r < X.rows; r++) sum += X.data[r * X.cols + i]! / X.rows;
    return sum;
  });
  const shifted = centred ? { ...X, data: X.data.map((v, i) => v - m[i % X.cols]!) } : X;
  const sums = multiply(transposed(shifted), shifted);
  return { C: { ...sums, data: sums.data.map((v) => v / X.rows) }, m };
}

describe('absorption', () => {
  it.each([0, 1e-8, 1, 1e6])('keeping all is the identity for λ = %f', async (lambda) => {
    for (const centred of [true, false]) {
      const { T, t } = await absorb(randomCovariance(6, 1), mean(6), range(6), lambda, { centred, blas });
      expect(T).toEqual(identity(6));
      expect([...t]).toEqual([0, 0, 0, 0, 0, 0]);
    }
  });

  it('what stays is itself, what goes is its regression on what stays', async () => {
    const C = addToDiagonal(randomCovariance(8, 2), 0.1);
    const [kept, dropped] = [Int32Array.of(1, 3, 4, 7), Int32Array.of(0, 2, 5, 6)];
    const m = mean(8);
    const { T, t } = await absorb(C, m, kept, 0, { centred: true, blas });
    expect(gather(T, kept, range(4))).toEqual(identity(4));
    const expected = transposed(gaussSolve(gather(C, kept, kept), gather(C, kept, dropped)));
    expect(largestDifference(gather(T, dropped, range(4)), expected)).toBeLessThan(1e-10);
    // t = m − T m_K: means are kept exactly.
    for (let i = 0; i < 8; i++) {
      let value = t[i]!;
      kept.forEach((f, c) => (value += T.data[i * 4 + c]! * m[f]!));
      expect(value).toBeCloseTo(m[i]!, 12);
    }
    for (const f of kept) expect(t[f]).toBe(0);
  });

  it('the ridge counts in units of each feature’s own variance', async () => {
    const C = addToDiagonal(randomCovariance(5, 3), 0.1);
    const scales = [1, 100, 1e-3, 5, 1e4];
    const scaled = { ...C, data: C.data.map((v, i) => v * scales[Math.floor(i / 5)]! * scales[i % 5]!) };
    const kept = Int32Array.of(0, 2, 4);
    const plain = await absorb(C, mean(5), kept, 0.3, { centred: true, blas });
    const other = await absorb(scaled, mean(5), kept, 0.3, { centred: true, blas });
    const back = {
      ...other.T,
      data: other.T.data.map((v, i) => (v * scales[kept[i % 3]!]!) / scales[Math.floor(i / 3)]!),
    };
    expect(largestDifference(back, plain.T)).toBeLessThan(1e-10);
  });

  it('reproduces linearly dependent features, centred with their constants and uncentred without', async () => {
    const base = randomMatrix(50, 2, 4);
    const X = zeros(50, 4);
    for (let r = 0; r < 50; r++) {
      const [a, b] = [base.data[2 * r]! + 3, base.data[2 * r + 1]!];
      X.data.set([a, b, 2 * a - b + 5, 4 * b - a], 4 * r);
    }
    for (const centred of [true, false]) {
      const { C, m } = moments(X, centred);
      const { T, t } = await absorb(C, m, Int32Array.of(0, 1), 1e-12, { centred, blas });
      expect(largestDifference(gather(T, [3], [0, 1]), fromRows([[-1, 4]]))).toBeLessThan(1e-6);
      expect(t[3]).toBeCloseTo(0, 6);
      if (centred) {
        expect(largestDifference(gather(T, [2], [0, 1]), fromRows([[2, -1]]))).toBeLessThan(1e-6);
        expect(t[2]).toBeCloseTo(5, 6);
      } else expect([...t]).toEqual([0, 0, 0, 0]);
    }
  });

  it('constant features: gone ones become their constant, kept ones explain nothing', async () => {
    // Features: varying, constant 7, varying, constant −2.
    const C = fromRows([
      [4, 0, 2, 0],
      [0, 0, 0, 0],
      [2, 0, 9, 0],
      [0, 0, 0, 0],
    ]);
    const { T, t } = await absorb(C, Float64Array.of(1, 7, 3, -2), Int32Array.of(0, 3), 0, { centred: true, blas });
    expect(
      largestDifference(
        T,
        fromRows([
          [1, 0],
          [0, 0],
          [0.5, 0],
          [0, 1],
        ]),
      ),
    ).toBeLessThan(1e-12);
    expect(largestDifference({ rows: 1, cols: 4, data: t }, fromRows([[0, 7, 2.5, 0]]))).toBeLessThan(1e-12);
  });

  it('keeping none leaves the means', async () => {
    const { T, t } = await absorb(randomCovariance(3, 5), Float64Array.of(1, 2, 3), new Int32Array(0), 0, {
      centred: true,
      blas,
    });
    expect(T).toEqual(zeros(3, 0));
    expect([...t]).toEqual([1, 2, 3]);
    expect([
      ...(
        await absorb(randomCovariance(3, 5), Float64Array.of(1, 2, 3), new Int32Array(0), 0, { centred: false, blas })
      ).t,
    ]).toEqual([0, 0, 0]);
  });

  it('stays bounded on singular moments', async () => {
    const { T } = await absorb(randomCovariance(30, 6, 5), mean(30), range(20), 0, { centred: true, blas });
    expect(T.data.every((v) => Number.isFinite(v) && Math.abs(v) < 100)).toBe(true);
  });
});
