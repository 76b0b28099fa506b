import { describe, expect, it } from 'vitest';
import { fromRows, zeros, type Matrix } from '../../src/linalg/matrix.js';
import { mergeByCosine, partnerCosines } from '../../src/select/cosine.js';
import { multiply, randomMatrix, transposed } from '../matrices.js';

/** Uncentred moments of neurons given as columns of their values. */
function moments(neurons: readonly (readonly number[])[]): Matrix {
  const X = fromRows(neurons);
  return multiply(X, transposed(X));
}

const ones = (n: number): Float64Array => new Float64Array(n).fill(1);

describe('merge by cosine', () => {
  it('collinear neurons join the strongest, with positive and negative factors', () => {
    const { leader, factor } = mergeByCosine(
      moments([
        [1, 2, 2],
        [-2, -4, -4],
        [0.5, 1, 1],
        [2, -1, 0],
      ]),
      ones(4),
      0.99,
    );
    expect([...leader]).toEqual([1, 1, 1, 3]);
    expect(factor[0]).toBeCloseTo(-0.5, 12);
    expect(factor[1]).toBe(1);
    expect(factor[2]).toBeCloseTo(-0.25, 12);
    expect(factor[3]).toBe(1);
  });

  it('the weights that read a neuron count in its rank', () => {
    const G = moments([
      [1, 2, 2],
      [-2, -4, -4],
    ]);
    expect([...mergeByCosine(G, Float64Array.of(5, 1), 0.99).leader]).toEqual([0, 0]);
    expect([...mergeByCosine(G, Float64Array.of(3, 1), 0.99).leader]).toEqual([1, 1]);
  });

  it('joins from the threshold on, and not below it', () => {
    // The cosine of the two is 0.8.
    const G = moments([
      [2, 0],
      [0.8, 0.6],
    ]);
    expect([...mergeByCosine(G, ones(2), 0.79).leader]).toEqual([0, 0]);
    expect([...mergeByCosine(G, ones(2), 0.81).leader]).toEqual([0, 1]);
  });

  it('joins the best leader, not the first one', () => {
    const { leader } = mergeByCosine(
      moments([
        [10, 0],
        [6, 6],
        [0.9, 1],
      ]),
      ones(3),
      0.72,
    );
    expect([...leader]).toEqual([0, 1, 1]);
  });

  it('leaders lead only themselves: no chains', () => {
    const { leader, factor } = mergeByCosine(moments(rows(randomMatrix(40, 3, 1))), ones(40), 0.9);
    for (const [j, r] of leader.entries()) {
      expect(leader[r]).toBe(r);
      if (r === j) expect(factor[j]).toBe(1);
    }
    expect(new Set(leader).size).toBeLessThan(40);
  });

  it('each member is as near to its leader as the threshold says, and leaders are further apart', () => {
    const neurons = rows(randomMatrix(40, 3, 2));
    const { leader } = mergeByCosine(moments(neurons), ones(40), 0.9);
    const cosine = (a: readonly number[], b: readonly number[]): number => {
      const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, v, i) => sum + v * y[i]!, 0);
      return Math.abs(dot(a, b)) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    const leaders = [...new Set(leader)];
    for (const [j, r] of leader.entries()) {
      if (j !== r) expect(cosine(neurons[j]!, neurons[r]!)).toBeGreaterThanOrEqual(0.9 - 1e-12);
    }
    for (const a of leaders)
      for (const b of leaders) if (a < b) expect(cosine(neurons[a]!, neurons[b]!)).toBeLessThan(0.9);
  });

  it('a silent neuron joins with factor 0, and leads only where all are silent', () => {
    const { leader, factor } = mergeByCosine(
      moments([
        [0, 0],
        [1, 1],
        [0, 0],
      ]),
      ones(3),
      0.99,
    );
    expect([...leader]).toEqual([1, 1, 1]);
    expect([...factor]).toEqual([0, 1, 0]);
    expect([...mergeByCosine(zeros(3, 3), ones(3), 0.99).leader]).toEqual([0, 0, 0]);
  });

  it('threshold 1 merges nothing that differs', () => {
    expect([...mergeByCosine(moments(rows(randomMatrix(10, 30, 3))), ones(10), 1).leader]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });
});

function rows(M: Matrix): number[][] {
  return Array.from({ length: M.rows }, (_, r) => [...M.data.subarray(r * M.cols, (r + 1) * M.cols)]);
}

describe('partnerCosines', () => {
  it('gives each channel the cosine of its nearest one, whatever the sign', () => {
    const G = moments([
      [1, 0, 0],
      [-2, 0, 0],
      [0.6, 0.8, 0],
      [0, 0, 3],
      [0, 0, 0],
    ]);
    expect([...partnerCosines(G)]).toEqual([1, 1, 0.6, 0, 0].map((c) => expect.closeTo(c, 12) as number));
    expect([...partnerCosines(moments([[1]]))]).toEqual([0]);
  });

  it('agrees with the merge: at its own cosine a pair becomes one', () => {
    const G = moments([
      [2, 0],
      [0.8, 0.6],
    ]);
    const [cosine] = partnerCosines(G);
    expect([...mergeByCosine(G, ones(2), cosine! - 1e-9).leader]).toEqual([0, 0]);
    expect([...mergeByCosine(G, ones(2), cosine! + 1e-9).leader]).toEqual([0, 1]);
  });
});
