import type { WidthCurve } from './search.js';

/** A bound on what a reduced model may cost. */
export interface Limit {
  /** The option that asked for it. */
  readonly option: string;
  /** What is counted: parameters, bytes, ... */
  readonly unit: string;
  readonly most: number;
  /** What the input costs. */
  readonly full: number;
  /** What a model with these widths costs; never falls as a width grows. */
  readonly cost: (widths: ArrayLike<number>) => number;
}

/** Several limits as one: how much of the tightest is used. All are kept at 1 and below. */
export function usedShare(limits: readonly Limit[]): (widths: ArrayLike<number>) => number {
  return (widths) => limits.reduce((most, limit) => Math.max(most, limit.cost(widths) / limit.most), 0);
}

/** A limit that even the smallest widths break, with what they cost; undefined where all can be kept. */
export function unreachable(
  limits: readonly Limit[],
  smallest: ArrayLike<number>,
): { readonly limit: Limit; readonly cost: number } | undefined {
  return limits.map((limit) => ({ limit, cost: limit.cost(smallest) })).find(({ limit, cost }) => cost > limit.most);
}

/** The smallest widths that the curves allow. */
export function smallestWidths(curves: readonly WidthCurve[]): number[] {
  return curves.map((curve) => curve.minimum);
}
