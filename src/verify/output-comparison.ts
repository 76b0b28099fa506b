/**
 * Compares one output of two models batch by batch.
 *
 * NRMSE is the RMS error over the output's standard deviation: for rank 2 per column, averaged over the columns whose variance exceeds 1e-20;
 * otherwise over all elements pooled. Sums are float64; variances are updated with the parallel form of Welford's recurrence (Chan, Golub &
 * LeVeque 1983), which does not cancel.
 */
import type { NumericArray } from '../graph/feeds.js';
import { float16ToNumber } from '../graph/float16.js';
import { elementCount } from '../graph/tensor.js';
import { RelativeErrors } from './relative-errors.js';

/** Columns below this variance count as constant. */
const CONSTANT = 1e-20;
/** Relative errors are taken against at least this share of the output's largest value: a division by nearly zero says nothing. */
const RELATIVE_FLOOR = 1e-6;
/** Wider rank-2 outputs are judged as a whole, so that errors per row stay small in memory. */
const MOST_COLUMNS = 4096;

/** Figures of one output. Those that make no sense for it are null. */
export interface OutputFigures {
  readonly output: string;
  readonly rows: number;
  readonly nrmse: number | null;
  readonly maxAbs: number;
  /** Largest |a − b| over the larger of |a| and a floor of 1e-6 of the output's largest value. */
  readonly maxRel: number;
  /** Largest error over the output's largest absolute value. */
  readonly relative: number;
  /** Mean cosine between the rows of the two outputs. */
  readonly cosine: number | null;
  /** Share of rows with the same largest entry along the last axis. */
  readonly agreement: number | null;
  /** Share of elements that are exactly equal. */
  readonly equal: number;
  /** Elements where one is NaN or infinite and the other is not the same. */
  readonly nonFinite: number;
  /** Whether the output looks like class scores; see docs/how-it-works.md for the rule. */
  readonly classScores: boolean;
  /** Integers or booleans. */
  readonly integer: boolean;
  /** A difference of the shapes, in words. */
  readonly shapeMismatch: string | null;
}

export class OutputComparison {
  private rows = 0;
  private elements = 0;
  private columns = 1;
  private perColumn = false;
  private started = false;
  private integer = false;
  private count = 0;
  private mean = new Float64Array(1);
  private m2 = new Float64Array(1);
  private squares = new Float64Array(1);
  private maxAbs = 0;
  private maxValue = 0;
  private readonly relativeErrors = new RelativeErrors();
  private cosineSum = 0;
  private cosineRows = 0;
  private agreeing = 0;
  private agreementRows = 0;
  private equal = 0;
  private nonFinite = 0;
  private looksLikeScores = true;
  private shapeMismatch: string | null = null;
  /** Squared error of each row by column (or pooled), for the row statistics. */
  private readonly rowSquares: Float32Array[] = [];

  constructor(readonly output: string) {}

  /** Adds a batch of `rows` data rows. */
  add(reference: NumericArray, candidate: NumericArray, rows: number): void {
    if (reference.dims.length !== candidate.dims.length || reference.dims.some((d, i) => d !== candidate.dims[i])) {
      this.shapeMismatch ??= `[${reference.dims.join(', ')}] against [${candidate.dims.join(', ')}]`;
      return;
    }
    const [a, b] = [numbers(reference), numbers(candidate)];
    if (!this.started) this.start(reference);
    const byRow = reference.dims[0] === rows && reference.dims.length > 0 ? rows : 1;
    this.rows += rows;
    this.addElements(a, b);
    this.addVariance(a, b);
    this.addRows(a, b, byRow);
    this.addClasses(a, b, reference.dims);
  }

  private start(reference: NumericArray): void {
    this.started = true;
    this.integer = !/^(float|bfloat)/.test(reference.dtype);
    const last = reference.dims.at(-1) ?? 1;
    this.perColumn = reference.dims.length === 2 && last <= MOST_COLUMNS;
    this.columns = this.perColumn ? last : 1;
    this.mean = new Float64Array(this.columns);
    this.m2 = new Float64Array(this.columns);
    this.squares = new Float64Array(this.columns);
  }

