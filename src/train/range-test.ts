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

/** How far a range test goes. */
export interface RangeTestOptions {
  /** Loss on validation rows before any step. */
  readonly start: number;
  /** At each rate. */
  readonly steps: number;
  /** No further rate is tried after so long. */
  readonly seconds?: number;
  /** Ends the test after the step that it is at, with the rates that were tried to their end. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each rate before it is tried. */
  readonly onRate?: ((rate: number) => void) | undefined;
}

/** @param validation rows that judge each rate */
export async function rangeTest(
  learner: Learner,
  order: RowOrder,
  validation: Int32Array,
  { start, steps, seconds = Infinity, signal, onRate }: RangeTestOptions,
): Promise<RangePoint[]> {
  const began = performance.now();
  const weights = learner.weights.map((w) => w.slice());
  const points: RangePoint[] = [];
  for (const rate of [...RATES, ...SMALL_RATES]) {
    if (rate < RATES[0]! && (stood(points, start).length > 0 || Number.isNaN(start))) break;
    if (performance.now() - began > 1000 * seconds) break;
    onRate?.(rate);
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

/** A loss that grows to more than this many times the one before is not stood. */
const STOOD = 4;

/** @param start loss on validation rows before any step */
export function bestRate(points: readonly RangePoint[], start: number): number {
  return stood(points, start).at(-1)?.rate ?? points[0]?.rate ?? RATES[0]!;
}

function stood(points: readonly RangePoint[], start: number): readonly RangePoint[] {
  const least = points.reduce((a, b) => Math.min(a, b.loss), Infinity);
  return points.filter((p) => p.loss <= STOOD * Math.min(start, least));
}
