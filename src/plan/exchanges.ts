/**
 * The last step of planning: channels are moved from one space to another as long as the model that is really made with the new widths errs less.
 * Curves of single spaces cannot see how losses act on each other; this does. Deterministic: what is limited is the number of models made.
 */

export interface ExchangeOptions {
  /** By space: widths are multiples of it, or full. */
  readonly steps: readonly number[];
  /** By space: the widths in question. */
  readonly bounds: readonly { readonly minimum: number; readonly size: number }[];
  /** Whether widths are within the budget. */
  readonly fits: (widths: ArrayLike<number>) => boolean;
  /** What the curves predict; moves that promise most are tried first. */
  readonly predicted: (widths: ArrayLike<number>) => number;
  /** The error of the model made with these widths. */
  readonly measured: (widths: Int32Array) => Promise<number>;
  /** Models that may be made. */
  readonly evaluations: number;
}

/** Shares of a space's width that move at once, from large to small. */
const SHARES = [1 / 4, 1 / 8, 1 / 16];
/** A move has to lower the error to this share: smaller gains are what the rows happen to be. */
const WORTH = 0.995;

/** The widths found and their measured error (of the given ones where nothing better was found). */
export async function improveByExchanges(
  start: Int32Array,
  options: ExchangeOptions,
): Promise<{ readonly widths: Int32Array; readonly error: number }> {
  let best = { widths: start, error: await options.measured(start) };
  let left = options.evaluations;
  const tried = new Set([start.join()]);
  for (const share of SHARES) {
    for (let improved = true; improved;) {
      improved = false;
      for (const widths of moves(best.widths, share, options)) {
        if (left === 0) return best;
        if (tried.has(widths.join())) continue;
        tried.add(widths.join());
        left--;
        const error = await options.measured(widths);
        if (error >= best.error * WORTH) continue;
        best = { widths, error };
        improved = true;
        break;
      }
    }
  }
  return best;
}

/** Every move of a share of one space's channels to another that keeps the budget, by promise. */
function moves(widths: Int32Array, share: number, options: ExchangeOptions): Int32Array[] {
  const { bounds, steps, predicted } = options;
  const found: { readonly widths: Int32Array; readonly error: number }[] = [];
  for (let from = 0; from < widths.length; from++) {
    const less = narrowed(widths[from]!, share, bounds[from]!.minimum, steps[from]!);
    if (less === widths[from]) continue;
    for (let to = 0; to < widths.length; to++) {
      if (to === from) continue;
      const moved = widened(widths.with(from, less), to, options);
      if (moved[to] !== widths[to]) found.push({ widths: moved, error: predicted(moved) });
    }
  }
  return found.sort((a, b) => a.error - b.error).map((move) => move.widths);
}

/** A width with a share of it gone, at least one step; the width itself where that is below the minimum. */
function narrowed(width: number, share: number, minimum: number, step: number): number {
  const less = Math.min(Math.round((width * (1 - share)) / step), Math.ceil(width / step) - 1) * step;
  return less < minimum || less <= 0 ? width : less;
}

/** The widths with one space as wide as the budget allows. */
function widened(widths: Int32Array, to: number, { bounds, steps, fits }: ExchangeOptions): Int32Array {
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
