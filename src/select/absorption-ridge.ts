/**
 * The ridge of absorption at one site, by validation: with few rows for many features nearly any subset reproduces the others on the rows that
 * it was fitted on, and only rows that it was not say how far that holds.
 *
 * Every other feature is taken as kept; T is fitted on the fit rows for each λ, and judged by the loss that the consumers see on validation
 * rows, tr(W (C − T C_K: − C_:K Tᵀ + T C_KK Tᵀ) Wᵀ).
 */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import { readWeight } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';
import { subtract, type Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';
import { absorb, BASE_RIDGE } from './span.js';

/** Tried one after the other as long as the loss falls. */
const STEPS = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1];
/** A larger ridge must be better by this factor: where rows abound the small one is right, and noise must not move it. */
const BETTER = 0.98;

/** @returns λ relative to the unit diagonal */
export async function absorptionRidge(
  model: Model,
  site: Site,
  fit: Moments,
  validation: Moments | undefined,
  blas: Blas,
): Promise<number> {
  const n = site.features.length;
  // Rows in plenty: validation would only confirm the base.
  if (validation === undefined || n < 2 || plenty(fit, n)) return BASE_RIDGE[fit.products];
  return (await validatedRidge(model, site, fit, validation, blas)).lambda;
}

/** Whether the rows are so many that nothing has to be tried. */
export function plenty(fit: Moments, features: number): boolean {
  return fit.rows > PLENTY * features;
}

/** The λ with the smallest loss on validation rows, and that loss: what the consumers see of it, unscaled. */
export async function validatedRidge(
  model: Model,
  site: Site,
  fit: Moments,
  validation: Moments,
  blas: Blas,
): Promise<{ readonly lambda: number; readonly loss: number }> {
  const n = site.features.length;
  const base = BASE_RIDGE[fit.products];
  const kept = Int32Array.from({ length: Math.ceil(n / 2) }, (_, i) => 2 * i);
  const weights = site.consumers.map((consumer) => readWeight(model, consumer));
  const C = site.centred ? covarianceAbout(validation, fit.meanX()) : validation.xx(false);
  const loss = async (lambda: number): Promise<number> => {
    const { T } = await absorb(fit.xx(site.centred), fit.meanX(), kept, lambda, { centred: site.centred, blas });
    const rest = expanded(T, kept, n);
    let sum = 0;
    for (const W of weights) {
      // W (I − T): what is lost of each output.
      const lost = subtract(W, await blas.gemm(W, rest));
      const product = await blas.gemm(lost, C);
      for (let i = 0; i < lost.data.length; i++) sum += lost.data[i]! * product.data[i]!;
    }
    return sum;
  };
  let best = { lambda: base, loss: await loss(base) };
  for (const lambda of STEPS) {
    if (lambda <= base) continue;
    const found = await loss(lambda);
    if (found < BETTER * best.loss) best = { lambda, loss: found };
    else if (found > best.loss) break;
  }
  return best;
}

/** E (x − c)(x − c)ᵀ: what a fit with mean c leaves on other rows, their own mean included. */
function covarianceAbout(moments: Moments, centre: Float64Array): Matrix {
  const C = moments.xx(true);
  const d = moments.meanX().map((m, i) => m - centre[i]!);
  return { ...C, data: C.data.map((v, i) => v + d[Math.floor(i / C.cols)]! * d[i % C.cols]!) };
}

/** Rows per feature above which the base is taken as it is. */
const PLENTY = 50;

/** T (n × |K|) with zero columns for the features that are not kept: n × n. */
function expanded(T: Matrix, kept: Int32Array, n: number): Matrix {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) kept.forEach((f, k) => (data[i * n + f] = T.data[i * T.cols + k]!));
  return { rows: n, cols: n, data };
}
