import { describe, expect, it } from 'vitest';
import { effectiveRank } from '../../src/linalg/effective-rank.js';

describe('effectiveRank', () => {
  it.each([
    [0.5, 1],
    [0.9, 1],
    [0.91, 2],
    [0.99, 2],
    [0.991, 3],
    [1, 3],
  ])('counts the directions that hold %f of the variance', (share, rank) => {
    expect(effectiveRank([90, 9, 1, 0], share)).toBe(rank);
  });

  it('takes values below 0 for what they are, rounding', () => {
    expect(effectiveRank([1, 1, -1e-17], 1)).toBe(2);
  });

  it('is 0 where nothing varies', () => {
    expect(effectiveRank([0, 0, -1e-20], 0.99)).toBe(0);
    expect(effectiveRank([], 0.99)).toBe(0);
  });
});
