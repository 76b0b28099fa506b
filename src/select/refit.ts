/**
 * Refit of one consumer from moments of its input x' (in the reduced model) and of its target z (in the original one):
 *
 *     W' = (Cov(z, x') + λ W₀)(Cov(x', x') + λ I)⁻¹,   b' = E z − W' E x'
 *
 * in coordinates where every x' has unit variance, so that λ has no scale. λ is chosen by cross-validation over the folds' moments: train on
 * the sum of the others, and judge E‖z − W'x' − b'‖², each output over its variance, on the fold left out. Sums of folds give every split.
 */
import { Moments } from '../calibration/moments.js';
import type { Matrix } from '../linalg/matrix.js';
import { regularisedSolve } from '../linalg/regularised.js';
import { correlation } from '../linalg/standardise.js';
import type { Blas } from '../runtime/blas.js';

/**
 * The one fold that λ is chosen on. W₀ must not have seen it either: absorption that was fitted on its rows looks better there than it is, and
 * the ridge would pull towards it too strongly.
 */
export interface HeldFold {
  /** Its index. */
  readonly fold: number;
  /** W₀ as the other folds alone give it. */
  readonly start: Matrix;
  /** Whether the fold's rows take part in the final fit. */
  readonly fitted: boolean;
}

export interface Refit {
  /** outputs × features. */
  readonly weight: Matrix;
  /** b', one for each output; zeros when not centred. */
  readonly constant: Float64Array;
  readonly lambda: number;
  /** Standardised squared error per output on held-out folds at the chosen λ, and on the fitted rows. */
  readonly validation: number;
  readonly fitted: number;
}

/** Grid of λ, walked from the middle downhill. */
const GRID = [1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];
const START = 4;
/** Above this many features only half of the folds are left out in turn, to save factorisations. */
const LARGE = 1000;

export async function refitCrossValidated(
  folds: readonly Moments[],
  start: Matrix,
  { centred, blas, held }: { readonly centred: boolean; readonly blas: Blas; readonly held?: HeldFold | undefined },
): Promise<Refit> {
  const rest = held === undefined ? folds : folds.filter((f) => f !== folds[held.fold]);
  const total = Moments.total(held?.fitted === false ? rest : folds);
  const variance = total.zz(centred);
  const whole = folds.length < 2 ? [] : splitsOf(folds, total.n > LARGE ? Math.ceil(folds.length / 2) : folds.length);
  const splits =
    held === undefined
      ? whole.map((split) => ({ ...split, from: start }))
      : [{ train: Moments.total(rest), held: folds[held.fold]!, from: held.start }];
  const scores = new Map<number, number>();
  const score = async (at: number): Promise<number> => {
    const known = scores.get(at);
    if (known !== undefined) return known;
    let sum = 0;
    for (const { train, held, from } of splits) {
      const fit = await solve(train, from, GRID[at]!, centred, blas);
      sum += (await errorOn(held, fit, variance, centred, blas)) / splits.length;
    }
    scores.set(at, sum);
    return sum;
  };
  let best = START;
  if (splits.length > 0) {
    const stride = total.n > LARGE ? 2 : 1;
    for (;;) {
      const here = await score(best);
      const down = best - stride >= 0 ? await score(best - stride) : Infinity;
      const up = down < here ? Infinity : best + stride < GRID.length ? await score(best + stride) : Infinity;
      if (down < here) best -= stride;
      else if (up < here) best += stride;
      else break;
    }
  }
  const fit = await solve(total, start, GRID[best]!, centred, blas);
  return {
    ...fit,
    validation: scores.get(best) ?? NaN,
    fitted: await errorOn(total, fit, variance, centred, blas),
  };
}

/** Each of the first `count` folds left out in turn. */
function splitsOf(folds: readonly Moments[], count: number): { train: Moments; held: Moments }[] {
  return folds.slice(0, count).map((held) => ({ held, train: Moments.total(folds.filter((f) => f !== held)) }));
}

async function solve(
  moments: Moments,
  start: Matrix,
  lambda: number,
  centred: boolean,
  blas: Blas,
): Promise<{ weight: Matrix; constant: Float64Array; lambda: number }> {
  const { R, scale } = correlation(moments.xx(centred));
  const cross = moments.zx(centred);
  const k = cross.cols;
  const right = (ridge: number): Matrix => ({
    ...cross,
    data: cross.data.map((c, i) => {
      const s = scale[i % k]!;
      return s === 0 ? 0 : c * s + (ridge * start.data[i]!) / s;
    }),
  });
  const { result, lambda: used } = await regularisedSolve(right, R, lambda, blas);
  // What has no spread on the sample keeps the weight it had.
  const data = result.data.map((w, i) => (scale[i % k] === 0 ? start.data[i]! : w * scale[i % k]!));
  const weight: Matrix = { rows: cross.rows, cols: k, data };
  const constant = new Float64Array(cross.rows);
  if (centred) {
    const meanX = moments.meanX();
    moments.meanZ().forEach((z, o) => {
      let value = z;
      for (let i = 0; i < k; i++) value -= data[o * k + i]! * meanX[i]!;
      constant[o] = value;
    });
  }
  return { weight, constant, lambda: used };
}

/** Mean over outputs of E(z − W'x' − b')² / variance on some rows. */
async function errorOn(
  moments: Moments,
  { weight, constant }: { weight: Matrix; constant: Float64Array },
  variance: Float64Array,
  centred: boolean,
  blas: Blas,
): Promise<number> {
  const xx = moments.xx(centred);
  const zx = moments.zx(centred);
  const zz = moments.zz(centred);
  const WX = await blas.gemm(weight, xx);
  const [meanX, meanZ] = [moments.meanX(), moments.meanZ()];
  const k = weight.cols;
  let sum = 0;
  let counted = 0;
  for (let o = 0; o < weight.rows; o++) {
    if (variance[o]! <= 1e-20) continue;
    let error = zz[o]!;
    let offset = meanZ[o]! - constant[o]!;
    for (let i = 0; i < k; i++) {
      const w = weight.data[o * k + i]!;
      error += w * (WX.data[o * k + i]! - 2 * zx.data[o * k + i]!);
      offset -= w * meanX[i]!;
    }
    sum += (Math.max(0, error) + (centred ? offset * offset : 0)) / variance[o]!;
    counted++;
  }
  return counted === 0 ? 0 : sum / counted;
}
