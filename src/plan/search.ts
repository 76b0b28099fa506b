/** What the planner knows of one space. */
export interface WidthCurve {
  /** Removable channels of the space. */
  readonly size: number;
  /** Fewest channels that may stay. */
  readonly minimum: number;
  /** Predicted squared error when k channels stay, at index k (0 … size); falls with k and is 0 at `size`. Squared errors of spaces add. */
  readonly error: Float64Array;
}

/**
 * Chooses the widths with the smallest predicted squared error under a budget: a greedy descent by error per parameter saved, then exchanges
 * between pairs of spaces at falling step sizes until none helps. Where one coarse step of a space goes far below the budget, the same again
 * without that step. Deterministic.
 * @param cost the cost of a list of widths; grows with each width
 * @returns widths by space, or undefined when even the smallest ones cost more than the budget
 */
export function planWidths(
  curves: readonly WidthCurve[],
  cost: (widths: ArrayLike<number>) => number,
  budget: number,
): Int32Array | undefined {
  let best = descendAndExchange(curves, cost, budget);
  // One step less of a space that has few may be more than the budget asks for: what would the others do in its place?
  for (let bounds = curves; best !== undefined && cost(best) < (1 - SLACK) * budget;) {
    const better = withoutOneStep(bounds, cost, budget, best);
    if (better === undefined) break;
    ({ bounds, widths: best } = better);
  }
  return best;
}

/** Share of the budget that may be left unused before other ways are looked for. */
const SLACK = 0.01;

/** The best plan in which one space is kept wider than in these widths, and by what bounds; undefined where none has less error. */
function withoutOneStep(
  curves: readonly WidthCurve[],
  cost: (widths: ArrayLike<number>) => number,
  budget: number,
  widths: Int32Array,
): { readonly bounds: readonly WidthCurve[]; readonly widths: Int32Array } | undefined {
  let best: ReturnType<typeof withoutOneStep>;
  let least = predictedError(curves, widths);
  for (const [space, curve] of curves.entries()) {
    if (widths[space]! >= curve.size) continue;
    const bounds = curves.with(space, { ...curve, minimum: widths[space]! + 1 });
    const found = descendAndExchange(bounds, cost, budget);
    if (found === undefined || predictedError(curves, found) >= least) continue;
    best = { bounds, widths: found };
    least = predictedError(curves, found);
  }
  return best;
}

function descendAndExchange(
  curves: readonly WidthCurve[],
  cost: (widths: ArrayLike<number>) => number,
  budget: number,
): Int32Array | undefined {
  const widths = Int32Array.from(curves, (c) => c.size);
  if (cost(curves.map((c) => c.minimum)) > budget) return undefined;
  descend(curves, cost, budget, widths);
  for (let scale = 16; scale <= 1024; scale *= 2) exchange(curves, cost, budget, widths, scale);
  return widths;
}

/** Predicted squared error of a list of widths. */
export function predictedError(curves: readonly WidthCurve[], widths: ArrayLike<number>): number {
  return curves.reduce((sum, c, i) => sum + c.error[widths[i]!]!, 0);
}

function descend(
  curves: readonly WidthCurve[],
  cost: (w: ArrayLike<number>) => number,
  budget: number,
  widths: Int32Array,
): void {
  let current = cost(widths);
  while (current > budget) {
    let best = { ratio: Infinity, space: -1, width: 0, cost: 0 };
    curves.forEach((curve, space) => {
      const from = widths[space]!;
      // Steps of several sizes look past the small bumps of a measured curve.
      for (let step = Math.max(1, Math.floor(curve.size / 100)); from - step >= curve.minimum; step *= 2) {
        const width = from - step;
        const next = costWith(cost, widths, space, width);
        const ratio = (curve.error[width]! - curve.error[from]!) / Math.max(current - next, 1e-9);
        if (ratio < best.ratio) best = { ratio, space, width, cost: next };
      }
      if (best.space < 0 && from > curve.minimum)
        best = { ratio: Infinity, space, width: from - 1, cost: costWith(cost, widths, space, from - 1) };
    });
    if (best.space < 0) {
      // Only widths closer to the minimum than one step are left: go down one by one.
      const space = curves.findIndex((c, i) => widths[i]! > c.minimum);
      widths[space]!--;
      current = cost(widths);
      continue;
    }
    widths[best.space] = best.width;
    current = best.cost;
  }
}

/** Narrows one space by a step and gives what that frees to another, as long as the predicted error falls; also spends what is left over. */
function exchange(
  curves: readonly WidthCurve[],
  cost: (w: ArrayLike<number>) => number,
  budget: number,
  widths: Int32Array,
  scale: number,
): void {
  for (let round = 0; round < 50; round++) {
    let improved = false;
    for (let down = -1; down < curves.length; down++) {
      for (let up = 0; up < curves.length; up++) {
        if (up === down) continue;
        const trial = Int32Array.from(widths);
        if (down >= 0) {
          const step = Math.max(1, Math.round(curves[down]!.size / scale));
          if (trial[down]! - step < curves[down]!.minimum) continue;
          trial[down] = trial[down]! - step;
        }
        trial[up] = widest(curves[up]!.size, trial, up, cost, budget);
        if (trial[up]! <= widths[up]!) continue;
        if (predictedError(curves, trial) < predictedError(curves, widths) * (1 - 1e-9)) {
          widths.set(trial);
          improved = true;
        }
      }
    }
    if (!improved) return;
  }
}

/** The largest width of one space that the budget allows, the others given. */
function widest(
  size: number,
  widths: Int32Array,
  space: number,
  cost: (w: ArrayLike<number>) => number,
  budget: number,
): number {
  let low = widths[space]!;
  let high = size;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costWith(cost, widths, space, middle) <= budget) low = middle;
    else high = middle - 1;
  }
  return low;
}

function costWith(cost: (w: ArrayLike<number>) => number, widths: Int32Array, space: number, width: number): number {
  const old = widths[space]!;
  widths[space] = width;
  const result = cost(widths);
  widths[space] = old;
  return result;
}
