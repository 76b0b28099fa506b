import { describe, expect, it } from 'vitest';
import { Adam } from '../../src/train/adam.js';
import { rateAt } from '../../src/train/schedule.js';

/** Gradient of Σ c (w − 1)² / 2. */
const slope = (w: Float32Array, c: number): Float32Array => w.map((v) => c * (v - 1));

describe('Adam', () => {
  it('finds the minimum, whatever the scale of the gradient', () => {
    const weights = [Float32Array.of(5, -3), Float32Array.of(0.5)];
    const adam = new Adam(weights);
    for (let i = 0; i < 2000; i++)
      adam.step([slope(weights[0]!, 100), slope(weights[1]!, 0.01)], rateAt(i, i / 2000, 2000, 0.05));
    for (const w of weights) for (const v of w) expect(v).toBeCloseTo(1, 2);
  });

  it('takes a first step as long as the rate', () => {
    const weights = [Float32Array.of(5)];
    new Adam(weights).step([Float32Array.of(1234)], 0.1);
    expect(weights[0]![0]).toBeCloseTo(4.9, 5);
  });

  it('scales gradients down to the norm over all weights', () => {
    const [a, b] = [
      [Float32Array.of(0), Float32Array.of(0)],
      [Float32Array.of(0), Float32Array.of(0)],
    ];
    const clipped = new Adam(a, { clip: 5, epsilon: 1 });
    const scaled = new Adam(b, { epsilon: 1 });
    clipped.step([Float32Array.of(30), Float32Array.of(40)], 0.1);
    scaled.step([Float32Array.of(3), Float32Array.of(4)], 0.1);
    expect(a).toEqual(b);
  });

  it('decays weights apart from the gradient, those that should', () => {
    const weights = [Float32Array.of(2), Float32Array.of(2)];
    new Adam(weights, { weightDecay: 0.5, decays: [true, false] }).step([Float32Array.of(0), Float32Array.of(0)], 0.1);
    expect(weights[0]![0]).toBeCloseTo(1.9, 6);
    expect(weights[1]![0]).toBe(2);
  });
});
