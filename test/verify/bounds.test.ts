import { describe, expect, it } from 'vitest';
import { binomialTail, exceedanceBound } from '../../src/verify/bounds.js';

describe('binomial tail', () => {
  it.each([
    [0, 10, 0.1, 0.9 ** 10],
    [1, 3, 0.5, 0.5],
    [2, 5, 0.3, 0.83692],
    [10, 10, 0.4, 1],
  ])('P(X ≤ %i | n = %i, p = %f)', (e, n, p, expected) => {
    expect(binomialTail(e, n, p)).toBeCloseTo(expected, 10);
  });

  it('at the ends of p', () => {
    expect(binomialTail(0, 5, 0)).toBe(1);
    expect(binomialTail(4, 5, 1)).toBe(0);
    expect(binomialTail(5, 5, 1)).toBe(1);
  });

  it('of a million rows neither vanishes nor overflows', () => {
    // Half of the mass lies below the mean, but for half of the middle term.
    expect(binomialTail(500_000, 1_000_000, 0.5)).toBeCloseTo(0.5 + 0.5 / Math.sqrt(Math.PI * 500_000), 6);
  });
});

describe('Clopper-Pearson bound', () => {
  // Tabulated upper limits (Beta quantiles): none of n is 1 − α^(1/n); the others as in the usual tables of exact binomial limits.
  it.each([
    [0, 10, 0.01, 1 - 0.01 ** 0.1],
    [0, 100, 0.01, 1 - 0.01 ** 0.01],
    [0, 30, 0.05, 0.0950339],
    [1, 10, 0.025, 0.4450161],
    [5, 10, 0.025, 0.8129136],
    [10, 100, 0.025, 0.1762226],
    [9, 10, 0.025, 0.9974714],
  ])('%i of %i at α = %f', (e, n, alpha, expected) => {
    expect(exceedanceBound(e, n, alpha)).toBeCloseTo(expected, 6);
  });

  it('is 99 % unless told otherwise', () => {
    expect(exceedanceBound(3, 500)).toBe(exceedanceBound(3, 500, 0.01));
  });

  it('holds in repeated sampling: a true share that high shows so few with a chance of α', () => {
    for (const [e, n] of [
      [0, 57],
      [4, 200],
      [30, 1000],
      [2, 100_000],
    ] as const) {
      expect(binomialTail(e, n, exceedanceBound(e, n))).toBeCloseTo(0.01, 8);
    }
  });

  it('grows with what exceeds, falls with the rows, and widens when candidates share the chance', () => {
    expect(exceedanceBound(2, 100)).toBeGreaterThan(exceedanceBound(1, 100));
    expect(exceedanceBound(1, 1000)).toBeLessThan(exceedanceBound(1, 100));
    expect(exceedanceBound(1, 100, 0.01 / 5)).toBeGreaterThan(exceedanceBound(1, 100));
  });

  it('proves nothing without rows, or when all exceed', () => {
    expect(exceedanceBound(0, 0)).toBe(1);
    expect(exceedanceBound(7, 7)).toBe(1);
  });
});
