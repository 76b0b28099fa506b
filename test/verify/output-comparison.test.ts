import { describe, expect, it } from 'vitest';
import type { NumericArray } from '../../src/graph/feeds.js';
import { OutputComparison, type OutputFigures } from '../../src/verify/output-comparison.js';
import { randomMatrix } from '../matrices.js';

const floats = (dims: number[], ...values: number[]): NumericArray => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from(values),
});
const doubles = (dims: number[], values: Float64Array): NumericArray => ({ dtype: 'float64', dims, data: values });

function compare(reference: NumericArray, candidate: NumericArray, rows = reference.dims[0] ?? 1): OutputFigures {
  const comparison = new OutputComparison('y');
  comparison.add(reference, candidate, rows);
  return comparison.result();
}

describe('figures of one output, by hand', () => {
  it('rank 2: NRMSE by column, averaged over the columns that vary', () => {
    // Columns: 1, 3 (deviation 1), errors 1 and 1; 10, 30 (deviation 10), errors 0 and 10; 5, 5 constant.
    const figures = compare(floats([2, 3], 1, 10, 5, 3, 30, 5), floats([2, 3], 2, 10, 5, 2, 20, 9));
    expect(figures.nrmse).toBeCloseTo((1 + Math.sqrt(50) / 10) / 2, 6);
    expect(figures.maxAbs).toBe(10);
    expect(figures.relative).toBeCloseTo(10 / 30, 6);
    expect(figures.maxRel).toBeCloseTo(1, 6);
    expect(figures.equal).toBeCloseTo(2 / 6, 6);
    expect(figures).toMatchObject({
      output: 'y',
      rows: 2,
      nonFinite: 0,
      classScores: false,
      integer: false,
      shapeMismatch: null,
    });
  });

  it('other ranks: all elements pooled', () => {
    const figures = compare(floats([1, 2, 2], 0, 0, 4, 4), floats([1, 2, 2], 0, 0, 4, 2));
    expect(figures.nrmse).toBeCloseTo(Math.sqrt(4 / 4) / 2, 6);
    expect(compare(floats([4], 0, 0, 4, 4), floats([4], 0, 0, 4, 2)).nrmse).toBeCloseTo(0.5, 6);
  });

  it('cosine: the mean over rows, rows of zeros left out', () => {
    expect(compare(floats([3, 2], 1, 0, 0, 2, 0, 0), floats([3, 2], 2, 0, 1, 1, 0, 0)).cosine).toBeCloseTo(
      (1 + Math.SQRT1_2) / 2,
      6,
    );
    expect(compare(floats([1, 2], 0, 0), floats([1, 2], 1, 1)).cosine).toBeNull();
  });

  it('agreement: rows with the same largest entry along the last axis', () => {
    expect(
      compare(floats([4, 3], 1, 2, 0, 5, 1, 1, 0, 0, 1, 1, 0, 0), floats([4, 3], 0, 9, 0, 5, 6, 1, 0, 0, 2, 1, 0, 0))
        .agreement,
    ).toBe(0.75);
    expect(compare(floats([1, 2, 2], 1, 2, 2, 1), floats([1, 2, 2], 1, 2, 1, 2)).agreement).toBe(0.5);
    expect(compare(floats([2, 1], 1, 2), floats([2, 1], 1, 2)).agreement).toBeNull();
    expect(compare(floats([2], 1, 2), floats([2], 1, 2)).agreement).toBeNull();
  });

  it('class scores: probabilities or their logarithms along the last axis, or by decree', () => {
    const probabilities = floats([2, 3], 0.2, 0.3, 0.5, 1, 0, 0);
    expect(compare(probabilities, probabilities).classScores).toBe(true);
    const logarithms = {
      ...probabilities,
      data: (floats([2, 3], 0.2, 0.3, 0.5, 0.98, 0.01, 0.01).data as Float32Array).map(Math.log),
    };
    expect(compare(logarithms, logarithms).classScores).toBe(true);
    const logits = floats([1, 3], 2, -1, 7);
    expect(compare(logits, logits).classScores).toBe(false);
    const comparison = new OutputComparison('y');
    comparison.add(logits, logits, 1);
    expect(comparison.result(true).classScores).toBe(true);
  });

  it('one row that is no distribution is enough to say no', () => {
    const comparison = new OutputComparison('y');
    comparison.add(floats([1, 2], 0.5, 0.5), floats([1, 2], 0.5, 0.5), 1);
    comparison.add(floats([1, 2], 0.5, 0.6), floats([1, 2], 0.5, 0.6), 1);
    expect(comparison.result().classScores).toBe(false);
  });

  it('integers and booleans: share of equal values, no NRMSE', () => {
    const labels = (...values: bigint[]): NumericArray => ({
      dtype: 'int64',
      dims: [4],
      data: BigInt64Array.from(values),
    });
    const figures = compare(labels(1n, 2n, 3n, 4n), labels(1n, 2n, 3n, 9n));
    expect(figures).toMatchObject({
      integer: true,
      equal: 0.75,
      nrmse: null,
      agreement: null,
      classScores: false,
      maxAbs: 5,
    });
    const flags: NumericArray = { dtype: 'bool', dims: [2], data: Uint8Array.of(0, 1) };
    expect(compare(flags, { ...flags, data: Uint8Array.of(1, 1) })).toMatchObject({ integer: true, equal: 0.5 });
  });

  it('texts are compared for equality', () => {
    const texts = (...data: string[]): NumericArray => ({ dtype: 'string', dims: [2], data });
    expect(compare(texts('cat', 'dog'), texts('cat', 'cow'))).toMatchObject({ integer: true, equal: 0.5 });
  });

  it('float16 by value', () => {
    const half = (...data: number[]): NumericArray => ({
      dtype: 'float16',
      dims: [2, 1],
      data: Uint16Array.from(data),
    });
    // 1 and 2 against 1 and 1.5.
    expect(compare(half(0x3c00, 0x4000), half(0x3c00, 0x3e00)).maxAbs).toBe(0.5);
  });

  it('NaN and Inf count where the other is not the same, and stay out of the errors', () => {
    const figures = compare(
      floats([6, 1], NaN, NaN, Infinity, Infinity, 1, 2),
      floats([6, 1], NaN, 1, Infinity, -Infinity, Infinity, 3),
    );
    expect(figures.nonFinite).toBe(3);
    expect(figures.maxAbs).toBe(1);
    expect(figures.equal).toBeCloseTo(2 / 6, 6);
  });

  it('shapes that differ are told, once', () => {
    const comparison = new OutputComparison('y');
    comparison.add(floats([1, 2], 1, 2), floats([1, 1], 1), 1);
    comparison.add(floats([1, 2], 1, 2), floats([2], 1, 2), 1);
    expect(comparison.result().shapeMismatch).toBe('[1, 2] against [1, 1]');
    expect(comparison.rowErrors()).toBeUndefined();
  });

  it('an output that never varies has no NRMSE, but its other figures', () => {
    expect(compare(floats([2, 1], 3, 3), floats([2, 1], 3, 6))).toMatchObject({ nrmse: null, maxAbs: 3, relative: 1 });
  });

  it('no elements: nothing differs', () => {
    expect(compare(floats([0, 3]), floats([0, 3]), 0)).toMatchObject({ equal: 1, maxAbs: 0, nrmse: null });
  });
});

