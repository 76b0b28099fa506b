/**
 * First and second moments of a consumer's input x ∈ R^n and, where a target is given, of its output z ∈ R^m, summed over rows.
 *
 * The sums are taken about shifts p (pilot means), Σ(x−p)(x−p)ᵀ, because float32 products about zero lose the centred part when the mean is
 * large against the spread. Batches are float32, sums float64. Sums of disjoint rows add up, so folds give every split.
 */
import type { Matrix } from '../linalg/matrix.js';

export interface MomentSums {
  rows: number;
  /** Σ(x−p), n. */
  readonly x: Float64Array;
  /** Σ(x−p)(x−p)ᵀ, n×n row-major. */
  readonly xx: Float64Array;
  /** Σ(z−q), m. */
  readonly z: Float64Array;
  /** Σ(z−q)(x−p)ᵀ, m×n row-major. */
  readonly zx: Float64Array;
  /** Σ(z−q)², m. */
  readonly zz: Float64Array;
}

/** Types in which the runtime forms products. */
export type ProductType = 'float32' | 'float64';

export class Moments {
  private constructor(
    /** Number of features of x. */
    readonly n: number,
    /** Number of target outputs; 0 without a target. */
    readonly m: number,
    /** p. */
    readonly shiftX: Float64Array,
    /** q. */
    readonly shiftZ: Float64Array,
    readonly sums: MomentSums,
    /** Type in which products of a batch were formed: what the sums are rounded to. */
    readonly products: ProductType,
  ) {}

  static empty(shiftX: Float64Array, shiftZ: Float64Array, products: ProductType = 'float64'): Moments {
    const n = shiftX.length;
    const m = shiftZ.length;
    const sums = {
      rows: 0,
      x: new Float64Array(n),
      xx: new Float64Array(n * n),
      z: new Float64Array(m),
      zx: new Float64Array(m * n),
      zz: new Float64Array(m),
    };
    return new Moments(n, m, shiftX, shiftZ, sums, products);
  }

  /** Adds the sums of one batch. */
  add(
    rows: number,
    batch: {
      x: ArrayLike<number>;
      xx: ArrayLike<number>;
      z?: ArrayLike<number>;
      zx?: ArrayLike<number>;
      zz?: ArrayLike<number>;
    },
  ): void {
    const { sums } = this;
    sums.rows += rows;
    accumulate(sums.x, batch.x);
    accumulate(sums.xx, batch.xx);
    if (batch.z !== undefined) accumulate(sums.z, batch.z);
    if (batch.zx !== undefined) accumulate(sums.zx, batch.zx);
    if (batch.zz !== undefined) accumulate(sums.zz, batch.zz);
  }

  /** The sum of moments about the same shifts, over disjoint rows. */
  static total(parts: readonly Moments[]): Moments {
    const first = parts[0];
    if (first === undefined) throw new Error('no moments to add');
    const total = Moments.empty(first.shiftX, first.shiftZ, first.products);
    for (const part of parts) total.add(part.sums.rows, part.sums);
    return total;
  }

  /** The moments with z − offset as the target (m numbers). The sums are shared: do not add to both. */
  withTargetMinus(offset: Float64Array): Moments {
    const shift = this.shiftZ.map((q, o) => q - offset[o]!);
    return new Moments(this.n, this.m, this.shiftX, shift, this.sums, this.products);
  }

  /** The moments of x with Q applied among the features at `positions`: x[positions] → Q x[positions], Q square. */
  withFeaturesTurned(positions: Int32Array, Q: Matrix): Moments {
    const { n, sums } = this;
    const turn = (values: Float64Array, rows: number, step: number, stride: number): Float64Array =>
      turned(values, rows, step, stride, positions, Q);
    // Rows of xx, then its columns.
    const left = turn(sums.xx, n, 1, n);
    const turnedSums: MomentSums = {
      ...sums,
      x: turn(sums.x, 1, 0, 1),
      xx: turn(left, n, n, 1),
      zx: turn(sums.zx, this.m, n, 1),
    };
    return new Moments(n, this.m, turn(this.shiftX, 1, 0, 1), this.shiftZ, turnedSums, this.products);
  }

  get rows(): number {
    return this.sums.rows;
  }

  /** E x, n. */
  meanX(): Float64Array {
    return this.sums.x.map((s, i) => this.shiftX[i]! + s / this.rows);
  }

  /** E z, m. */
  meanZ(): Float64Array {
    return this.sums.z.map((s, i) => this.shiftZ[i]! + s / this.rows);
  }

  /** Cov(x, x), or E x xᵀ when not `centred`; n×n. */
  xx(centred: boolean): Matrix {
    return this.product(this.sums.xx, this.sums.x, this.shiftX, this.n, centred);
  }

  /** Cov(z, x), or E z xᵀ; m×n. */
  zx(centred: boolean): Matrix {
    return this.product(this.sums.zx, this.sums.z, this.shiftZ, this.m, centred);
  }

  /** Var z, or E z²; m. */
  zz(centred: boolean): Float64Array {
    return this.sums.zz.map((s, i) => {
      const d = this.sums.z[i]! / this.rows;
      const variance = Math.max(0, s / this.rows - d * d);
      return centred ? variance : variance + (this.shiftZ[i]! + d) ** 2;
    });
  }

  private product(sum: Float64Array, left: Float64Array, shift: Float64Array, rows: number, centred: boolean): Matrix {
    const data = new Float64Array(rows * this.n);
    const mean = this.meanX();
    for (let i = 0; i < rows; i++) {
      const l = left[i]! / this.rows;
      const full = shift[i]! + l;
      for (let j = 0; j < this.n; j++) {
        const covariance = sum[i * this.n + j]! / this.rows - l * (this.sums.x[j]! / this.rows);
        data[i * this.n + j] = centred ? covariance : covariance + full * mean[j]!;
      }
    }
    return { rows, cols: this.n, data };
  }
}

/** target += source. */
function accumulate(target: Float64Array, source: ArrayLike<number>): void {
  for (let i = 0; i < target.length; i++) target[i] = target[i]! + source[i]!;
}

/** A copy of `values` in which each of `count` vectors, `step` apart with elements `stride` apart, has Q applied at some positions. */
function turned(
  values: Float64Array,
  count: number,
  step: number,
  stride: number,
  positions: Int32Array,
  Q: Matrix,
): Float64Array {
  const result = Float64Array.from(values);
  const k = positions.length;
  const before = new Float64Array(k);
  for (let v = 0; v < count; v++) {
    const base = v * step;
    for (let j = 0; j < k; j++) before[j] = values[base + positions[j]! * stride]!;
    for (let i = 0; i < k; i++) {
      let sum = 0;
      for (let j = 0; j < k; j++) sum += Q.data[i * k + j]! * before[j]!;
      result[base + positions[i]! * stride] = sum;
    }
  }
  return result;
}
