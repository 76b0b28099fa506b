import { describe, expect, it } from 'vitest';
import { kneeOf } from '../../src/plan/knee.js';

const curve = (...pairs: [number, number][]) => pairs.map(([size, error]) => ({ size, error }));

describe('kneeOf', () => {
  it('is where the error begins to rise steeply', () => {
    expect(kneeOf(curve([1000, 1e-4], [500, 1.2e-4], [250, 1.5e-4], [125, 1e-2], [60, 1e-1]))).toBe(2);
    // In any order.
    expect(kneeOf(curve([60, 1e-1], [250, 1.5e-4], [1000, 1e-4], [125, 1e-2], [500, 1.2e-4]))).toBe(1);
  });

  it('is the smallest model where all lie on the chord, or where nothing is lost', () => {
    expect(kneeOf(curve([100, 0.01], [10, 0.1], [1, 1]))).toBe(2);
    expect(kneeOf(curve([100, 0], [50, 0], [25, 0]))).toBe(2);
    expect(kneeOf(curve([100, 0.5]))).toBe(0);
  });

  it('takes no error for as good as the smallest', () => {
    expect(kneeOf(curve([100, 0], [50, 1e-6], [40, 1e-2], [20, 1]))).toBe(1);
  });

  it('has none without points', () => {
    expect(kneeOf([])).toBeUndefined();
  });
});
