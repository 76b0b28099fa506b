/**
 * A short range test for the learning rate: from the same weights, some steps at each of several rates, from the smallest up. The largest rate
 * that the loss on validation rows stands is taken; where weights are far from what they could be, the one that lowers it most.
 */
import type { Learner } from './learner.js';
import type { RowOrder } from './row-order.js';
import { rateAt } from './schedule.js';

/** What some steps at a rate led to. */
export interface RangePoint {
  readonly rate: number;
  /** On validation rows. */
  readonly loss: number;
}

/** Adam rarely stands more for long, even where a few steps do no harm. */
const RATES = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3];

/** @param steps at each rate; signal: ends the test after the step that it is at, with the rates that were tried to their end */
export async function rangeTest(
  learner: Learner,
  order: RowOrder,
  validation: Int32Array,
  steps: number,
  signal?: AbortSignal,
): Promise<RangePoint[]> {
  const start = learner.weights.map((w) => w.slice());
  const points: RangePoint[] = [];
  for (const rate of RATES) {
    let loss = 0;
    for (let step = 0; step < steps && Number.isFinite(loss) && signal?.aborted !== true; step++)
      loss = await learner.step(order.of(step), 0, rateAt(step, step / steps, steps, rate));
    if (signal?.aborted === true) {
      learner.adam.restart(start);
      break;
    }
    const reached = Number.isFinite(loss) ? await learner.loss(validation) : Infinity;
    points.push({ rate, loss: reached });
    learner.adam.restart(start);
  }
  return points;
}

/** A loss that grows to more than this many times the one before is not stood. */
const STOOD = 4;

/** @param start loss on validation rows before any step */
export function bestRate(points: readonly RangePoint[], start: number): number {
  const least = points.reduce((a, b) => Math.min(a, b.loss), Infinity);
  const stood = points.filter((p) => p.loss <= STOOD * Math.min(start, least));
  return stood.at(-1)?.rate ?? RATES[0]!;
}
