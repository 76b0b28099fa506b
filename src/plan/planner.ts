import type { ChannelAnalysis } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { improveByExchanges } from './exchanges.js';
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

  /**
   * Widths within the limits that were improved by exchanges between spaces.
   * @param measured the error of the model made with given widths
   * @param evaluations models that may be made for it
   */
  async improve(
    widths: Int32Array,
    measured: (widths: Int32Array) => Promise<number>,
    evaluations: number,
  ): Promise<{ readonly widths: Int32Array; readonly error?: number }> {
    if (evaluations === 0) return { widths };
    const used = usedShare(this.limits);
    return improveByExchanges(widths, {
      steps: this.steps,
      bounds: this.curves,
      fits: (w) => used(w) <= 1,
      predicted: (w) => this.predicted(w),
      measured,
      evaluations,
    });
  }

  /** Predicted NRMSE. */
  predicted(widths: ArrayLike<number>): number {
    return Math.sqrt(predictedError(this.curves, widths));
  }

  get smallest(): number[] {
    return smallestWidths(this.curves);
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
