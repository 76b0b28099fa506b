/**
 * The greedy orders of `nested-order.ts` for channels that are blocks B of several features (the taps of a kernel, positions folded into
 * features). Eliminating a channel costs
 *
 *     tr(N_BB M_BB⁻¹),   with U = M_BB⁻¹ M_B::   W ← W − W_B U,   M ← M − M_:B U,   N ← N − N_:B U − Uᵀ N_B: + Uᵀ N_BB U,
 *
 * M = C⁻¹ and N = WᵀW; forward selection is the same with M = C and N = C WᵀW C. Costs add over sites.
 * Source: Optimal Brain Surgeon (Hassibi & Stork 1993) in its block form, as in OBC (Frantar & Alistarh 2022).
 */
import type { Matrix } from '../linalg/matrix.js';
import type { NestedOrder } from './nested-order.js';

export interface BlockSite {
  readonly M: Matrix;
  readonly N: Matrix;
  /** Block i holds the columns starts[i] … starts[i + 1] − 1. */
  readonly starts: Int32Array;
}

export function nestedBlockOrder(sites: readonly BlockSite[], mode: 'eliminate' | 'select'): NestedOrder {
  const count = sites[0] === undefined ? 0 : sites[0].starts.length - 1;
  const states = sites.map((site) => new BlockPair(site));
  const open = new Set(Array.from({ length: count }, (_, i) => i));
  const order = new Int32Array(count);
  const cost = new Float64Array(count);
  for (let step = 0; step < count; step++) {
    let best = -1;
    let bestScore = 0;
    for (const block of open) {
      const score = states.reduce((sum, state) => sum + state.score(block), 0);
      if (best < 0 || (mode === 'eliminate' ? score < bestScore : score > bestScore)) {
        best = block;
        bestScore = score;
      }
    }
    order[step] = best;
    cost[step] = bestScore;
    open.delete(best);
    for (const state of states) state.eliminate(best);
  }
  return { order, cost };
}

class BlockPair {
  private readonly n: number;
  private readonly M: Float64Array;
  private readonly N: Float64Array;
  private readonly starts: Int32Array;
  /** Columns that are still open, ascending. */
  private active: Int32Array;
  private readonly floor: number;

  constructor({ M, N, starts }: BlockSite) {
    this.n = M.rows;
    this.M = M.data.slice();
    this.N = N.data.slice();
    this.starts = starts;
    this.active = Int32Array.from({ length: this.n }, (_, i) => i);
    let largest = 0;
    for (let i = 0; i < this.n; i++) largest = Math.max(largest, this.M[i * this.n + i]!);
    this.floor = 1e-13 * largest;
  }

  score(block: number): number {
    const [from, to] = [this.starts[block]!, this.starts[block + 1]!];
    const size = to - from;
    const inverse = this.inverse(from, size);
    let sum = 0;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) sum += inverse[i * size + j]! * this.N[(from + j) * this.n + from + i]!;
    }
    return Math.max(0, sum);
  }

  eliminate(block: number): void {
    const { n, M, N } = this;
    const [from, to] = [this.starts[block]!, this.starts[block + 1]!];
    const size = to - from;
    const inverse = this.inverse(from, size);
    this.active = this.active.filter((i) => i < from || i >= to);
    const { active } = this;
    const m = active.length;
    // U = M_BB⁻¹ M_B: and V = N_:B − ½ Uᵀ N_BB on the open columns: N ← N − V U − (V U)ᵀ.
    const U = new Float64Array(size * m);
    const P = new Float64Array(size * m);
    const V = new Float64Array(size * m);
    for (let b = 0; b < size; b++) for (let a = 0; a < m; a++) P[b * m + a] = M[(from + b) * n + active[a]!]!;
    for (let b = 0; b < size; b++) {
      for (let c = 0; c < size; c++) {
        const factor = inverse[b * size + c]!;
        if (factor === 0) continue;
        for (let a = 0; a < m; a++) U[b * m + a] = U[b * m + a]! + factor * P[c * m + a]!;
      }
    }
    for (let b = 0; b < size; b++) {
      for (let a = 0; a < m; a++) V[b * m + a] = N[(from + b) * n + active[a]!]!;
      for (let c = 0; c < size; c++) {
        const half = 0.5 * N[(from + b) * n + from + c]!;
        for (let a = 0; a < m; a++) V[b * m + a] = V[b * m + a]! - half * U[c * m + a]!;
      }
    }
    const rowM = new Float64Array(m);
    const rowN = new Float64Array(m);
    for (let i = 0; i < m; i++) {
      rowM.fill(0);
      rowN.fill(0);
      for (let b = 0; b < size; b++) {
        const [p, u, v] = [P[b * m + i]!, U[b * m + i]!, V[b * m + i]!];
        const base = b * m;
        for (let a = 0; a < m; a++) {
          rowM[a] = rowM[a]! + p * U[base + a]!;
          rowN[a] = rowN[a]! + v * U[base + a]! + u * V[base + a]!;
        }
      }
      const base = active[i]! * n;
      for (let a = 0; a < m; a++) {
        const at = base + active[a]!;
        M[at] = M[at]! - rowM[a]!;
        N[at] = N[at]! - rowN[a]!;
      }
    }
  }

  /** M_BB⁻¹ of a small block, by Gauss–Jordan on the symmetric matrix; directions that earlier steps span count as gone. */
  private inverse(from: number, size: number): Float64Array {
    const A = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) A[i * size + j] = this.M[(from + i) * this.n + from + j]!;
    // Sweep in every pivot above the floor: what remains is −A⁻¹ on the swept part.
    const done = new Uint8Array(size);
    for (let step = 0; step < size; step++) {
      let pivot = -1;
      for (let i = 0; i < size; i++) {
        if (
          done[i] === 0 &&
          A[i * size + i]! > this.floor &&
          (pivot < 0 || A[i * size + i]! > A[pivot * size + pivot]!)
        )
          pivot = i;
      }
      if (pivot < 0) break;
      done[pivot] = 1;
      const d = A[pivot * size + pivot]!;
      const row = A.slice(pivot * size, (pivot + 1) * size);
      for (let i = 0; i < size; i++) {
        if (i === pivot) continue;
        const f = A[i * size + pivot]! / d;
        for (let j = 0; j < size; j++) if (j !== pivot) A[i * size + j] = A[i * size + j]! - f * row[j]!;
        A[i * size + pivot] = f;
      }
      for (let j = 0; j < size; j++) if (j !== pivot) A[pivot * size + j] = row[j]! / d;
      A[pivot * size + pivot] = -1 / d;
    }
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) A[i * size + j] = done[i] === 1 && done[j] === 1 ? -A[i * size + j]! : 0;
    return A;
  }
}
