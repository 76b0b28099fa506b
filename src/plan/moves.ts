/**
 * Moves between plans: a share of one space's channels is given up, and another space takes what that frees.
 */
import type { WidthCurve } from './search.js';

export interface MoveOptions {
  /** By space: widths are multiples of it, or full. */
  readonly steps: readonly number[];
  /** By space: the widths in question. */
  readonly bounds: readonly Pick<WidthCurve, 'minimum' | 'size'>[];
  /** Whether widths are within the budget. */
  readonly fits: (widths: ArrayLike<number>) => boolean;
}

/** Shares of a space's width that move at once. */
const SHARES = [1 / 4, 1 / 8, 1 / 16];

/** Every move from these widths that keeps the budget. */
export function movesFrom(widths: Int32Array, options: MoveOptions): Int32Array[] {
  const { bounds, steps } = options;
  const found = new Map<string, Int32Array>();
  for (const share of SHARES) {
    for (let from = 0; from < widths.length; from++) {
      const less = narrowed(widths[from]!, share, bounds[from]!.minimum, steps[from]!);
      if (less === widths[from]) continue;
      for (let to = 0; to < widths.length; to++) {
        if (to === from) continue;
        const moved = widened(widths.with(from, less), to, options);
        if (moved[to] !== widths[to]) found.set(moved.join(), moved);
      }
    }
  }
  return [...found.values()];
}

/** A width with a share of it gone, at least one step; the width itself where that is below the minimum. */
function narrowed(width: number, share: number, minimum: number, step: number): number {
  const less = Math.min(Math.round((width * (1 - share)) / step), Math.ceil(width / step) - 1) * step;
  return less < minimum || less <= 0 ? width : less;
}

/** The widths with what is left of the budget spent on whatever still fits, first spaces first. */
export function filled(widths: Int32Array, options: MoveOptions): Int32Array {
  return options.bounds.reduce((wider, _, space) => widened(wider, space, options), widths);
}

/** The widths with one space as wide as the budget allows. */
function widened(widths: Int32Array, to: number, { bounds, steps, fits }: MoveOptions): Int32Array {
  const { size } = bounds[to]!;
  const step = steps[to]!;
  const units = (width: number): number => Math.ceil(width / step);
  let [low, high] = [units(widths[to]!), units(size)];
  const at = (count: number): Int32Array => widths.with(to, Math.min(count * step, size));
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(at(middle))) low = middle;
    else high = middle - 1;
  }
  const wide = at(low);
  return fits(wide) ? wide : widths;
}
