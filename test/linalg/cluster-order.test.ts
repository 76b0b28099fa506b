import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterOrder } from '../../src/linalg/cluster-order.js';

describe('clusterOrder', () => {
  it('brings together what is near, whatever order it comes in', () => {
    const groups = [0, 1, 2, 0, 1, 2, 0, 1, 2];
    const order = clusterOrder(groups.length, (a, b) => (groups[a] === groups[b] ? 0.1 : 1));
    const sequence = order.map((i) => groups[i]!);
    expect(sequence.filter((g, i) => g !== sequence[i - 1])).toHaveLength(3);
  });

  it('puts points of a line in their order, from one end or the other', () => {
    const points = [5, 1, 4, 2, 3, 0];
    const order = clusterOrder(points.length, (a, b) => Math.abs(points[a]! - points[b]!)).map((i) => points[i]!);
    expect([order, order.toReversed()]).toContainEqual([0, 1, 2, 3, 4, 5]);
  });

  it('is a permutation for any distances', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (values) => {
        const order = clusterOrder(values.length, (a, b) => Math.abs(values[a]! - values[b]!));
        expect(order.toSorted((a, b) => a - b)).toEqual(values.map((_, i) => i));
      }),
    );
  });
});
