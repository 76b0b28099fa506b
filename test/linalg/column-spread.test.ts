import { describe, expect, it } from 'vitest';
import { ColumnSpread } from '../../src/linalg/column-spread.js';
import { normals } from '../matrices.js';

describe('ColumnSpread', () => {
  const next = normals(5);
  const [rows, columns] = [90, 3];
  const data = Float64Array.from({ length: rows * columns }, (_, i) => 1e6 + [1, 0.01, 0][i % 3]! * next());
  const expected = Array.from({ length: columns }, (_, c) => {
    const column = data.filter((_v, i) => i % columns === c);
    const mean = column.reduce((a, b) => a + b) / rows;
    return Math.sqrt(column.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows);
  });

  it.each([1, 7, 90])('is that of all rows, %i at a time', (part) => {
    const spread = new ColumnSpread(columns);
    for (let start = 0; start < rows; start += part)
      spread.add(data.subarray(start * columns, (start + part) * columns));
    spread.deviations().forEach((d, c) => {
      expect(d).toBeCloseTo(expected[c]!, 8);
    });
  });

  it('of nothing is nothing', () => {
    expect([...new ColumnSpread(2).deviations()]).toEqual([0, 0]);
  });
});
