/**
 * Local swaps at the final size: the pair of a kept channel i and a dropped one j whose exchange lowers the loss most, as long as one does.
 *
 * The state is the sweep tableau of [C, C Wᵀ] on the kept set K: rows K hold −P = −C_KK⁻¹, Q = P C_KD and the regression weights β = P C_K: Wᵀ;
 * rows D hold the residual covariance R and the residual covariance Y with the outputs. Adding j gains ‖Y_j‖²/R_jj, removing i costs
 * ‖β_i‖²/P_ii, and removing i after j was added
 *
 *     ‖β_i − Q_ij Y_j/R_jj‖² / (P_ii + Q_ij²/R_jj).
 *
 * A sweep on one index moves it in or out. Only pairs with one of the `SHORTLIST` most useful j or least costly i are looked at.
 * Source of the sweep operator: Goodnight, "A tutorial on the SWEEP operator" (1979).
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
/** Candidates on either side that are tried with every partner. */
const SHORTLIST = 4;
/** Pivots below this are none. */
const TINY = 1e-300;

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
    const swap = bestSwap(tableaus, inside);
    if (swap === undefined || swap.gain <= WORTHWHILE * loss) break;
    for (const t of tableaus) {
      t.sweepIn(swap.add);
      t.sweepOut(swap.drop);
    }
    inside[swap.add] = 1;
    inside[swap.drop] = 0;
    loss = Math.max(0, loss - swap.gain);
    swaps++;
  }
  const result: number[] = [];
  inside.forEach((isIn, i) => {
    if (isIn === 1) result.push(i);
  });
  return { kept: Int32Array.from(result), swaps };
}

interface Swap {
  readonly add: number;
  readonly drop: number;
  /** By how much the loss falls. */
  readonly gain: number;
}

function bestSwap(tableaus: readonly Tableau[], inside: Uint8Array): Swap | undefined {
  const total = (value: (t: Tableau) => number): number => tableaus.reduce((sum, t) => sum + value(t), 0);
  const score = Float64Array.from(inside, (_, i) => total((t) => t.score(i)));
  const ranked = (side: 0 | 1): number[] => {
    const members: number[] = [];
    inside.forEach((isIn, i) => {
      if (isIn === side) members.push(i);
    });
    return members.sort((a, b) => (side === 1 ? score[a]! - score[b]! : score[b]! - score[a]!) || a - b);
  };
  const [candidates, kept] = [ranked(0), ranked(1)];
  let best: Swap | undefined;
  candidates.forEach((add, a) => {
    for (const drop of a < SHORTLIST ? kept : kept.slice(0, SHORTLIST)) {
      const gain = score[add]! - total((t) => t.costAfter(drop, add));
      if (best === undefined || gain > best.gain) best = { add, drop, gain };
    }
  });
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
    if (pivot < TINY) return 0;
    let sum = 0;
    for (let o = i * this.m; o < (i + 1) * this.m; o++) sum += this.Y[o]! ** 2;
    return sum / pivot;
  }

  /** Cost of removing i (kept) after j (dropped) was added. */
  costAfter(i: number, j: number): number {
    const { n, m, T, Y } = this;
    const residual = T[j * n + j]!;
    const factor = residual < TINY ? 0 : T[i * n + j]! / residual;
    const pivot = factor * T[i * n + j]! - T[i * n + i]!;
    if (pivot < TINY) return 0;
    let sum = 0;
    for (let o = 0; o < m; o++) sum += (Y[i * m + o]! - factor * Y[j * m + o]!) ** 2;
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