describe('largest relative error', () => {
  it('is not hidden by a rounding error at a value of zero', () => {
    const figures = compare(floats([1, 3], 0, 1, 100), floats([1, 3], 1e-12, 1.1, 100));
    expect(figures.maxRel).toBeCloseTo(0.1, 6);
  });

  it('counts against a floor of 1e-6 of the largest value', () => {
    expect(compare(floats([1, 2], 0, 100), floats([1, 2], 1e-5, 100)).maxRel).toBeCloseTo(0.1, 5);
    expect(compare(floats([1, 2], 1e-7, 100), floats([1, 2], 2e-7, 100)).maxRel).toBeCloseTo(1e-3, 6);
  });

  it('takes the floor from all batches', () => {
    const comparison = new OutputComparison('y');
    comparison.add(floats([1, 1], 0), floats([1, 1], 1e-5), 1);
    comparison.add(floats([1, 1], 100), floats([1, 1], 100), 1);
    expect(comparison.result().maxRel).toBeCloseTo(0.1, 5);
  });

  it('of a reference that is all zero is the error itself', () => {
    expect(compare(floats([1, 1], 0), floats([1, 1], 3)).maxRel).toBe(3);
  });
});

describe('batches', () => {
  const [A, B] = [randomMatrix(60, 5, 1), randomMatrix(60, 5, 2)];
  const shifted = (M: Float64Array): Float64Array => M.map((v, i) => 1e6 + 10 ** (i % 5) * v);
  const [a, b] = [shifted(A.data), shifted(B.data)];

  function inBatches(size: number): OutputComparison {
    const comparison = new OutputComparison('y');
    for (let r = 0; r < 60; r += size) {
      const part = (data: Float64Array): NumericArray => {
        const slice = data.slice(r * 5, (r + size) * 5);
        return doubles([slice.length / 5, 5], slice);
      };
      comparison.add(part(a), part(b), Math.min(size, 60 - r));
    }
    return comparison;
  }

  it.each([1, 7, 30])('of %i rows give the figures of all at once', (size) => {
    const [whole, parts] = [inBatches(60).result(), inBatches(size).result()];
    expect(parts.rows).toBe(60);
    for (const key of ['nrmse', 'maxAbs', 'maxRel', 'relative', 'cosine', 'agreement', 'equal'] as const) {
      expect(parts[key]).toBeCloseTo(whole[key]!, 9);
    }
  });

  it('errors of rows, standardised by the variance over all rows; their mean is that of the squared column figures', () => {
    const errors = inBatches(7).rowErrors()!;
    const variance = [0, 1, 2, 3, 4].map((c) => {
      const column = Array.from({ length: 60 }, (_, r) => a[r * 5 + c]!);
      const mean = column.reduce((s, v) => s + v, 0) / 60;
      return column.reduce((s, v) => s + (v - mean) ** 2, 0) / 60;
    });
    expect(errors.length).toBe(60);
    for (const r of [0, 6, 7, 59]) {
      const expected = variance.reduce((sum, v, c) => sum + (a[r * 5 + c]! - b[r * 5 + c]!) ** 2 / v / 5, 0);
      // Squares are kept as float32.
      expect(errors[r]! / expected).toBeCloseTo(1, 5);
    }
  });

  it('errors of rows of pooled outputs are means over their elements', () => {
    const comparison = new OutputComparison('y');
    comparison.add(floats([2, 1, 2], 0, 0, 4, 4), floats([2, 1, 2], 0, 2, 4, 0), 2);
    // Variance 4: (4/2)/4 and (16/2)/4.
    expect([...comparison.rowErrors()!]).toEqual([0.5, 2]);
  });

  it('no errors of rows where axis 0 is not the rows, for integers, and where nothing varies', () => {
    const pooled = new OutputComparison('y');
    pooled.add(floats([3], 1, 2, 3), floats([3], 1, 2, 3), 2);
    expect(pooled.rowErrors()).toBeUndefined();
    const constant = new OutputComparison('y');
    constant.add(floats([2, 1], 1, 1), floats([2, 1], 2, 2), 2);
    expect(constant.rowErrors()).toBeUndefined();
  });
});
