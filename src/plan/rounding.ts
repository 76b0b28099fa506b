/**
 * Widths in steps: blocked convolution kernels want channels in multiples of 8 or 16, and ragged widths run up to three times slower. The search
 * itself works in units of each space's step.
 */
import { planWidths, type WidthCurve } from './search.js';

/**
 * Like `planWidths`, with every width a multiple of its space's step (or the full size).
 * @param steps by space; 1 for any width
 */
export function planRoundedWidths(
  curves: readonly WidthCurve[],
  steps: readonly number[],
  cost: (widths: ArrayLike<number>) => number,
  budget: number,
): Int32Array | undefined {
  const width = (units: number, i: number): number => Math.min(units * steps[i]!, curves[i]!.size);
  const toWidths = (units: ArrayLike<number>): Int32Array => Int32Array.from(units, width);
  const coarse = curves.map(({ size, minimum, error }, i): WidthCurve => {
    const count = Math.ceil(size / steps[i]!);
    return {
      size: count,
      minimum: Math.ceil(minimum / steps[i]!),
      error: Float64Array.from({ length: count + 1 }, (_, units) => error[width(units, i)]!),
    };
  });
  const units = planWidths(coarse, (u) => cost(toWidths(u)), budget);
  return units === undefined ? undefined : toWidths(units);
}
