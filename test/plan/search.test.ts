import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomNumbers } from '../../src/calibration/random.js';
import { planWidths, predictedError, type WidthCurve } from '../../src/plan/search.js';

/** Squared error scale · (size/k − 1)^power: falls with k, convex, 0 at full width. */
function curve(size: number, scale: number, power = 2, minimum = 1): WidthCurve {
  const error = Float64Array.from({ length: size + 1 }, (_, k) => scale * (size / Math.max(k, 0.5) - 1) ** power);
  return { size, minimum, error };
}

/** Weights between neighbouring layers, biases included: inputs → w[0] → w[1] … → outputs. */
function chain(inputs: number, outputs: number): (widths: ArrayLike<number>) => number {
  return (widths) => {
    let cost = 0;
    let before = inputs;
    for (let i = 0; i < widths.length; i++) {
      cost += before * widths[i]! + widths[i]!;
      before = widths[i]!;
    }
    return cost + before * outputs + outputs;
  };
}

/** The best widths of all. */
function exhaustive(curves: readonly WidthCurve[], cost: (w: ArrayLike<number>) => number, budget: number): number {
  let best = Infinity;
  const visit = (widths: number[]): void => {
    if (widths.length === curves.length) {
      if (cost(widths) <= budget) best = Math.min(best, predictedError(curves, widths));
      return;
    }
    const { minimum, size } = curves[widths.length]!;
    for (let k = minimum; k <= size; k++) visit([...widths, k]);
  };
  visit([]);
  return best;
}

const curves = fc.array(
  fc.record({
    size: fc.integer({ min: 2, max: 12 }),
    scale: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    power: fc.constantFrom(1, 2, 4),
  }),
  { minLength: 1, maxLength: 3 },
);

