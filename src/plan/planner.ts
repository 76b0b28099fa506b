import type { ChannelAnalysis } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { smallestWidths, unreachable, usedShare, type Limit } from './limits.js';
import { planRoundedWidths } from './rounding.js';
import { planWidths, predictedError, type WidthCurve } from './search.js';

/** Widths for limits, from the curves. */
export class Planner {
  constructor(
    private readonly curves: readonly WidthCurve[],
    private readonly steps: readonly number[],
    private readonly limits: readonly Limit[],
  ) {}

  /** The widths with the smallest predicted error within the limits, and `more` of them. @throws CondenseError where there are none */
  plan(more: readonly Limit[] = []): Int32Array {
    const limits = [...this.limits, ...more];
    const used = usedShare(limits);
    const widths = planRoundedWidths(this.curves, this.steps, used, 1) ?? planWidths(this.curves, used, 1);
    if (widths !== undefined) return widths;
    const missed = unreachable(limits, smallestWidths(this.curves))!;
    return raise(budgetTooSmall(missed.limit, missed.cost));
  }

  /** Predicted NRMSE. */
  predicted(widths: ArrayLike<number>): number {
    return Math.sqrt(predictedError(this.curves, widths));
  }
}

/** The step of each space's widths: that of `--round-to` for convolutions whose width is a multiple of it, else 1. */
export function stepsOf({ spaces }: ChannelAnalysis, curves: readonly WidthCurve[], roundTo: number): number[] {
  return spaces.map(({ producers, channels }, i) => {
    const convolution = producers.some((node) => node.opType === 'Conv' || node.opType === 'ConvTranspose');
    const free = curves[i]!.minimum < curves[i]!.size;
    return convolution && free && channels.length % roundTo === 0 ? roundTo : 1;
  });
}
