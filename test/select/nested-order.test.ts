import { afterAll, describe, expect, it } from 'vitest';
import { choleskyInverse } from '../../src/linalg/cholesky.js';
import { addToDiagonal, fromRows, type Matrix } from '../../src/linalg/matrix.js';
import { correlation } from '../../src/linalg/standardise.js';
import { Blas } from '../../src/runtime/blas.js';
import { nestedOrder, type NestedOrder } from '../../src/select/nested-order.js';
import { multiply, randomCovariance, randomMatrix, subsetLoss, transposed } from '../matrices.js';

interface Problem {
  readonly C: Matrix;
  readonly W: Matrix;
}

const blas = new Blas();
afterAll(() => blas.release());

function problem(n: number, outputs: number, seed: number): Problem {
  return { C: addToDiagonal(randomCovariance(n, seed), 0.05), W: randomMatrix(outputs, n, seed + 1000) };
}

async function eliminate(problems: readonly Problem[]): Promise<NestedOrder> {
  const sites = await Promise.all(
    problems.map(async ({ C, W }) => ({ M: (await choleskyInverse(C, blas))!, N: multiply(transposed(W), W) })),
  );
  return nestedOrder(sites, { mode: 'eliminate', blas });
}

async function select(problems: readonly Problem[]): Promise<NestedOrder> {
  const sites = problems.map(({ C, W }) => {
    const seen = multiply(W, C);
    return { M: C, N: multiply(transposed(seen), seen) };
  });
  return nestedOrder(sites, { mode: 'select', blas });
}

const loss = (problems: readonly Problem[], kept: readonly number[]): number =>
  problems.reduce((sum, { C, W }) => sum + subsetLoss(C, W, kept), 0);

/** The loss at every width: what is left after `order` was run backwards (eliminate) or forwards (select). */
function losses(problems: readonly Problem[], order: Int32Array, mode: 'eliminate' | 'select'): number[] {
  const ranking = mode === 'eliminate' ? [...order].reverse() : [...order];
  return Array.from({ length: ranking.length + 1 }, (_, k) => loss(problems, ranking.slice(0, k)));
}

describe.each([
  ['one site, one output', [problem(9, 1, 1)]],
  ['one site, several outputs', [problem(10, 4, 2)]],
  ['more outputs than features', [problem(6, 11, 3)]],
  ['three sites', [problem(9, 2, 4), problem(9, 5, 5), problem(9, 1, 6)]],
])('nested order: %s', (_, problems) => {
  const n = problems[0]!.C.rows;
  const total = loss(problems, []);

  it('eliminates what raises the least-squares loss least, by exactly its cost', async () => {
    const { order, cost } = await eliminate(problems);
    const kept = new Set(Array.from({ length: n }, (_, i) => i));
    for (let step = 0; step < n; step++) {
      const before = loss(problems, [...kept]);
      const increases = [...kept].map(
        (i) =>
          loss(
            problems,
            [...kept].filter((k) => k !== i),
          ) - before,
      );
      expect(cost[step]).toBeCloseTo(Math.min(...increases), 8);
      kept.delete(order[step]!);
      expect(cost[step]).toBeCloseTo(loss(problems, [...kept]) - before, 8);
    }
    expect(kept.size).toBe(0);
  });

  it('selects what lowers it most, by exactly its gain', async () => {
    const { order, cost } = await select(problems);
    const kept: number[] = [];
    for (let step = 0; step < n; step++) {
      const before = loss(problems, kept);
      const open = Array.from({ length: n }, (_, i) => i).filter((i) => !kept.includes(i));
      const gains = open.map((i) => before - loss(problems, [...kept, i]));
      expect(cost[step]).toBeCloseTo(Math.max(...gains), 8);
      kept.push(order[step]!);
      expect(cost[step]).toBeCloseTo(before - loss(problems, kept), 8);
    }
  });

  it('adds up to the whole loss in both directions', async () => {
    for (const run of [eliminate, select]) {
      const sum = (await run(problems)).cost.reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - total)).toBeLessThan(1e-9 * total);
    }
  });
});