  private addElements(a: ArrayLike<number>, b: ArrayLike<number>): void {
    this.elements += a.length;
    for (let i = 0; i < a.length; i++) {
      const [x, y] = [a[i]!, b[i]!];
      if (Object.is(x, y) || x === y) this.equal++;
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        if (!Object.is(x, y)) this.nonFinite++;
        continue;
      }
      const error = Math.abs(x - y);
      const size = Math.abs(x);
      if (error > this.maxAbs) this.maxAbs = error;
      if (size > this.maxValue) this.maxValue = size;
      if (error > 0) this.relativeErrors.add(error, size);
    }
  }

  private addVariance(a: ArrayLike<number>, b: ArrayLike<number>): void {
    const { columns } = this;
    const n = a.length / columns;
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      let finite = 0;
      for (let i = c; i < a.length; i += columns) {
        if (!Number.isFinite(a[i]!) || !Number.isFinite(b[i]!)) continue;
        sum += a[i]!;
        finite++;
      }
      if (finite === 0) continue;
      const mean = sum / finite;
      let m2 = 0;
      let squares = 0;
      for (let i = c; i < a.length; i += columns) {
        if (!Number.isFinite(a[i]!) || !Number.isFinite(b[i]!)) continue;
        m2 += (a[i]! - mean) ** 2;
        squares += (a[i]! - b[i]!) ** 2;
      }
      const delta = mean - this.mean[c]!;
      const total = this.count + n;
      this.m2[c] = this.m2[c]! + m2 + (delta * delta * this.count * n) / total;
      this.mean[c] = this.mean[c]! + (delta * n) / total;
      this.squares[c] = this.squares[c]! + squares;
    }
    this.count += n;
  }

  private addRows(a: ArrayLike<number>, b: ArrayLike<number>, rows: number): void {
    const size = a.length / rows;
    const squares = new Float32Array(rows * this.columns);
    for (let r = 0; r < rows; r++) {
      let [ab, aa, bb] = [0, 0, 0];
      for (let i = r * size; i < (r + 1) * size; i++) {
        const [x, y] = [a[i]!, b[i]!];
        ab += x * y;
        aa += x * x;
        bb += y * y;
        const at = r * this.columns + (this.perColumn ? i % this.columns : 0);
        squares[at] = squares[at]! + (x - y) ** 2 * (this.perColumn ? 1 : 1 / size);
      }
      if (aa > 0 && bb > 0 && Number.isFinite(ab)) {
        this.cosineSum += ab / Math.sqrt(aa * bb);
        this.cosineRows++;
      }
    }
    this.rowSquares.push(squares);
  }

  private addClasses(a: ArrayLike<number>, b: ArrayLike<number>, dims: readonly number[]): void {
    const classes = dims.at(-1) ?? 1;
    if (dims.length < 2 || classes < 2 || this.integer) {
      this.looksLikeScores = false;
      return;
    }
    const rows = a.length / classes;
    for (let r = 0; r < rows; r++) {
      const base = r * classes;
      let [bestA, bestB] = [0, 0];
      let [sum, sumExp, lowest] = [0, 0, Infinity];
      for (let c = 0; c < classes; c++) {
        const x = a[base + c]!;
        if (x > a[base + bestA]!) bestA = c;
        if (b[base + c]! > b[base + bestB]!) bestB = c;
        sum += x;
        sumExp += Math.exp(x);
        lowest = Math.min(lowest, x);
      }
      if (bestA === bestB) this.agreeing++;
      this.agreementRows++;
      const probabilities = lowest >= 0 && Math.abs(sum - 1) <= 1e-3;
      const logarithms = lowest <= 0 && Math.abs(sumExp - 1) <= 1e-3;
      if (!probabilities && !logarithms) this.looksLikeScores = false;
    }
  }

  get differsInShape(): boolean {
    return this.shapeMismatch !== null;
  }

  /** @param classes says that the output holds class scores, whatever the values look like */
  result(classes = false): OutputFigures {
    const columns: number[] = [];
    for (let c = 0; c < this.columns; c++) {
      const variance = this.m2[c]! / Math.max(this.count, 1);
      if (variance > CONSTANT) columns.push(Math.sqrt(this.squares[c]! / this.count / variance));
    }
    const maxRel = this.relativeErrors.largest(RELATIVE_FLOOR * this.maxValue);
    return {
      output: this.output,
      rows: this.rows,
      nrmse: this.integer || columns.length === 0 ? null : columns.reduce((s, v) => s + v, 0) / columns.length,
      maxAbs: this.maxAbs,
      maxRel,
      relative: this.maxValue > 0 ? this.maxAbs / this.maxValue : this.maxAbs,
      cosine: this.cosineRows === 0 ? null : this.cosineSum / this.cosineRows,
      agreement: this.agreementRows === 0 ? null : this.agreeing / this.agreementRows,
      equal: this.elements === 0 ? 1 : this.equal / this.elements,
      nonFinite: this.nonFinite,
      classScores: classes || (this.looksLikeScores && this.agreementRows > 0),
      integer: this.integer,
      shapeMismatch: this.shapeMismatch,
    };
  }

  /** Mean and standard deviation of the reference: of each column, or of all elements. */
  spread(): { readonly mean: Float64Array; readonly deviation: Float64Array } {
    const variance = this.m2.map((v) => v / Math.max(this.count, 1));
    return { mean: this.mean, deviation: variance.map((v) => (v > CONSTANT ? Math.sqrt(v) : 0)) };
  }

  /**
   * Mean squared standardised error of each row over this output's elements (columns of no variance left out), or undefined where the output
   * has no rows of its own.
   */
  rowErrors(): Float64Array | undefined {
    if (this.integer || this.shapeMismatch !== null) return undefined;
    const variances = this.m2.map((v) => v / Math.max(this.count, 1));
    const counted = variances.filter((v) => v > CONSTANT).length;
    if (counted === 0) return undefined;
    const result: number[] = [];
    for (const squares of this.rowSquares) {
      for (let r = 0; r < squares.length / this.columns; r++) {
        let sum = 0;
        for (let c = 0; c < this.columns; c++) {
          if (variances[c]! > CONSTANT) sum += squares[r * this.columns + c]! / variances[c]!;
        }
        result.push(sum / counted);
      }
    }
    return result.length === this.rows ? Float64Array.from(result) : undefined;
  }
}

/** The elements as numbers. */
export function numbers(array: NumericArray): ArrayLike<number> {
  const { data, dtype } = array;
  if (Array.isArray(data)) return Float64Array.from(data, hashText);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  if (dtype === 'float16') return Float64Array.from(data as Uint16Array, float16ToNumber);
  return elementCount(array.dims) === 0 ? new Float64Array(0) : data;
}

/** Strings are only ever compared for equality: a 32-bit hash (FNV-1a) stands for each. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
