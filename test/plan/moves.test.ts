import { describe, expect, it } from 'vitest';
import { filled, movesFrom } from '../../src/plan/moves.js';

const options = {
  steps: [1, 4, 1],
  bounds: [
    { minimum: 0, size: 100 },
    { minimum: 8, size: 64 },
    { minimum: 10, size: 10 },
  ],
  /** Each channel of space i costs 1, 2, 1. */
  fits: (w: ArrayLike<number>): boolean => w[0]! + 2 * w[1]! + w[2]! <= 150,
};

describe('movesFrom', () => {
  it('keeps the budget, the bounds and the steps, and moves between two spaces each', () => {
    const from = Int32Array.of(60, 40, 10);
    const moves = movesFrom(from, options);
    expect(moves.length).toBeGreaterThan(2);
    for (const widths of moves) {
      expect(options.fits(widths)).toBe(true);
      expect(widths[1]! % 4).toBe(0);
      expect(widths[2]).toBe(10);
      const signs = [0, 1].map((i) => Math.sign(widths[i]! - from[i]!));
      expect([...signs].sort()).toEqual([-1, 1]);
    }
  });

  it('makes no move twice', () => {
    const moves = movesFrom(Int32Array.of(60, 40, 10), options).map((w) => w.join());
    expect(new Set(moves).size).toBe(moves.length);
  });

  it('has none where nothing can be given up', () => {
    expect(movesFrom(Int32Array.of(0, 8, 10), options)).toEqual([]);
  });
});

describe('filled', () => {
  it('spends what is left', () => {
    expect([...filled(Int32Array.of(50, 40, 10), options)]).toEqual([60, 40, 10]);
    expect([...filled(Int32Array.of(100, 8, 10), options)]).toEqual([100, 20, 10]);
  });

  it('changes nothing where nothing more fits', () => {
    expect([...filled(Int32Array.of(60, 40, 10), options)]).toEqual([60, 40, 10]);
  });
});
