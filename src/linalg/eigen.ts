/**
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to tridiagonal form, then implicit QL iterations.
 * Bowdler, Martin, Reinsch & Wilkinson, "The QR and QL algorithms for symmetric matrices", Handbook for Automatic Computation II (1971).
 */
import { zeros, type Matrix } from './matrix.js';

export interface SymmetricEigen {
  /** Descending. */
  readonly values: Float64Array;
  /** Row i is the unit eigenvector of values[i]. */
  readonly vectors: Matrix;
}

/** QL steps that an eigenvalue may take; they are rarely more than two or three. */
const MOST_STEPS = 60;

/** A = Vᵀ diag(values) V for a symmetric n × n matrix; the lower triangle is read. */
export function symmetricEigen(A: Matrix): SymmetricEigen {
  const n = A.rows;
  const Z = Float64Array.from(A.data);
  const { reflections: diagonal, beside } = tridiagonalise(Z, n);
  accumulate(Z, diagonal, n);
  // The iteration turns pairs of vectors: as rows they lie together in memory.
  const V = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) V[j * n + i] = Z[i * n + j]!;
  diagonalise(diagonal, beside, V, n, n);
  const order = Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]!);
  const vectors = zeros(n, n);
  order.forEach((from, to) => {
    vectors.data.set(V.subarray(from * n, (from + 1) * n), to * n);
  });
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors };
}

/** The eigenvalues alone, descending: about a third of the work at many rows. The lower triangle is read. */
export function symmetricEigenvalues(A: Matrix): Float64Array {
  const n = A.rows;
  const Z = Float64Array.from(A.data);
  const { beside } = tridiagonalise(Z, n);
  const diagonal = Float64Array.from({ length: n }, (_, i) => Z[i * n + i]!);
  diagonalise(diagonal, beside, new Float64Array(0), n, 0);
  return diagonal.sort().reverse();
}

/**
 * Householder's reduction: leaves the diagonal of the tridiagonal matrix in that of Z and the reflections in its triangles, with their sizes in
 * `reflections` (0 for none), from which `accumulate` makes the orthogonal matrix. beside[i] stands between diagonal i − 1 and i.
 */
function tridiagonalise(Z: Float64Array, n: number): { reflections: Float64Array; beside: Float64Array } {
  const d = new Float64Array(n);
  const e = new Float64Array(n);
  for (let i = n - 1; i > 0; i--) {
    const row = i * n;
    let scale = 0;
    for (let k = 0; k < i; k++) scale += Math.abs(Z[row + k]!);
    if (i === 1 || scale === 0) {
      e[i] = Z[row + i - 1]!;
      d[i] = 0;
      continue;
    }
    let h = 0;
    for (let k = 0; k < i; k++) {
      Z[row + k] = Z[row + k]! / scale;
      h += Z[row + k]! ** 2;
    }
    const f = Z[row + i - 1]!;
    const g = f >= 0 ? -Math.sqrt(h) : Math.sqrt(h);
    e[i] = scale * g;
    h -= f * g;
    Z[row + i - 1] = f - g;
    // p = A u / h, by rows of the lower triangle.
    for (let j = 0; j < i; j++) e[j] = 0;
    for (let j = 0; j < i; j++) {
      Z[j * n + i] = Z[row + j]! / h;
      const u = Z[row + j]!;
      let sum = Z[j * n + j]! * u;
      for (let k = 0; k < j; k++) {
        sum += Z[j * n + k]! * Z[row + k]!;
        e[k] = e[k]! + Z[j * n + k]! * u;
      }
      e[j] = e[j]! + sum;
    }
    let dot = 0;
    for (let j = 0; j < i; j++) {
      e[j] = e[j]! / h;
      dot += e[j]! * Z[row + j]!;
    }
    const half = dot / (h + h);
    for (let j = 0; j < i; j++) e[j] = e[j]! - half * Z[row + j]!;
    for (let j = 0; j < i; j++) {
      const u = Z[row + j]!;
      const p = e[j]!;
      for (let k = 0; k <= j; k++) Z[j * n + k] = Z[j * n + k]! - u * e[k]! - p * Z[row + k]!;
    }
    d[i] = h;
  }
  return { reflections: d, beside: e };
}

/** Replaces Z by the product of the reflections; the diagonal goes into d, where their sizes were. */
function accumulate(Z: Float64Array, d: Float64Array, n: number): void {
  const g = new Float64Array(n);
  d[0] = 0;
  for (let i = 0; i < n; i++) {
    if (d[i] !== 0) {
      g.fill(0);
      for (let k = 0; k < i; k++) {
        const factor = Z[i * n + k]!;
        for (let j = 0; j < i; j++) g[j] = g[j]! + factor * Z[k * n + j]!;
      }
      for (let k = 0; k < i; k++) {
        const factor = Z[k * n + i]!;
        for (let j = 0; j < i; j++) Z[k * n + j] = Z[k * n + j]! - g[j]! * factor;
      }
    }
    d[i] = Z[i * n + i]!;
    Z[i * n + i] = 1;
    for (let j = 0; j < i; j++) Z[j * n + i] = Z[i * n + j] = 0;
  }
}

/** QL with implicit shifts on the tridiagonal matrix; the rows of V, each of `length` numbers, turn along. */
function diagonalise(d: Float64Array, e: Float64Array, V: Float64Array, n: number, length: number): void {
  e.copyWithin(0, 1);
  if (n > 0) e[n - 1] = 0;
  // What is nothing beside the largest row is nothing: a matrix of low rank has diagonals of rounding noise.
  const nothing = Number.EPSILON * d.reduce((most, v, i) => Math.max(most, Math.abs(v) + Math.abs(e[i]!)), 0);
  for (let l = 0; l < n; l++) {
    for (let step = 0; ; step++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]!) > nothing) m++;
      if (m === l) break;
      if (step === MOST_STEPS) throw new Error('eigenvalues of a matrix that is not finite');
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      let r = Math.hypot(g, 1);
      g = d[m]! - d[l]! + e[l]! / (g + (g >= 0 ? r : -r));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        r = Math.hypot(f, g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1] = d[i + 1]! - p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        r = (d[i]! - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        turn(V, i * length, (i + 1) * length, length, c, s);
      }
      if (r === 0 && i >= l) continue;
      d[l] = d[l]! - p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

/** Rotates two rows that begin at `a` and `b`. */
function turn(V: Float64Array, a: number, b: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const f = V[b + k]!;
    const g = V[a + k]!;
    V[b + k] = s * g + c * f;
    V[a + k] = c * g - s * f;
  }
}
