import { describe, expect, it } from 'vitest';
import type { NumericArray } from '../../src/graph/feeds.js';
import { standardisedSquaredError } from '../../src/plan/output-error.js';

const floats = (dims: number[], ...values: number[]): NumericArray => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from(values),
});
const batch = (outputs: Record<string, NumericArray>): ReadonlyMap<string, NumericArray> =>
  new Map(Object.entries(outputs));

describe('standardised squared error', () => {
  it('of a rank-2 output: error over variance by column, averaged', () => {
    // Columns: 1, 3 (variance 1) and 10, 30 (variance 100); errors 1, 0 and 10, 10.
    const a = [batch({ y: floats([2, 2], 1, 10, 3, 30) })];
    const b = [batch({ y: floats([2, 2], 2, 20, 3, 40) })];
    expect(standardisedSquaredError(a, b)).toBeCloseTo((0.5 + 1) / 2, 12);
  });

  it('does not depend on how the rows are batched', () => {
    const whole = [batch({ y: floats([4, 1], 1, 2, 4, 8) })];
    const parts = [batch({ y: floats([1, 1], 1) }), batch({ y: floats([3, 1], 2, 4, 8) })];
    const other = [batch({ y: floats([1, 1], 1.5) }), batch({ y: floats([3, 1], 2, 3, 9) })];
    const otherWhole = [batch({ y: floats([4, 1], 1.5, 2, 3, 9) })];
    expect(standardisedSquaredError(parts, other)).toBeCloseTo(standardisedSquaredError(whole, otherWhole), 12);
  });

  it('leaves out columns that do not vary', () => {
    const a = [batch({ y: floats([2, 2], 1, 5, 3, 5) })];
    const b = [batch({ y: floats([2, 2], 1, 9, 4, 9) })];
    expect(standardisedSquaredError(a, b)).toBeCloseTo(0.5, 12);
  });

  it('pools outputs of other ranks, and averages over outputs', () => {
    const a = [batch({ y: floats([2, 1], 0, 2), z: floats([1, 2, 2], 0, 0, 4, 4) })];
    const b = [batch({ y: floats([2, 1], 1, 2), z: floats([1, 2, 2], 0, 0, 4, 0) })];
    // y: 1/2 over variance 1; z: 16/4 over variance 4.
    expect(standardisedSquaredError(a, b)).toBeCloseTo((0.5 + 1) / 2, 12);
  });

  it('does not count integers, constants, or other lengths; with nothing to judge it is 0', () => {
    const labels: NumericArray = { dtype: 'int64', dims: [2], data: BigInt64Array.of(1n, 2n) };
    const a = [batch({ label: labels, c: floats([2, 1], 7, 7), s: floats([2], 1, 2) })];
    const b = [
      batch({ label: { ...labels, data: BigInt64Array.of(3n, 4n) }, c: floats([2, 1], 8, 8), s: floats([3], 1, 2, 3) }),
    ];
    expect(standardisedSquaredError(a, b)).toBe(0);
    expect(standardisedSquaredError([], [])).toBe(0);
  });

  it('a NaN in the candidate is no small error', () => {
    const a = [batch({ y: floats([2, 1], 0, 2) })];
    expect(standardisedSquaredError(a, [batch({ y: floats([2, 1], NaN, 2) })])).toBeNaN();
  });
});
