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
/** Tried where none of the others is stood: weights that least squares has found to many digits. */
const SMALL_RATES = [3e-5, 1e-5];

/**
 * @param validation rows that judge each rate
 * @param limits loss on validation rows before any step, to how many times that it may grow ({@link growthIn}), and steps at each rate
 * @param signal ends the test after the step that it is at, with the rates that were tried to their end
 */
export async function rangeTest(
  learner: Learner,
  order: RowOrder,
  validation: Int32Array,
  limits: { readonly start: number; readonly growth: number; readonly steps: number },
  signal?: AbortSignal,
): Promise<RangePoint[]> {
  const { start, growth, steps } = limits;
  const weights = learner.weights.map((w) => w.slice());
  const points: RangePoint[] = [];
  for (const rate of [...RATES, ...SMALL_RATES]) {
    if (rate < RATES[0]! && (stood(points, start, growth).length > 0 || Number.isNaN(start))) break;
    let loss = 0;
    for (let step = 0; step < steps && Number.isFinite(loss) && signal?.aborted !== true; step++)
      loss = await learner.step(order.of(step), 0, rateAt(step, step / steps, steps, rate));
    if (signal?.aborted === true) {
      learner.adam.restart(weights);
      break;
    }
    const reached = Number.isFinite(loss) ? await learner.loss(validation) : Infinity;
    points.push({ rate, loss: reached });
    learner.adam.restart(weights);
  }
  return points.sort((a, b) => a.rate - b.rate);
}

/** Steps of a training in which a loss may double at first. */
const STEPS_TO_RECOVER = 100_000;
/** Bounds of what is stood: what is no more than noise, and what is too much for any training. */
const GROWTH = [1.02, 4] as const;

/**
 * To how many times what it was the loss may grow in the range test: what grows at first falls again, below where it was, but that takes its time,
 * and a few steps show little of how far it will grow. A rule from two networks for combustion after their refit: h2-combustion at 4.3 % grew to 2.8
 * times in 200 steps and ended at a sixth of the start after 160,000; drm19 at 10 % grew to 1.07 times in 120 steps, to 8 times in 600, and was
 * above the start after 3,000.
 * @param steps of the training
 */
export function growthIn(steps: number): number {
  return Math.min(GROWTH[1], Math.max(GROWTH[0], 1 + (steps / STEPS_TO_RECOVER) ** 2));
}

/** @param start loss on validation rows before any step; growth: what is stood */
export function bestRate(points: readonly RangePoint[], start: number, growth: number): number {
  return stood(points, start, growth).at(-1)?.rate ?? points[0]?.rate ?? RATES[0]!;
}

function stood(points: readonly RangePoint[], start: number, growth: number): readonly RangePoint[] {
  const least = points.reduce((a, b) => Math.min(a, b.loss), Infinity);
  return points.filter((p) => p.loss <= growth * Math.min(start, least));
}
