/**
 * Local swaps at the final size: add the dropped channel that gains most, then remove the kept one that costs least, as long as the loss falls.
 *
 * The state is the sweep tableau of [C, C Wᵀ] on the kept set K: rows K hold −P = −C_KK⁻¹, P C_KD and the regression weights β = P C_K: Wᵀ;
 * rows D hold the residual covariance R and the residual covariance with the outputs. Adding j gains ‖Y_j‖²/R_jj, removing i costs
 * ‖β_i‖²/P_ii; a sweep on one index moves it in or out. Source of the sweep operator: Goodnight, "A tutorial on the SWEEP operator" (1979).
 */
import { complement, gather, subtract, type Matrix } from '../linalg/matrix.js';
import { regularisedInverse } from '../linalg/regularised.js';
import type { Blas } from '../runtime/blas.js';

export interface SwapSite {
  /** n × n, positive definite (ridge included). */
  readonly C: Matrix;
  /** outputs × n, importance included. */
  readonly W: Matrix;
}

/** Swaps must lower the loss by this share of it. */
const WORTHWHILE = 1e-6;

/** @returns the improved set (ascending), and how many swaps were made */
export async function improveBySwaps(
  sites: readonly SwapSite[],
  kept: Int32Array,
  { maxSwaps, blas }: { readonly maxSwaps: number; readonly blas: Blas },
): Promise<{ kept: Int32Array; swaps: number }> {
  const n = sites[0]?.C.rows ?? 0;
  if (kept.length === 0 || kept.length >= n) return { kept, swaps: 0 };
  const inside = new Uint8Array(n);
  for (const i of kept) inside[i] = 1;
  const tableaus = await Promise.all(sites.map((site) => Tableau.create(site, kept, blas)));
  let loss = tableaus.reduce((sum, t) => sum + t.loss, 0);
  let swaps = 0;
  while (swaps < maxSwaps) {
    const add = argBest(n, (i) => (inside[i] === 1 ? undefined : total(tableaus, (t) => t.score(i))), 'most');
    if (add === undefined) break;
    for (const t of tableaus) t.sweepIn(add.index);
    const drop = argBest(n, (i) => (inside[i] === 1 ? total(tableaus, (t) => t.score(i)) : undefined), 'least');
    if (drop === undefined || add.value - drop.value <= WORTHWHILE * loss) {
      // Not worth it: the tableaus are thrown away with the trial in them.
      break;
    }
    for (const t of tableaus) t.sweepOut(drop.index);
    inside[add.index] = 1;
    inside[drop.index] = 0;
    loss = Math.max(0, loss - add.value + drop.value);
    swaps++;
  }
  const result: number[] = [];
  inside.forEach((isIn, i) => {
    if (isIn === 1) result.push(i);
  });
  return { kept: Int32Array.from(result), swaps };
}

function total(tableaus: readonly Tableau[], value: (t: Tableau) => number): number {
  return tableaus.reduce((sum, t) => sum + value(t), 0);
}

function argBest(
  n: number,
  value: (i: number) => number | undefined,
  which: 'most' | 'least',
): { index: number; value: number } | undefined {
  let best: { index: number; value: number } | undefined;
  for (let i = 0; i < n; i++) {
    const v = value(i);
    if (v === undefined) continue;
    if (best === undefined || (which === 'most' ? v > best.value : v < best.value)) best = { index: i, value: v };
  }
  return best;
}

class Tableau {
  private constructor(
    private readonly n: number,
    private readonly m: number,
    /** n × n, symmetric. */
    private readonly T: Float64Array,
    /** n × m. */
    private readonly Y: Float64Array,
    readonly loss: number,
  ) {}

  static async create({ C, W }: SwapSite, kept: Int32Array, blas: Blas): Promise<Tableau> {
    const n = C.rows;
    const m = W.rows;
    const dropped = complement(n, kept);
    const target = await blas.gemm(C, W, { transB: true });
    const { result: P } = await regularisedInverse(gather(C, kept, kept), 0, blas);
    const cross = gather(C, kept, dropped);
    const Q = await blas.gemm(P, cross);
    const R = subtract(gather(C, dropped, dropped), await blas.gemm(cross, Q, { transA: true }));
    const all = Int32Array.from({ length: m }, (_, i) => i);
    const targetK = gather(target, kept, all);
    const beta = await blas.gemm(P, targetK);
    const rest = subtract(gather(target, dropped, all), await blas.gemm(cross, beta, { transA: true }));
    const T = new Float64Array(n * n);
    const Y = new Float64Array(n * m);
    kept.forEach((i, a) => {
      kept.forEach((j, b) => (T[i * n + j] = -P.data[a * kept.length + b]!));
      dropped.forEach((j, b) => (T[j * n + i] = T[i * n + j] = Q.data[a * dropped.length + b]!));
      Y.set(beta.data.subarray(a * m, (a + 1) * m), i * m);
    });
    dropped.forEach((i, a) => {
      dropped.forEach((j, b) => (T[i * n + j] = R.data[a * dropped.length + b]!));
      Y.set(rest.data.subarray(a * m, (a + 1) * m), i * m);
    });
    // tr(W C Wᵀ) − tr(βᵀ C_K: Wᵀ).
    let loss = 0;
    for (let i = 0; i < n; i++) for (let o = 0; o < m; o++) loss += W.data[o * n + i]! * target.data[i * m + o]!;
    for (let i = 0; i < beta.data.length; i++) loss -= beta.data[i]! * targetK.data[i]!;
    return new Tableau(n, m, T, Y, Math.max(0, loss));
  }

  /** Gain of adding i (when dropped), cost of removing it (when kept). */
  score(i: number): number {
    const pivot = Math.abs(this.T[i * this.n + i]!);
    if (pivot < 1e-300) return 0;
    let sum = 0;
    for (let o = i * this.m; o < (i + 1) * this.m; o++) sum += this.Y[o]! ** 2;
    return sum / pivot;
  }

  sweepIn(p: number): void {
    this.sweep(p, 1);
  }

  sweepOut(p: number): void {
    this.sweep(p, -1);
  }

  private sweep(p: number, sign: 1 | -1): void {
    const { n, m, T, Y } = this;
    const d = T[p * n + p]!;
    const row = T.slice(p * n, (p + 1) * n);
    const target = Y.slice(p * m, (p + 1) * m);
    for (let i = 0; i < n; i++) {
      const f = row[i]! / d;
      if (i === p || f === 0) continue;
      const base = i * n;
      for (let j = 0; j < n; j++) T[base + j] = T[base + j]! - f * row[j]!;
      const start = i * m;
      for (let o = 0; o < m; o++) Y[start + o] = Y[start + o]! - f * target[o]!;
      T[base + p] = (sign * row[i]!) / d;
      T[p * n + i] = (sign * row[i]!) / d;
    }
    T[p * n + p] = -1 / d;
    for (let o = 0; o < m; o++) Y[p * m + o] = (sign * target[o]!) / d;
  }
}
