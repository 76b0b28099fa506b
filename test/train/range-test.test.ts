import { describe, expect, it } from 'vitest';
import { bestRate } from '../../src/train/range-test.js';

const points = (losses: readonly number[]) => losses.map((loss, i) => ({ rate: 10 ** (i - 4), loss }));

describe('bestRate', () => {
  it('is the largest that the loss stands', () => {
    expect(bestRate(points([1.1, 2, 3.9, 4.1, 80]), 1)).toBeCloseTo(1e-2, 12);
  });

  it('is near the one that lowers the loss most where weights are far from what they could be', () => {
    expect(bestRate(points([9, 5, 1, 30, Infinity]), 10)).toBeCloseTo(1e-2, 12);
  });

  it('is the smallest where none is stood', () => {
    expect(bestRate(points([50, 60, Infinity]), 1)).toBeCloseTo(1e-4, 12);
    expect(bestRate([], 1)).toBeCloseTo(1e-4, 12);
  });
});
