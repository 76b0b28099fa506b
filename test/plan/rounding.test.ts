import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRoundedWidths } from '../../src/plan/rounding.js';
import { planWidths, predictedError, type WidthCurve } from '../../src/plan/search.js';

/** A falling curve: `slope` says how fast. */
function curve(size: number, minimum: number, slope: number): WidthCurve {
  return { size, minimum, error: Float64Array.from({ length: size + 1 }, (_, k) => ((size - k) / size) ** slope) };
}

const spaces = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 70 }),
    minimum: fc.constantFrom(0, 1),
    slope: fc.constantFrom(1, 2, 5),
    step: fc.constantFrom(1, 3, 8, 16),
    price: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 1, maxLength: 5 },
);

describe('widths in steps', () => {
  it('are multiples of the step or the full size, within the budget, or there is no plan', () => {
    let plans = 0;
    fc.assert(
      fc.property(spaces, fc.integer({ min: 0, max: 110 }), (list, percent) => {
        const curves = list.map((s) => curve(s.size, s.minimum, s.slope));
        const steps = list.map((s) => s.step);
        const cost = (widths: ArrayLike<number>): number => list.reduce((sum, s, i) => sum + s.price * widths[i]!, 0);
        const budget = (percent / 100) * cost(list.map((s) => s.size));
        const widths = planRoundedWidths(curves, steps, cost, budget);
        const smallest = list.map((s) => Math.min(s.size, Math.ceil(s.minimum / s.step) * s.step));
        expect(widths === undefined).toBe(cost(smallest) > budget);
        if (widths === undefined) return;
        plans++;
        expect(cost(widths)).toBeLessThanOrEqual(budget);
        widths.forEach((w, i) => {
          const { size, minimum, step } = list[i]!;
          expect(w % step === 0 || w === size).toBe(true);
          expect(w).toBeGreaterThanOrEqual(minimum);
          expect(w).toBeLessThanOrEqual(size);
        });
      }),
      { numRuns: 300, seed: 1 },
    );
    expect(plans).toBeGreaterThan(100);
  });

  it('with steps of one are those of the plain search', () => {
    const curves = [curve(40, 1, 2), curve(25, 1, 5), curve(60, 0, 1)];
    const cost = (w: ArrayLike<number>): number => 3 * w[0]! + w[1]! * w[0]! + 2 * w[2]!;
    for (const budget of [60, 200, 500, 1300])
      expect(planRoundedWidths(curves, [1, 1, 1], cost, budget)).toEqual(planWidths(curves, cost, budget));
  });

  it('spend the budget where it helps most', () => {
    // The second space loses nothing: only its minimum stays.
    const flat: WidthCurve = { size: 32, minimum: 1, error: new Float64Array(33) };
    const cost = (w: ArrayLike<number>): number => w[0]! + w[1]!;
    const curves = [curve(32, 1, 1), flat];
    const widths = planRoundedWidths(curves, [8, 8], cost, 40)!;
    expect(widths[0]).toBe(32);
    expect(predictedError(curves, widths)).toBe(0);
  });
});