describe('nested order across the borders of its blocks', () => {
  // Updates are multiplied out every 96 steps.
  it.each([95, 96, 97, 193])('n = %i', async (n) => {
    const problems = [problem(n, 5, n), problem(n, 3, n + 1)];
    const total = loss(problems, []);
    for (const mode of ['eliminate', 'select'] as const) {
      const { order, cost } = await (mode === 'eliminate' ? eliminate : select)(problems);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      const ranking = mode === 'eliminate' ? [...order].reverse() : [...order];
      let running = mode === 'eliminate' ? 0 : total;
      for (let step = 0; step < n; step++) {
        running += mode === 'eliminate' ? cost[step]! : -cost[step]!;
        // Losses from scratch take long: those around the borders, and some between them.
        if (step % 96 > 2 && step % 96 < 94 && step % 10 !== 0) continue;
        const width = mode === 'eliminate' ? n - 1 - step : step + 1;
        expect(Math.abs(running - loss(problems, ranking.slice(0, width)))).toBeLessThan(1e-9 * total);
      }
    }
  });
});

describe('nested order on degenerate problems', () => {
  const n = 60;

  it.each([1, 8, 50])('covariance of rank %i: the basis takes all the gain, nothing turns into noise', async (rank) => {
    const problems = [{ C: randomCovariance(n, rank, rank), W: randomMatrix(4, n, 7) }];
    const total = loss(problems, []);
    const { order, cost } = await select(problems);
    expect(new Set(order).size).toBe(n);
    expect(cost.every((c) => Number.isFinite(c) && c >= 0)).toBe(true);
    expect(Math.abs(cost.subarray(0, rank).reduce((a, b) => a + b, 0) - total)).toBeLessThan(1e-9 * total);
    expect(cost.subarray(rank).reduce((a, b) => a + b, 0)).toBeLessThan(1e-9 * total);
  });

  it('a spectrum that decays over ten decades, with a small ridge: the costs are still those of the losses', async () => {
    const samples = randomMatrix(2 * n, n, 3);
    samples.data.forEach((v, i) => (samples.data[i] = v * 10 ** (-(10 / n) * (i % n))));
    const mixed = multiply(samples, randomMatrix(n, n, 4));
    const { R } = correlation(multiply(transposed(mixed), mixed));
    const problems = [{ C: addToDiagonal(R, 1e-7), W: randomMatrix(4, n, 8) }];
    const total = loss(problems, []);
    for (const mode of ['eliminate', 'select'] as const) {
      const { order, cost } = await (mode === 'eliminate' ? eliminate : select)(problems);
      const expected = losses(problems, order, mode);
      let running = mode === 'eliminate' ? 0 : total;
      for (let step = 0; step < n; step++) {
        running += mode === 'eliminate' ? cost[step]! : -cost[step]!;
        const width = mode === 'eliminate' ? n - 1 - step : step + 1;
        expect(Math.abs(running - expected[width]!)).toBeLessThan(1e-7 * total);
      }
    }
  });

  it('features without weight or without variance go first and come last', async () => {
    const W = randomMatrix(2, 4, 9);
    W.data[1] = W.data[5] = 0;
    const C = fromRows([
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]);
    const { order, cost } = await eliminate([{ C, W }]);
    expect(order[0]).toBe(1);
    expect(cost[0]).toBe(0);
    C.data[15] = 0;
    const selected = await select([{ C, W }]);
    expect([...selected.order.subarray(2)].sort()).toEqual([1, 3]);
    expect([...selected.cost.subarray(2)]).toEqual([0, 0]);
  });

  it('the same problem gives the same order, ties by index', async () => {
    const C = randomCovariance(5, 1);
    const none = { C, W: { ...randomMatrix(2, 5, 1), data: new Float64Array(10) } };
    expect([...(await select([none])).order]).toEqual([0, 1, 2, 3, 4]);
  });

  it('no features, no steps', async () => {
    const nothing = await nestedOrder([], { mode: 'eliminate', blas });
    expect(nothing.order.length + nothing.cost.length).toBe(0);
  });
});
