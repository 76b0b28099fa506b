/**
 * Curves of single spaces cannot see how losses act on each other: what an early layer loses is partly refitted away behind it, partly amplified.
 * Models that were really made tell. Each curve gets a factor such that the predictions fit what was measured, as close to 1 as that allows:
 *
 *     minimise  Σ_t (c + log Σ_i exp(u_i) e_i(w_t) − log measured_t)² + λ Σ_i u_i²      over u and the common level c
 *
 * by Gauss-Newton; in each step the linear problem is solved in the space of the trials, of which there are few.
 */
import { symmetricEigen } from '../linalg/eigen.js';
import { zeros } from '../linalg/matrix.js';
import type { WidthCurve } from './search.js';

/** A model that was made. */
export interface Trial {
  readonly widths: ArrayLike<number>;
  /** Its squared error; above 0. */
  readonly error: number;
}

/** (σ / τ)²: predictions scatter by about σ = 0.1 in log(error²), factors by τ = 0.7. */
const LAMBDA = 0.02;
/** The level is hardly held to 1. */
const LEVEL_WEIGHT = 10;
const STEPS = 8;
/** Largest change of a logarithm in one step. */
const MOST_CHANGE = 1;

/** The curves, each times its factor and the common level. Without trials: the curves themselves. */
export function correctCurves(curves: readonly WidthCurve[], trials: readonly Trial[]): readonly WidthCurve[] {
  const useful = trials.filter(({ widths, error }) => error > 0 && curves.some((c, i) => c.error[widths[i]!]! > 0));
  if (useful.length === 0) return curves;
  const n = curves.length;
  // Of n factors and the level, as logarithms.
  let u = new Float64Array(n + 1);
  for (let step = 0; step < STEPS; step++) {
    // Rows of the Jacobian: shares of the predicted error by space, and that of the level, scaled by how freely it moves.
    const jacobian: Float64Array[] = [];
    const target: number[] = [];
    for (const { widths, error } of useful) {
      const row = Float64Array.from({ length: n + 1 }, (_, i) =>
        i < n ? Math.exp(u[i]!) * curves[i]!.error[widths[i]!]! : 0,
      );
      const sum = row.reduce((a, b) => a + b, 0);
      for (let i = 0; i < n; i++) row[i]! /= sum;
      row[n] = LEVEL_WEIGHT;
      const residual = Math.log(error) - Math.log(sum) - LEVEL_WEIGHT * u[n]!;
      jacobian.push(row);
      target.push(residual + row.reduce((a, x, i) => a + x * u[i]!, 0));
    }
    const next = smallestSolution(jacobian, target);
    u = u.map((x, i) => x + Math.max(-MOST_CHANGE, Math.min(MOST_CHANGE, next[i]! - x)));
  }
  const level = LEVEL_WEIGHT * u[n]!;
  return curves.map((curve, i) => ({ ...curve, error: curve.error.map((e) => e * Math.exp(u[i]! + level)) }));
}

/** The minimiser of |J u − y|² + λ |u|²:  u = Jᵀ (J Jᵀ + λ)⁻¹ y. */
function smallestSolution(J: readonly Float64Array[], y: readonly number[]): Float64Array {
  const count = J.length;
  const gram = zeros(count, count);
  for (let s = 0; s < count; s++)
    for (let t = 0; t < count; t++) gram.data[s * count + t] = J[s]!.reduce((sum, x, i) => sum + x * J[t]![i]!, 0);
  const { values, vectors } = symmetricEigen(gram);
  const u = new Float64Array(J[0]!.length);
  for (let k = 0; k < count; k++) {
    let projected = 0;
    for (let t = 0; t < count; t++) projected += vectors.data[k * count + t]! * y[t]!;
    const scale = projected / (Math.max(values[k]!, 0) + LAMBDA);
    for (let t = 0; t < count; t++) {
      const weight = scale * vectors.data[k * count + t]!;
      J[t]!.forEach((x, i) => (u[i]! += weight * x));
    }
  }
  return u;
}