describe('widths for a budget', () => {
  it('never exceeds the budget or the bounds; says so when it cannot be met; the same every time', () => {
    fc.assert(
      fc.property(curves, fc.double({ min: 0, max: 1.1, noNaN: true }), (specs, share) => {
        const list = specs.map(({ size, scale, power }) => curve(size, scale, power));
        const cost = chain(3, 2);
        const budget = share * cost(list.map((c) => c.size));
        const widths = planWidths(list, cost, budget);
        expect(planWidths(list, cost, budget)).toEqual(widths);
        const least = cost(list.map((c) => c.minimum));
        if (widths === undefined) {
          expect(least).toBeGreaterThan(budget);
          return;
        }
        expect(cost(widths)).toBeLessThanOrEqual(budget);
        list.forEach((c, i) => {
          expect(widths[i]).toBeGreaterThanOrEqual(c.minimum);
          expect(widths[i]).toBeLessThanOrEqual(c.size);
        });
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it('a coarse space does not take a step far below the budget that others can reach with less error', () => {
    // One step of the first space saves most for its error, and five times as much as is asked for.
    const coarse: WidthCurve = { size: 2, minimum: 1, error: Float64Array.from([9, 1, 0]) };
    const fine: WidthCurve = {
      size: 100,
      minimum: 1,
      error: Float64Array.from({ length: 101 }, (_, k) => (100 - k) / 40),
    };
    const cost = (w: ArrayLike<number>): number => 50 * w[0]! + w[1]!;
    expect([...planWidths([coarse, fine], cost, 190)!]).toEqual([2, 90]);
    // Where that much has to go, it is the better way.
    expect([...planWidths([coarse, fine], cost, 150)!]).toEqual([1, 100]);
  });

  it('leaves nothing on the table that one space could still have', () => {
    fc.assert(
      fc.property(curves, fc.double({ min: 0.2, max: 1, noNaN: true }), (specs, share) => {
        const list = specs.map(({ size, scale, power }) => curve(size, scale, power));
        const cost = chain(3, 2);
        const budget = share * cost(list.map((c) => c.size));
        const widths = planWidths(list, cost, budget);
        if (widths === undefined) return;
        list.forEach((c, i) => {
          if (widths[i]! < c.size) expect(cost(widths.with(i, widths[i]! + 1))).toBeGreaterThan(budget);
        });
      }),
      { numRuns: 300, seed: 2 },
    );
  });

  it('is mostly the best of all plans of small problems and never far from it', () => {
    const next = randomNumbers(3);
    const ratios: number[] = [];
    for (let trial = 0; trial < 200; trial++) {
      const list = Array.from({ length: 1 + (trial % 3) }, () =>
        curve(2 + Math.floor(11 * next()), 10 ** (-6 * next()), [1, 2, 4][Math.floor(3 * next())]),
      );
      const cost = chain(3, 2);
      const budget = (0.15 + 0.8 * next()) * cost(list.map((c) => c.size));
      const widths = planWidths(list, cost, budget);
      if (widths !== undefined) ratios.push(predictedError(list, widths) / exhaustive(list, cost, budget));
    }
    expect(ratios.length).toBeGreaterThan(150);
    expect(ratios.filter((r) => r < 1 + 1e-9).length / ratios.length).toBeGreaterThan(0.95);
    expect(Math.max(...ratios)).toBeLessThan(1.2);
  });

  it('everything stays where the budget allows it', () => {
    expect(planWidths([curve(10, 1), curve(7, 1)], chain(5, 5), 1e9)).toEqual(Int32Array.of(10, 7));
    expect(planWidths([], () => 5, 10)).toEqual(new Int32Array(0));
    expect(planWidths([], () => 50, 10)).toBeUndefined();
  });

  it('the smallest budget that can be met is met', () => {
    const list = [curve(10, 1), curve(20, 1, 2, 0), curve(7, 1)];
    const cost = chain(5, 5);
    const least = cost([1, 0, 1]);
    expect(planWidths(list, cost, least)).toEqual(Int32Array.of(1, 0, 1));
    expect(planWidths(list, cost, least - 1)).toBeUndefined();
  });

  it('beats equal shares where layers differ', () => {
    const list = [curve(400, 1e-4), curve(400, 1e-2), curve(400, 1e-6), curve(400, 1e-3)];
    const cost = chain(11, 8);
    for (const share of [0.4, 0.1, 0.02]) {
      const budget = share * cost([400, 400, 400, 400]);
      let uniform = 1;
      while (cost(new Array<number>(4).fill(uniform + 1)) <= budget) uniform++;
      const widths = planWidths(list, cost, budget)!;
      expect(predictedError(list, widths)).toBeLessThan(0.8 * predictedError(list, new Array<number>(4).fill(uniform)));
      // What matters more stays wider.
      expect(widths[1]).toBeGreaterThan(widths[0]!);
      expect(widths[0]).toBeGreaterThan(widths[2]!);
    }
  });

  it('looks past the bumps of a measured curve', () => {
    const bumpy = curve(200, 1e-3);
    // A cliff right below the full width, and a plateau after it.
    for (let k = 100; k < 200; k++) bumpy.error[k] = Math.max(bumpy.error[k]!, 0.9e-3);
    const list = [bumpy, curve(200, 1e-2)];
    const cost = chain(10, 10);
    const budget = 0.4 * cost([200, 200]);
    const widths = planWidths(list, cost, budget)!;
    expect(predictedError(list, widths)).toBeLessThanOrEqual(1.02 * exhaustive(list, cost, budget));
  });

  it('plans thirty wide layers in a moment', () => {
    const list = Array.from({ length: 30 }, (_, i) => curve(1000 + 10 * i, 10 ** -(i % 5)));
    const cost = chain(100, 10);
    const start = performance.now();
    const budget = 0.1 * cost(list.map((c) => c.size));
    expect(cost(planWidths(list, cost, budget)!)).toBeLessThanOrEqual(budget);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('predicted error', () => {
  it('adds up over the spaces', () => {
    const [a, b] = [curve(4, 1), curve(6, 2)];
    expect(predictedError([a, b], [2, 3])).toBe(a.error[2]! + b.error[3]!);
    expect(predictedError([a, b], [4, 6])).toBe(0);
  });
});
