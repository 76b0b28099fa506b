/**
 * One routine for the two greedy selections, which are dual to each other. With covariance C and consumer weights W:
 *
 * - elimination (Optimal Brain Surgeon): M = C⁻¹, N = WᵀW. Removing j costs N_jj / M_jj, the least-squares loss with all other weights
 *   adjusted; then, with p = M_:j and u = p / p_j, W ← W − W_:j uᵀ and M ← M − p uᵀ.
 * - forward selection (weighted pivoted Cholesky): M = C, N = C WᵀW C. Adding j gains N_jj / M_jj; the same update leaves the residual
 *   covariance in M, and in N the squared residual covariance with the outputs.
 *
 * In both, N = BᵀB with B ← B − B_:j uᵀ, so with a = N_:j − ½ N_jj u:  N ← N − a uᵀ − u aᵀ.
 *
 * The matrices are updated lazily: low-rank factors pile up and only the column in question is brought up to date; every `BLOCK` steps the
 * factors are multiplied out on what is still active. This costs about n³ flops, nearly all in matrix products.
 *
 * C must carry a ridge where it is nearly singular: a gain is a quotient of two residuals, and rounding of N over a vanishing M looks like a
 * large one.
 * Sources: Hassibi & Stork, "Optimal Brain Surgeon" (1993); Meng et al., "OSSCAR" (2024).
 */
import { diagonal, gather, range, zeros, type Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';

export interface OrderSite {
  readonly M: Matrix;
  readonly N: Matrix;
}

export interface NestedOrder {
  /** Indices in the order in which they are removed (or added). */
  readonly order: Int32Array;
  /** Cost (or gain) of each step, summed over the sites; never negative. */
  readonly cost: Float64Array;
}

/** Steps between two flushes: long enough for products to outweigh the copies of their results. */
const BLOCK = 96;

/**
 * @param sites one for each distinct consumer input, over the same n channels; scores add over sites
 * @param mode `eliminate` takes the cheapest index each time, `select` the most useful
 */
export async function nestedOrder(
  sites: readonly OrderSite[],
  { mode, blas }: { readonly mode: 'eliminate' | 'select'; readonly blas: Blas },
): Promise<NestedOrder> {
  const n = sites[0]?.M.rows ?? 0;
  const order = new Int32Array(n);
  const cost = new Float64Array(n);
  const states = sites.map((site) => new LazyPair(site));
  // Original index of each position of the compacted matrices, and which of them are still open.
  let original = Int32Array.from({ length: n }, (_, i) => i);
  let open = new Uint8Array(n).fill(1);
  for (let step = 0; step < n; step++) {
    let best = -1;
    let bestScore = 0;
    for (let i = 0; i < original.length; i++) {
      if (open[i] === 0) continue;
      let score = 0;
      for (const state of states) score += state.score(i);
      if (best < 0 || (mode === 'eliminate' ? score < bestScore : score > bestScore)) {
        best = i;
        bestScore = score;
      }
    }
    order[step] = original[best]!;
    cost[step] = bestScore;
    open[best] = 0;
    for (const state of states) state.eliminate(best);
    if ((step + 1) % BLOCK === 0 && step + 1 < n) {
      const active = range(open.length).filter((i) => open[i] === 1);
      for (const state of states) await state.flush(active, blas);
      original = active.map((i) => original[i]!);
      open = new Uint8Array(active.length).fill(1);
    }
  }
  return { order, cost };
}

/** M and N with pending updates M − Σ p uᵀ and N − Σ (a uᵀ + u aᵀ). */
class LazyPair {
  private M: Matrix;
  private N: Matrix;
  private diagM: Float64Array;
  private diagN: Float64Array;
  private p: Float64Array[] = [];
  private u: Float64Array[] = [];
  private a: Float64Array[] = [];
  private readonly floor: number;

  constructor({ M, N }: OrderSite) {
    this.M = M;
    this.N = N;
    this.diagM = diagonal(M);
    this.diagN = diagonal(N);
    // An index whose M_jj fell to rounding level is spanned by what was taken before.
    this.floor = 1e-13 * this.diagM.reduce((a, b) => Math.max(a, b), 0);
  }

  score(i: number): number {
    const m = this.diagM[i]!;
    return m <= this.floor ? 0 : Math.max(0, this.diagN[i]!) / m;
  }

  eliminate(j: number): void {
    const pivot = this.diagM[j]!;
    if (pivot <= this.floor) return;
    const size = this.M.rows;
    const p = this.M.data.slice(j * size, (j + 1) * size);
    const a = this.N.data.slice(j * size, (j + 1) * size);
    for (let s = 0; s < this.p.length; s++) {
      const [ps, us, as] = [this.p[s]!, this.u[s]!, this.a[s]!];
      const [uj, aj] = [us[j]!, as[j]!];
      for (let i = 0; i < size; i++) {
        p[i] = p[i]! - ps[i]! * uj;
        a[i] = a[i]! - as[i]! * uj - us[i]! * aj;
      }
    }
    const u = p.map((v) => v / pivot);
    const half = 0.5 * this.diagN[j]!;
    for (let i = 0; i < size; i++) {
      a[i] = a[i]! - half * u[i]!;
      this.diagM[i] = this.diagM[i]! - p[i]! * u[i]!;
      this.diagN[i] = this.diagN[i]! - 2 * a[i]! * u[i]!;
    }
    this.p.push(p);
    this.u.push(u);
    this.a.push(a);
  }

  async flush(active: Int32Array, blas: Blas): Promise<void> {
    this.M = gather(this.M, active, active);
    this.N = gather(this.N, active, active);
    if (this.p.length > 0) {
      subtractInto(this.M, await blas.gemm(pack(this.p, active), pack(this.u, active), { transA: true }));
      // a uᵀ + u aᵀ as one product, symmetric as it comes out.
      const [left, right] = [pack([...this.a, ...this.u], active), pack([...this.u, ...this.a], active)];
      subtractInto(this.N, await blas.gemm(left, right, { transA: true }));
    }
    this.diagM = diagonal(this.M);
    this.diagN = diagonal(this.N);
    this.p = [];
    this.u = [];
    this.a = [];
  }
}

/** The chosen entries of each vector, as rows. */
function pack(vectors: readonly Float64Array[], entries: Int32Array): Matrix {
  const result = zeros(vectors.length, entries.length);
  for (let s = 0; s < vectors.length; s++) {
    const vector = vectors[s]!;
    const base = s * entries.length;
    for (let k = 0; k < entries.length; k++) result.data[base + k] = vector[entries[k]!]!;
  }
  return result;
}

function subtractInto(target: Matrix, other: Matrix): void {
  for (let i = 0; i < target.data.length; i++) target.data[i] = target.data[i]! - other.data[i]!;
}
