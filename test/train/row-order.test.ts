import { describe, expect, it } from 'vitest';
import { RowOrder } from '../../src/train/row-order.js';

const rows = Int32Array.from({ length: 10 }, (_, i) => 100 + i);

describe('RowOrder', () => {
  it('gives each row once in an epoch, leaving out what fills no batch', () => {
    const order = new RowOrder(rows, 3, 1);
    const epochs = [0, 1].map((epoch) => [0, 1, 2].flatMap((i) => [...order.of(3 * epoch + i)]));
    for (const epoch of epochs) {
      expect(new Set(epoch).size).toBe(9);
      expect(epoch.every((row) => rows.includes(row))).toBe(true);
    }
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(order.epochOf(5)).toBe(1);
  });

  it('depends on the step and the seed alone', () => {
    const order = new RowOrder(rows, 3, 1);
    const seen = Array.from({ length: 9 }, (_, i) => [...order.of(i)]);
    expect([...new RowOrder(rows, 3, 1).of(7)]).toEqual(seen[7]);
    expect(Array.from({ length: 9 }, (_, i) => [...new RowOrder(rows, 3, 2).of(i)])).not.toEqual(seen);
  });
});
