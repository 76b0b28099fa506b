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

/** The step of widths of convolutions, or the number of channels that kernels compute at a time, which says it for each width. */
export type Rounding = number | { readonly block: number };

/** Kernels of convolutions want widths in multiples of this at least. */
const ALIGNED = 4;

/**
 * The step of each space's widths: 1, but for convolutions the given one, or as large a part of it as their own width is a multiple of.
 * By the block of the kernels: a block for wide spaces, less for those of a few blocks, which would have too few widths to choose from.
 */
export function stepsOf({ spaces }: ChannelAnalysis, curves: readonly WidthCurve[], rounding: Rounding): number[] {
  return spaces.map(({ producers, channels }, i) => {
    const convolution = producers.some((node) => node.opType === 'Conv' || node.opType === 'ConvTranspose');
    const free = curves[i]!.minimum < curves[i]!.size;
    if (!convolution || !free) return 1;
    const { length } = channels;
    const step = typeof rounding === 'number' ? rounding : stepByBlock(length, rounding.block);
    const common = greatestCommonDivisor(step, length);
    return common >= Math.min(step, ALIGNED) ? common : 1;
  });
}

function stepByBlock(width: number, block: number): number {
  if (width >= 4 * block) return block;
  return Math.min(block, width >= 2 * block ? Math.max(block / 2, ALIGNED) : ALIGNED);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
