import { describe, expect, it } from 'vitest';
import { correctCurves } from '../../src/plan/corrected-curves.js';
import { predictedError, type WidthCurve } from '../../src/plan/search.js';

/** error = scale / width² − scale / size². */
function curve(scale: number, size = 100): WidthCurve {
  const error = Float64Array.from({ length: size + 1 }, (_, k) => scale / Math.max(k, 0.5) ** 2 - scale / size ** 2);
  return { size, minimum: 1, error };
}

describe('correctCurves', () => {
  const curves = [curve(1), curve(1), curve(1)];

  it('gives the curves themselves without trials, and with trials that lost nothing', () => {
    expect(correctCurves(curves, [])).toBe(curves);
    expect(correctCurves(curves, [{ widths: [100, 100, 100], error: 0 }])).toBe(curves);
  });

  it('finds a common level', () => {
    const trials = [
      { widths: [50, 50, 50], error: 8 * predictedError(curves, [50, 50, 50]) },
      { widths: [20, 30, 40], error: 8 * predictedError(curves, [20, 30, 40]) },
    ];
    const corrected = correctCurves(curves, trials);
    for (const widths of [
      [50, 50, 50],
      [10, 60, 30],
    ])
      expect(predictedError(corrected, widths) / predictedError(curves, widths)).toBeCloseTo(8, 0);
  });

  it('tells from a few models which space is worth more than its curve says', () => {
    const truth = [curve(1), curve(9), curve(1 / 4)];
    const widths = [
      [50, 50, 50],
      [30, 60, 60],
      [60, 30, 60],
      [60, 60, 30],
      [40, 40, 70],
    ];
    const trials = widths.map((w) => ({ widths: w, error: predictedError(truth, w) }));
    const corrected = correctCurves(curves, trials);
    for (const w of [...widths, [45, 70, 35]])
      expect(predictedError(corrected, w) / predictedError(truth, w)).toBeCloseTo(1, 0);
    const factor = corrected.map((c, i) => c.error[50]! / curves[i]!.error[50]!);
    expect(factor[1]).toBeGreaterThan(4 * factor[0]!);
    expect(factor[2]).toBeLessThan(factor[0]!);
  });
});
