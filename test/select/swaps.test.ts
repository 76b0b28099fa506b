import { afterAll, describe, expect, it } from 'vitest';
import { addToDiagonal, fromRows, type Matrix } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { improveBySwaps } from '../../src/select/swaps.js';
import { randomCovariance, randomMatrix, subsetLoss, subsets } from '../matrices.js';

const blas = new Blas();
afterAll(() => blas.release());

interface Site {
  readonly C: Matrix;
  readonly W: Matrix;
}

const problem = (n: number, outputs: number, seed: number): Site => ({
  C: addToDiagonal(randomCovariance(n, seed, n), 1e-3),
  W: randomMatrix(outputs, n, seed + 500),
});
const loss = (sites: readonly Site[], kept: ArrayLike<number>): number =>
  sites.reduce((sum, { C, W }) => sum + subsetLoss(C, W, Array.from(kept)), 0);
const improve = (sites: readonly Site[], kept: readonly number[], maxSwaps = 100) =>
  improveBySwaps(sites, Int32Array.from(kept), { maxSwaps, blas });
const worst = (sites: readonly Site[], candidates: readonly number[][]): number[] =>
  candidates.reduce((a, b) => (loss(sites, b) > loss(sites, a) ? b : a));

describe('local swaps', () => {
  it('from the worst start: never worse, of the same size, and mostly at the optimum of all subsets', async () => {
    let optimal = 0;
    const problems = Array.from({ length: 20 }, (_, seed) => [
      problem(9, 3, seed),
      ...(seed % 2 === 0 ? [] : [problem(9, 2, seed + 50)]),
    ]);
    for (const sites of problems) {
      const all = subsets(9, 4);
      const start = worst(sites, all);
      const { kept, swaps } = await improve(sites, start);
      expect(swaps).toBeGreaterThan(0);
      expect(new Set(kept).size).toBe(4);
      expect([...kept]).toEqual([...kept].sort((a, b) => a - b));
      expect(loss(sites, kept)).toBeLessThan(loss(sites, start));
      const best = Math.min(...all.map((k) => loss(sites, k)));
      if (loss(sites, kept) < best * (1 + 1e-6)) optimal++;
    }
    expect(optimal).toBeGreaterThanOrEqual(12);
  });

  it('every single swap lowers the loss', async () => {
    const sites = [problem(12, 4, 1), problem(12, 1, 2)];
    let last = loss(sites, [0, 1, 2, 3, 4]);
    let swapsBefore = 0;
    for (let maxSwaps = 1; maxSwaps < 20; maxSwaps++) {
      const { kept, swaps } = await improve(sites, [0, 1, 2, 3, 4], maxSwaps);
      expect(swaps).toBeLessThanOrEqual(maxSwaps);
      if (swaps === swapsBefore) return;
      const now = loss(sites, kept);
      expect(now).toBeLessThan(last);
      [last, swapsBefore] = [now, swaps];
    }
    throw new Error('the swaps never came to an end');
  });

  it('leaves an optimal set alone', async () => {
    const sites = [problem(8, 3, 3)];
    const best = subsets(8, 3).reduce((a, b) => (loss(sites, b) < loss(sites, a) ? b : a));
    expect(await improve(sites, best)).toEqual({ kept: Int32Array.from(best), swaps: 0 });
  });

  it('follows exactly as many swaps as it may', async () => {
    const sites = [problem(10, 3, 4)];
    const start = worst(sites, subsets(10, 5));
    expect((await improve(sites, start, 0)).swaps).toBe(0);
    expect((await improve(sites, start, 1)).swaps).toBe(1);
  });

  it('has nothing to swap when all or none are kept', async () => {
    const sites = [problem(4, 2, 5)];
    expect((await improve(sites, [])).swaps).toBe(0);
    expect([...(await improve(sites, [0, 1, 2, 3])).kept]).toEqual([0, 1, 2, 3]);
  });

  it('outputs nobody reads: no swap is worth it', async () => {
    const sites = [{ C: randomCovariance(6, 6), W: fromRows([[0, 0, 0, 0, 0, 0]]) }];
    expect((await improve(sites, [1, 4])).swaps).toBe(0);
  });

  it('keeps its figures right over many swaps on an ill-conditioned covariance', async () => {
    const n = 80;
    const sites = [{ C: addToDiagonal(randomCovariance(n, 7, 30), 1e-7), W: randomMatrix(6, n, 8) }];
    const start = Array.from({ length: 25 }, (_, i) => i);
    const { kept, swaps } = await improve(sites, start, 200);
    expect(swaps).toBeGreaterThan(3);
    expect(swaps).toBeLessThan(200);
    const reached = loss(sites, kept);
    expect(reached).toBeLessThan(loss(sites, start));
    // A fresh tableau of the same set finds nothing that the old one missed through rounding.
    const again = await improve(sites, [...kept], 200);
    expect(loss(sites, again.kept)).toBeGreaterThan(0.98 * reached);
  });
});
