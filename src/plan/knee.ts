/**
 * The knee of a curve of error against size: the point where making the model still smaller begins to cost more than it saves. With the
 * logarithms of both scaled to 0 … 1, x of the size and y of the error, the chord from the largest to the smallest model is x + y = 1; the knee
 * is the point farthest below it.
 *
 * Satopää, Albrecht, Irwin & Raghavan, Finding a "Kneedle" in a Haystack: Detecting Knee Points in System Behavior (2011), for a whole curve.
 */

/** A model on the curve. */
export interface CurvePoint {
  /** Above 0. */
  readonly size: number;
  /** 0 or above. */
  readonly error: number;
}

/** Position of the knee; of points that lie equally far, and where there is no curve, the smallest model. Undefined without points. */
export function kneeOf(points: readonly CurvePoint[]): number | undefined {
  if (points.length === 0) return undefined;
  const positive = points.map((p) => p.error).filter((e) => e > 0);
  // No error at all is as good as the smallest one: there is no logarithm of it.
  const least = positive.length === 0 ? 1 : Math.min(...positive);
  const x = scaled(points.map((p) => Math.log(p.size)));
  const y = scaled(points.map((p) => Math.log(Math.max(p.error, least))));
  return points
    .map((point, index) => ({ index, below: 1 - x[index]! - y[index]!, size: point.size }))
    .reduce((best, p) =>
      p.below > best.below + 1e-9 || (p.below > best.below - 1e-9 && p.size < best.size) ? p : best,
    ).index;
}

/** To 0 … 1; all 0 where there is no difference. */
function scaled(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((v) => (high > low ? (v - low) / (high - low) : 0));
}
